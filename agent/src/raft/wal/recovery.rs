//! Reading the log at startup: which entries there are and where, and the marks.

use std::collections::VecDeque;
use std::fs::File;

use bytes::Bytes;
use openraft::LogIdOptionExt;

use super::WalError;
use super::files::{Folder, failed, read_at};
use super::record::{BadRecord, HEADER_BYTES, Header, Marks, Record, get};
use crate::raft::types::{Entry, LogId};

/// Where the record of an entry is. Its segment's nonce comes along, so that it can be read without any list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Segment.
    pub sequence: u64,
    /// First byte of the record.
    pub offset: u64,
    /// Bytes of the record.
    pub length: u32,
    /// The nonce of the segment.
    pub nonce: u64,
}

/// A segment that was read.
#[derive(Debug)]
pub struct Segment {
    /// Its number.
    pub sequence: u64,
    /// The nonce of its records.
    pub nonce: u64,
    /// Highest entry that was ever written to it, to know when it may go.
    pub last_index: Option<u64>,
}

/// What the log held.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Marks, with `next` as it is now.
    pub marks: Marks,
    /// Last entry, or the last purged one.
    pub last: Option<LogId>,
    /// Where the entries from `marks.first()` on are.
    pub positions: VecDeque<Position>,
    /// The last entries, as many as fit into the bytes that were asked for.
    pub tail: VecDeque<Entry>,
    /// The segments, rising.
    pub segments: Vec<Segment>,
    /// End of the valid records of the last segment, when it has no seal.
    pub open_end: Option<u64>,
}

struct Scan<'a> {
    folder: &'a Folder,
    found: Recovered,
    first: u64,
    tail_bytes: usize,
    tail_bytes_max: usize,
}

/// Reads all segments of a folder.
///
/// # Errors
/// When a file cannot be read, or was damaged other than by an interrupted write at the end of the log.
pub fn recover(folder: &Folder, tail_bytes_max: usize) -> Result<Recovered, WalError> {
    let mut scan = Scan { folder, found: Recovered::default(), first: 0, tail_bytes: 0, tail_bytes_max };
    let sequences = folder.segments()?;
    let mut previous: Option<u64> = None;
    for (at, sequence) in sequences.iter().copied().enumerate() {
        let is_last = at + 1 == sequences.len();
        if previous.is_some_and(|previous| previous + 1 != sequence) {
            scan.forget_entries();
        }
        previous = Some(sequence);
        scan.segment(sequence, is_last)?;
    }
    scan.finish()
}

