//! One process per data directory.

use std::fs::File;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

/// Holds a data directory for this process; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataDirLock(#[expect(dead_code, reason = "held for its lock")] Flock<File>);

impl DataDirLock {
    /// Takes the directory, which is made when it is missing.
    ///
    /// # Errors
    /// When another process has it, or its lock file cannot be made.
    pub fn take(data_dir: &Path) -> std::io::Result<Self> {
        let path = data_dir.join("raft.lock");
        let naming = |error: std::io::Error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        std::fs::create_dir_all(data_dir).map_err(naming)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(naming)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
                let folder = data_dir.display();
                let text =
                    format!("data directory {folder} is in use by another process: stop it or set another -data-dir");
                Err(std::io::Error::new(std::io::ErrorKind::ResourceBusy, text))
            }
            Err((_, error)) => Err(naming(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDirLock::take(folder.path()).unwrap();
        let error = DataDirLock::take(folder.path()).unwrap_err().to_string();
        assert!(error.contains("in use by another process"), "{error}");
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        drop(first);
        DataDirLock::take(folder.path()).unwrap();
    }
}
