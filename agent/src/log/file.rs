//! The log file: appended to, set aside under its time when it is too big or too old, the oldest removed.
//!
//! The file under way always has the name that was configured; `consul.log` set aside is `consul-NANOSECONDS.log`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When a file is set aside, and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The file, or a folder for a `consul.log`.
    pub path: PathBuf,
    /// Longest file in bytes; 0 for no limit.
    pub bytes_max: u64,
    /// Longest time that one file is written to; zero for no limit.
    pub age_max: Duration,
    /// How many files set aside are kept: 0 keeps all, a negative number none.
    pub files_max: i64,
}

/// An open log file.
pub struct RotatingFile {
    settings: FileSettings,
    path: PathBuf,
    file: File,
    bytes: u64,
    since: SystemTime,
}

impl RotatingFile {
    /// Opens the file for appending.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(settings: FileSettings) -> io::Result<Self> {
        let path = &settings.path;
        let path = if path.is_dir() { path.join("consul.log") } else { path.clone() };
        let file = File::options().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { settings, path, file, bytes, since: SystemTime::now() })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When it cannot be written; the line may be cut.
    pub fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.write_at(line, SystemTime::now())
    }

    fn write_at(&mut self, line: &[u8], now: SystemTime) -> io::Result<()> {
        if self.is_due(line.len() as u64, now) {
            self.rotate(now)?;
        }
        self.bytes += line.len() as u64;
        self.file.write_all(line)
    }

    fn is_due(&self, more: u64, now: SystemTime) -> bool {
        let (bytes_max, age_max) = (self.settings.bytes_max, self.settings.age_max);
        let age = now.duration_since(self.since).unwrap_or_default();
        let too_big = bytes_max > 0 && self.bytes + more > bytes_max;
        self.bytes > 0 && (too_big || (!age_max.is_zero() && age >= age_max))
    }

    fn rotate(&mut self, now: SystemTime) -> io::Result<()> {
        let stamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        fs::rename(&self.path, aside(&self.path, &stamp.to_string()))?;
        self.file = File::options().create(true).append(true).open(&self.path)?;
        self.bytes = 0;
        self.since = now;
        self.prune()
    }

    fn prune(&self) -> io::Result<()> {
        let keep = match self.settings.files_max {
            0 => return Ok(()),
            count => usize::try_from(count).unwrap_or_default(),
        };
        let mut old = set_aside(&self.path)?;
        old.sort();
        let surplus = old.len().saturating_sub(keep);
        old.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

/// `dir/name-STAMP.ending`.
pub(crate) fn aside(path: &Path, stamp: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(ending) => format!("{stem}-{stamp}.{}", ending.to_string_lossy()),
        None => format!("{stem}-{stamp}"),
    };
    path.with_file_name(name)
}

/// The files that were set aside, with their times.
pub(crate) fn set_aside(path: &Path) -> io::Result<Vec<(u128, PathBuf)>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let other = entry?.path();
        let stem = other.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let stamp = stem.rsplit('-').next().and_then(|digits| digits.parse::<u128>().ok());
        if let Some(stamp) = stamp.filter(|stamp| aside(path, &stamp.to_string()).file_name() == other.file_name()) {
            found.push((stamp, other));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn settings(folder: &Path, files_max: i64) -> FileSettings {
        FileSettings { path: folder.to_owned(), bytes_max: 10, age_max: Duration::from_secs(60), files_max }
    }

    #[test]
    fn a_full_or_old_file_is_set_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("consul-other.log"), "not ours").unwrap();
        let mut log = RotatingFile::open(settings(folder.path(), 2)).unwrap();
        let start = log.since;
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        for (line, seconds) in [("12345678", 1), ("abcdef", 2), ("z", 70), ("12345678901", 71), ("x", 72)] {
            log.write_at(line.as_bytes(), after(seconds)).unwrap();
        }
        let names = names(folder.path());
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(names.contains(&"consul.log".to_owned()) && names.contains(&"consul-other.log".to_owned()));
        assert_eq!(fs::read_to_string(folder.path().join("consul.log")).unwrap(), "x");
    }

    #[test]
    fn a_negative_number_keeps_none_and_zero_all() {
        for (files_max, kept) in [(-1, 1), (0, 4)] {
            let folder = tempfile::tempdir().unwrap();
            let mut log = RotatingFile::open(settings(folder.path(), files_max)).unwrap();
            for second in 1..5 {
                log.write_at(b"12345678", log.since + Duration::from_secs(second)).unwrap();
            }
            assert_eq!(names(folder.path()).len(), kept);
        }
    }
}
