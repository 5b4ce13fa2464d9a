//! The file of the audit log: lines in a chain of fingerprints that goes on over restarts and rotations.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use config::AuditSink;

use super::verify::{Link, read_link, sealed};
use crate::log::file::{aside, set_aside};

/// Longest line that is looked for at the end of a file, bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// The open file.
pub struct Sink {
    path: PathBuf,
    bytes_max: u64,
    age_max: Duration,
    files_max: usize,
    file: File,
    bytes: u64,
    since: SystemTime,
    last: Link,
}

fn open(path: &PathBuf) -> io::Result<File> {
    File::options().create(true).read(true).append(true).mode(0o600).open(path)
}

impl Sink {
    /// Opens the file and goes on where it, or the last one set aside, ended. Half a line at its end, which a power cut
    /// may have left, is taken off.
    pub fn open(settings: &AuditSink) -> io::Result<Self> {
        let path = settings.path.clone();
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut file = open(&path)?;
        let mut last = end_of(&mut file)?;
        if last.is_none() {
            let mut old = set_aside(&path)?;
            old.sort();
            if let Some((_, path)) = old.pop() {
                last = end_of(&mut File::options().read(true).append(true).open(path)?)?;
            }
        }
        let bytes = file.metadata()?.len();
        Ok(Self {
            path,
            bytes_max: settings.rotate_bytes,
            age_max: settings.rotate_duration,
            files_max: settings.rotate_max_files,
            file,
            bytes,
            since: SystemTime::now(),
            last: last.unwrap_or_default(),
        })
    }

    /// Adds an event. When it cannot be written, nothing of it stays.
    pub fn append(&mut self, event: &str) -> io::Result<()> {
        let (line, link) = sealed(event, &self.last);
        let more = line.len() as u64;
        if self.is_due(more) {
            self.rotate()?;
        }
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += more;
        self.last = link;
        Ok(())
    }

    fn is_due(&self, more: u64) -> bool {
        let age = SystemTime::now().duration_since(self.since).unwrap_or_default();
        let too_big = self.bytes_max > 0 && self.bytes + more > self.bytes_max;
        self.bytes > 0 && (too_big || (!self.age_max.is_zero() && age >= self.age_max))
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        fs::rename(&self.path, aside(&self.path, &stamp.to_string()))?;
        self.file = open(&self.path)?;
        (self.bytes, self.since) = (0, SystemTime::now());
        if self.files_max > 0 {
            let mut old = set_aside(&self.path)?;
            old.sort();
            let surplus = old.len().saturating_sub(self.files_max);
            old.iter().take(surplus).try_for_each(|(_, path)| fs::remove_file(path))?;
        }
        Ok(())
    }
}

/// The last line of a file; `None` when it has none.
fn end_of(file: &mut File) -> io::Result<Option<Link>> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(LINE_BYTES_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(LINE_BYTES_MAX).read_to_end(&mut end)?;
    let Some(whole) = end.iter().rposition(|byte| *byte == b'\n') else {
        if length > 0 {
            file.set_len(start)?;
        }
        return Ok(None);
    };
    if whole + 1 < end.len() {
        file.set_len(start + whole as u64 + 1)?;
    }
    let line = end[..whole].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let wrong =
        |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("the last line of the audit log: {why}"));
    std::str::from_utf8(line)
        .map_err(|error| wrong(error.to_string()))
        .and_then(|line| read_link(line).map_err(wrong))
        .map(Some)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::verify::verify;
    use super::*;

    fn settings(path: PathBuf) -> AuditSink {
        AuditSink { path, rotate_bytes: 1000, rotate_duration: Duration::ZERO, rotate_max_files: 3 }
    }

    fn files(path: &Path) -> Vec<PathBuf> {
        let mut old = set_aside(path).expect("a list");
        old.sort();
        old.into_iter().map(|(_, path)| path).chain([path.to_path_buf()]).collect()
    }

    #[test]
    fn the_chain_goes_on_over_rotations_and_restarts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit/audit.json");
        for round in 0..5 {
            let mut sink = Sink::open(&settings(path.clone())).expect("open");
            for number in 0..7 {
                sink.append(&format!(r#"{{"a":"{round}-{number}"}}"#)).expect("written");
            }
        }
        let files = files(&path);
        assert_eq!(files.len(), 4, "no more than three are kept");
        let checked = verify(&files).expect("whole");
        assert_eq!(checked.last().map(|file| file.last.sequence), Some(35));
        // One file alone is good, one that is missing in the middle is noticed.
        verify(&files[1..2]).expect("whole");
        let error = verify(&[files[0].clone(), files[2].clone()]).expect_err("one is missing");
        assert!(error.contains("is missing"), "{error}");
    }

    #[test]
    fn half_a_line_is_taken_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.json");
        let mut sink = Sink::open(&settings(path.clone())).expect("open");
        sink.append(r#"{"a":1}"#).expect("written");
        File::options()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(br#"{"seq":2,"pr"#))
            .expect("written");
        let mut sink = Sink::open(&settings(path.clone())).expect("open");
        sink.append(r#"{"a":2}"#).expect("written");
        assert_eq!(verify(&[path]).expect("whole")[0].last.sequence, 2);
    }

    #[test]
    fn a_full_disk_leaves_nothing_half_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.json");
        let mut sink = Sink::open(&settings(path.clone())).expect("open");
        sink.append(r#"{"a":1}"#).expect("written");
        let good =
            std::mem::replace(&mut sink.file, File::options().write(true).open("/dev/full").expect("a full disk"));
        assert!(sink.append(r#"{"a":2}"#).is_err());
        sink.file = good;
        sink.append(r#"{"a":3}"#).expect("written");
        let text = fs::read_to_string(&path).expect("the log");
        assert!(text.contains(r#""a":3"#) && !text.contains(r#""a":2"#));
        assert_eq!(verify(&[path]).expect("whole")[0].last.sequence, 2);
    }
}
