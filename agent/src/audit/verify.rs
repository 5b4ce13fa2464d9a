//! The chain of the audit log: how a line is sealed, and whether files are what was written.
//!
//! A line is `{"seq":N,"prev":"HASH",` and the fields of the event, and ends with `,"hash":"HASH"}`. The hash is SHA-256 of
//! all that stands before `,"hash":`; `prev` is the hash of the line before. Who can write the file can still make a
//! whole new chain: keep the last hash elsewhere to notice that.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Longest line, bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// What stands before the hash of a line.
const SEAL: &str = ",\"hash\":\"";

/// A place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Number of the line, from 1; 0 before the first.
    pub sequence: u64,
    /// Its hash in hexadecimal.
    pub hash: String,
}

impl Default for Link {
    fn default() -> Self {
        Self { sequence: 0, hash: "0".repeat(64) }
    }
}

/// What was found in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// Number of its first line.
    pub first: u64,
    /// Its last line.
    pub last: Link,
    /// Events that the agent says were lost.
    pub lost: u64,
}

fn hash_of(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut out, byte| {
        // A String takes everything.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The line of an event (a JSON object) after another, with its line feed.
pub(super) fn sealed(event: &str, last: &Link) -> (String, Link) {
    let sequence = last.sequence + 1;
    let fields = event.strip_prefix('{').and_then(|event| event.strip_suffix('}')).unwrap_or_default();
    let comma = if fields.is_empty() { "" } else { "," };
    let mut line = format!("{{\"seq\":{sequence},\"prev\":\"{}\"{comma}{fields}", last.hash);
    let hash = hash_of(&line);
    line.push_str(&format!("{SEAL}{hash}\"}}\n"));
    (line, Link { sequence, hash })
}

/// The place of a line, after its own hash was checked.
pub(super) fn read_link(line: &str) -> Result<Link, String> {
    let (text, hash) = line.rsplit_once(SEAL).ok_or("it has no hash")?;
    let hash = hash.strip_suffix("\"}").ok_or("it does not end with its hash")?;
    if hash_of(text) != hash {
        return Err("it was changed: its hash does not fit".to_owned());
    }
    let fields: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let sequence = fields["seq"].as_u64().ok_or("it has no number")?;
    Ok(Link { sequence, hash: hash.to_owned() })
}

/// Checks files, oldest first. The first may begin anywhere in the chain; all else must follow.
///
/// # Errors
/// The first line that is not what was written, and why.
pub fn verify(paths: &[PathBuf]) -> Result<Vec<Checked>, String> {
    let mut before: Option<Link> = None;
    let mut found = Vec::new();
    for path in paths {
        let file = check(path, &mut before)?;
        found.extend(file);
    }
    Ok(found)
}

fn check(path: &Path, before: &mut Option<Link>) -> Result<Option<Checked>, String> {
    let shown = path.display();
    let mut reader = BufReader::new(File::open(path).map_err(|error| format!("{shown}: {error}"))?);
    let mut checked: Option<Checked> = None;
    let mut line = String::new();
    for number in 1_u64.. {
        line.clear();
        let wrong = |why: String| format!("{shown}:{number}: {why}");
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
        if read.map_err(|error| wrong(error.to_string()))? == 0 {
            break;
        }
        let text = line.strip_suffix('\n').ok_or_else(|| wrong("the line is cut off".to_owned()))?;
        let link = read_link(text).map_err(wrong)?;
        let fields: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if let Some(before) = before {
            if link.sequence != before.sequence + 1 {
                let (is, wanted) = (link.sequence, before.sequence + 1);
                return Err(wrong(format!("event {wanted} is missing: this one is {is}")));
            }
            if fields["prev"] != Value::String(before.hash.clone()) {
                return Err(wrong("it does not follow the line before it".to_owned()));
            }
        }
        let lost =
            if fields["payload"]["type"] == "Lost" { fields["payload"]["count"].as_u64().unwrap_or(0) } else { 0 };
        let file = checked.get_or_insert_with(|| Checked {
            path: path.to_owned(),
            first: link.sequence,
            last: link.clone(),
            lost: 0,
        });
        file.last = link.clone();
        file.lost += lost;
        *before = Some(link);
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<String> {
        let mut last = Link::default();
        let events = [r#"{"a":1}"#, r#"{"b":{"c":2}}"#, r#"{"payload":{"type":"Lost","count":3}}"#, r#"{"d":"}"}"#];
        let seal = |event: &&str| {
            let (line, link) = sealed(event, &last);
            last = link;
            line
        };
        events.iter().map(seal).collect()
    }

    fn verified(lines: &[String]) -> Result<Vec<Checked>, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), lines.concat()).expect("written");
        verify(&[file.path().to_owned()])
    }

    #[test]
    fn what_was_written_is_good() {
        let lines = log();
        for line in &lines {
            serde_json::from_str::<Value>(line).expect("JSON");
        }
        let checked = verified(&lines).expect("whole");
        assert_eq!((checked[0].first, checked[0].last.sequence, checked[0].lost), (1, 4, 3));
        assert_eq!(verified(&[]), Ok(Vec::new()));
    }

    #[test]
    fn every_change_is_noticed() {
        let good = log();
        let broken = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = good.clone();
            change(&mut lines);
            verified(&lines).expect_err("it was changed")
        };
        assert!(broken(&|lines| lines[1] = lines[1].replace("2}", "3}")).contains(":2: it was changed"));
        assert!(broken(&|lines| drop(lines.remove(1))).contains("event 2 is missing"));
        assert!(broken(&|lines| lines.swap(1, 2)).contains("is missing"));
        assert!(broken(&|lines| lines.insert(2, lines[1].clone())).contains("is missing"));
        assert!(broken(&|lines| lines[3] = lines[3].trim_end().to_owned()).contains("cut off"));
        assert!(broken(&|lines| lines[0] = "{}\n".to_owned()).contains("no hash"));
        // A line with a good hash of its own that does not follow.
        let other = Link { sequence: 1, hash: "1".repeat(64) };
        assert!(broken(&|lines| lines[1] = sealed("{}", &other).0).contains("does not follow"));
    }
}
