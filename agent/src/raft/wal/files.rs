//! The segment files of a folder: names, creation, reuse, positioned reads and writes.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::WalError;

const SUFFIX: &str = "wal";
const SPARE: &str = "spare";

/// Wraps the error of a file operation.
pub(in crate::raft) fn failed<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> WalError + 'a {
    move |source| WalError::Io { act, path: path.to_owned(), source }
}

/// The folder of the log.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at a path, made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path) -> Result<Self, WalError> {
        std::fs::create_dir_all(path).map_err(failed("create the folder", path))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a segment.
    #[must_use]
    pub fn segment(&self, sequence: u64) -> PathBuf {
        self.path.join(format!("{sequence:020}.{SUFFIX}"))
    }

    fn spare(&self, sequence: u64) -> PathBuf {
        self.path.join(format!("{sequence:020}.{SPARE}"))
    }

    fn list(&self, suffix: &str) -> Result<Vec<u64>, WalError> {
        let entries = std::fs::read_dir(&self.path).map_err(failed("list", &self.path))?;
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed("list", &self.path))?.file_name();
            let sequence: Option<u64> =
                name.to_str().and_then(|name| name.strip_suffix(suffix)?.strip_suffix('.')?.parse().ok());
            found.extend(sequence);
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Sequence numbers of the segments, rising.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn segments(&self) -> Result<Vec<u64>, WalError> {
        self.list(SUFFIX)
    }

    /// Opens a segment, new or taken from the spare ones; its content is whatever it was.
    pub(super) fn create(&self, sequence: u64) -> Result<File, WalError> {
        let path = self.segment(sequence);
        if let Some(spare) = self.list(SPARE)?.first() {
            std::fs::rename(self.spare(*spare), &path).map_err(failed("rename", &path))?;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("create", &path))?;
        self.sync()?;
        Ok(file)
    }

    /// Takes a segment away: kept as spare one while there is room.
    pub(super) fn discard(&self, sequence: u64) -> Result<(), WalError> {
        let path = self.segment(sequence);
        if self.list(SPARE)?.len() < super::SPARE_SEGMENTS {
            std::fs::rename(&path, self.spare(sequence)).map_err(failed("rename", &path))
        } else {
            std::fs::remove_file(&path).map_err(failed("remove", &path))
        }
    }

    /// Makes names durable.
    pub(super) fn sync(&self) -> Result<(), WalError> {
        let folder = File::open(&self.path).map_err(failed("open", &self.path))?;
        folder.sync_all().map_err(failed("sync", &self.path))
    }
}

/// Reads `length` bytes at a place.
pub(super) fn read_at(file: &File, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>, WalError> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset).map_err(failed("read", path))?;
    Ok(bytes)
}

/// Writes all bytes at a place.
pub(super) fn write_at(file: &File, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), WalError> {
    file.write_all_at(bytes, offset).map_err(failed("write", path))
}