impl Scan<'_> {
    /// Segments are missing: what came before is of use only if all of it is purged, which the end will show.
    fn forget_entries(&mut self) {
        self.found.positions.clear();
        self.found.tail.clear();
        self.tail_bytes = 0;
    }

    fn segment(&mut self, sequence: u64, is_last: bool) -> Result<(), WalError> {
        let path = self.folder.segment(sequence);
        let damaged = |offset: u64, cause: String| WalError::Damaged { path: path.clone(), offset, cause };
        let bytes = Bytes::from(std::fs::read(&path).map_err(failed("read", &path))?);
        let header = Header::decode(&bytes).filter(|header| header.sequence == sequence);
        let Some(header) = header else {
            if is_last {
                // It was being made when the power went; nothing in it was promised to anyone.
                std::fs::remove_file(&path).map_err(failed("remove", &path))?;
                return Ok(());
            }
            return Err(damaged(0, "it has no valid header".to_owned()));
        };
        let mut segment = Segment { sequence, nonce: header.nonce, last_index: None };
        let mut offset = HEADER_BYTES;
        let mut sealed = false;
        while !sealed {
            match get(&bytes.slice(offset..), header.nonce) {
                Ok((record, length)) => {
                    let position =
                        Position { sequence, offset: offset as u64, length: length as u32, nonce: header.nonce };
                    self.record(record, position, &mut segment, &mut sealed)
                        .map_err(|cause| damaged(offset as u64, cause))?;
                    offset += length;
                }
                Err(BadRecord::Torn) if is_last => break,
                Err(BadRecord::Torn) => return Err(damaged(offset as u64, "a record is incomplete".to_owned())),
                Err(BadRecord::Unreadable(cause)) => return Err(damaged(offset as u64, cause)),
            }
        }
        self.found.segments.push(segment);
        self.found.open_end = (!sealed).then_some(offset as u64);
        Ok(())
    }

    fn record(
        &mut self,
        record: Record,
        position: Position,
        segment: &mut Segment,
        sealed: &mut bool,
    ) -> Result<(), String> {
        match record {
            Record::Seal => *sealed = true,
            Record::Marks(marks) => {
                if self.found.positions.is_empty() {
                    self.first = marks.next;
                }
                self.purge(marks.first());
                self.found.marks = marks;
            }
            Record::Committed(committed) => self.found.marks.committed = Some(committed),
            Record::Truncate(index) => {
                let keep = index.saturating_sub(self.first) as usize;
                self.found.positions.truncate(keep);
                let drop = self.found.tail.iter().rev().take_while(|entry| entry.log_id.index >= index).count();
                self.found.tail.truncate(self.found.tail.len() - drop);
                self.tail_bytes = self.found.tail.iter().map(crate::raft::codec::entry_size).sum();
            }
            Record::Entry(entry) => {
                let index = entry.log_id.index;
                if self.found.positions.is_empty() {
                    self.first = index;
                }
                let next = self.first + self.found.positions.len() as u64;
                if index != next {
                    return Err(format!("entry {index} follows entry {}", next.saturating_sub(1)));
                }
                segment.last_index = segment.last_index.max(Some(index));
                self.found.positions.push_back(position);
                self.tail_bytes += crate::raft::codec::entry_size(&entry);
                self.found.tail.push_back(entry);
                while self.tail_bytes > self.tail_bytes_max && self.found.tail.len() > 1 {
                    if let Some(old) = self.found.tail.pop_front() {
                        self.tail_bytes -= crate::raft::codec::entry_size(&old);
                    }
                }
            }
        }
        Ok(())
    }

    fn purge(&mut self, first: u64) {
        while self.first < first && self.found.positions.pop_front().is_some() {
            self.first += 1;
        }
        if self.found.positions.is_empty() {
            self.first = self.first.max(first);
        }
        while self.found.tail.front().is_some_and(|entry| entry.log_id.index < first) {
            if let Some(old) = self.found.tail.pop_front() {
                self.tail_bytes -= crate::raft::codec::entry_size(&old);
            }
        }
    }

    fn finish(self) -> Result<Recovered, WalError> {
        let mut found = self.found;
        let wanted = found.marks.first();
        if self.first > wanted {
            let folder = self.folder.path().to_owned();
            return Err(WalError::Gap { folder, from: wanted, to: self.first - 1 });
        }
        if found.tail.is_empty()
            && let Some(position) = found.positions.back()
        {
            // A truncation took all entries that were kept in memory.
            found.tail.push_back(read_entry(self.folder, *position)?);
        }
        found.last = found.tail.back().map(|entry| entry.log_id).or(found.marks.purged);
        found.marks.next = found.last.next_index();
        Ok(found)
    }
}

/// Reads one entry.
///
/// # Errors
/// When the file cannot be read or does not hold the entry there.
pub fn read_entry(folder: &Folder, position: Position) -> Result<Entry, WalError> {
    let path = folder.segment(position.sequence);
    let file = File::open(&path).map_err(failed("open", &path))?;
    let bytes = Bytes::from(read_at(&file, &path, position.offset, position.length as usize)?);
    match get(&bytes, position.nonce) {
        Ok((Record::Entry(entry), _)) => Ok(entry),
        _ => Err(WalError::Damaged { path, offset: position.offset, cause: "the entry is damaged".to_owned() }),
    }
}
