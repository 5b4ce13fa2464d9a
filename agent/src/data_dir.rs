//! The layout of the data directory: a file that says which version of it is there, so that a program which does not
//! know it refuses to touch it instead of guessing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::version::CONCORD_VERSION;

/// Version of the layout that this program writes, and the newest that it reads. Raised when an older program could not
/// read what a newer one wrote.
pub const LAYOUT: u32 = 1;

/// Name of the file.
const FILE: &str = "layout.json";

/// What the file says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    layout: u32,
    written_by: String,
}

/// The data directory cannot be used. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// A newer program wrote it.
    #[error(
        "the data directory {dir} has layout {found}, written by Concord {by}; this is Concord {CONCORD_VERSION}, which \
         knows layouts up to {LAYOUT}. Start {by} or newer again; to go back, take a snapshot there (`consul snapshot \
         save`) and restore it into an empty data directory here"
    )]
    Newer {
        /// The directory.
        dir: String,
        /// Its layout.
        found: u32,
        /// The program that wrote it.
        by: String,
    },
    /// The file is damaged.
    #[error(
        "{path} says no layout ({cause}); if the disk is sound, remove this one file and start again, else restore a \
         snapshot into an empty data directory"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// The system refuses.
    #[error("cannot {what} {path}: {cause}")]
    Io {
        /// Read or write.
        what: &'static str,
        /// The file.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
}

/// Checks the layout of a directory that exists, and writes down this program's where there is none.
///
/// # Errors
/// When another program's layout is there, or the file cannot be used.
pub fn check_layout(dir: &Path) -> Result<(), DataDirError> {
    let path = dir.join(FILE);
    let shown = || path.display().to_string();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let layout = Layout { layout: LAYOUT, written_by: CONCORD_VERSION.to_owned() };
            return write(&path, &layout).map_err(|cause| DataDirError::Io { what: "write", path: shown(), cause });
        }
        Err(cause) => return Err(DataDirError::Io { what: "read", path: shown(), cause }),
    };
    let layout: Layout = serde_json::from_str(&text)
        .map_err(|error| DataDirError::Damaged { path: shown(), cause: error.to_string() })?;
    if layout.layout > LAYOUT {
        let (dir, by) = (dir.display().to_string(), layout.written_by);
        return Err(DataDirError::Newer { dir, found: layout.layout, by });
    }
    Ok(())
}

/// Whole or not at all, also when the power fails.
fn write(path: &Path, layout: &Layout) -> io::Result<()> {
    let fresh: PathBuf = path.with_extension("new");
    let mut file = fs::File::create(&fresh)?;
    file.write_all(serde_json::to_string(layout)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_written_once_and_known_again() {
        let folder = tempfile::tempdir().unwrap();
        check_layout(folder.path()).unwrap();
        let written = fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(written, format!("{{\"layout\":1,\"written_by\":\"{CONCORD_VERSION}\"}}"));
        check_layout(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), written);
    }

    #[test]
    fn a_newer_or_damaged_layout_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for (text, part) in [
            (r#"{"layout":2,"written_by":"9.0.0"}"#, "Start 9.0.0 or newer again; to go back, take a snapshot"),
            ("", "remove this one file and start again"),
            (r#"{"layout":"x"}"#, "says no layout"),
        ] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let message = check_layout(folder.path()).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
            assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), text, "nothing was touched");
        }
    }
}
