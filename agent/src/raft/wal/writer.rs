//! Writing the log: records gather in a buffer, `commit` writes and syncs them. One thread owns it; no channels here.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;

use super::files::{Folder, failed, write_at};
use super::record::{self, HEADER_BYTES, Header, Marks, Record};
use super::recovery::{Position, Recovered, recover};
use super::{SEGMENT_BYTES, WalError};
use crate::raft::types::{Entry, LogId, Vote};

/// Bytes that gather before they are written (not synced) in the middle of a batch.
const BUFFER_BYTES: usize = 1024 * 1024;

/// The end of the log.
pub struct Writer {
    folder: Folder,
    file: File,
    path: PathBuf,
    header: Header,
    /// Where `buffer` will be written.
    offset: u64,
    buffer: Vec<u8>,
    /// Last committed position that a record holds.
    committed_written: Option<LogId>,
    marks: Marks,
    /// Closed segments and the highest index in each, oldest first.
    closed: VecDeque<(u64, Option<u64>)>,
    last_index: Option<u64>,
    segment_bytes: u64,
    #[cfg(test)]
    pub(super) synced: u64,
}

impl Writer {
    /// Opens the log of a folder and tells what it held, with the last `tail_bytes_max` bytes of entries.
    ///
    /// # Errors
    /// See [`WalError`].
    pub fn open(folder: Folder, tail_bytes_max: usize) -> Result<(Self, Recovered), WalError> {
        Self::open_sized(folder, tail_bytes_max, SEGMENT_BYTES)
    }

    pub(super) fn open_sized(
        folder: Folder,
        tail_bytes_max: usize,
        segment_bytes: u64,
    ) -> Result<(Self, Recovered), WalError> {
        let found = recover(&folder, tail_bytes_max)?;
        if let (Some(end), Some(last)) = (found.open_end, found.segments.last()) {
            seal_torn(&folder, last.sequence, last.nonce, end)?;
        }
        let sequence = found.segments.last().map_or(1, |last| last.sequence + 1);
        let (file, path, header) = begin(&folder, sequence)?;
        let mut writer = Self {
            folder,
            file,
            path,
            header,
            offset: HEADER_BYTES as u64,
            buffer: Vec::new(),
            committed_written: found.marks.committed,
            marks: found.marks.clone(),
            closed: found.segments.iter().map(|segment| (segment.sequence, segment.last_index)).collect(),
            last_index: None,
            segment_bytes,
            #[cfg(test)]
            synced: 0,
        };
        writer.put(&Record::Marks(writer.marks.clone()));
        writer.commit()?;
        writer.discard_purged()?;
        Ok((writer, found))
    }

    /// Adds an entry at the end.
    ///
    /// # Errors
    /// When a full segment cannot be closed or the next one not be made.
    pub fn append(&mut self, entry: Entry) -> Result<Position, WalError> {
        self.make_room()?;
        let offset = self.offset + self.buffer.len() as u64;
        let index = entry.log_id.index;
        let before = self.buffer.len();
        self.put(&Record::Entry(entry));
        let length = (self.buffer.len() - before) as u32;
        self.marks.next = index + 1;
        self.last_index = self.last_index.max(Some(index));
        Ok(Position { sequence: self.header.sequence, offset, length, nonce: self.header.nonce })
    }

    /// Takes the entries from an index on away.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn truncate(&mut self, index: u64) -> Result<(), WalError> {
        self.make_room()?;
        self.put(&Record::Truncate(index));
        self.marks.next = index;
        Ok(())
    }

    /// Sets the vote.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn set_vote(&mut self, vote: Vote) -> Result<(), WalError> {
        self.make_room()?;
        self.marks.vote = Some(vote);
        self.put(&Record::Marks(self.marks.clone()));
        Ok(())
    }

    /// Sets the committed position; it is written along with whatever is written next.
    pub fn set_committed(&mut self, committed: Option<LogId>) {
        self.marks.committed = committed;
    }

    /// Takes entries up to and including one away, and then the segments that hold nothing else. Commits.
    ///
    /// # Errors
    /// When writing, syncing or taking files away fails.
    pub fn purge(&mut self, upto: LogId) -> Result<(), WalError> {
        self.make_room()?;
        self.marks.purged = self.marks.purged.max(Some(upto));
        self.marks.next = self.marks.next.max(upto.index + 1);
        self.put(&Record::Marks(self.marks.clone()));
        // A segment may only go when the log durably says that its entries are not needed.
        self.commit()?;
        self.discard_purged()
    }

    /// Whether a committed position waits to be written.
    #[must_use]
    pub fn has_unwritten_committed(&self) -> bool {
        self.committed_written != self.marks.committed
    }

    /// Makes everything durable that was added.
    ///
    /// # Errors
    /// When writing or syncing fails. The log must then not be used any more: what the disk holds is unknown.
    pub fn commit(&mut self) -> Result<(), WalError> {
        if let Some(committed) = self.marks.committed.filter(|_| self.has_unwritten_committed()) {
            self.put(&Record::Committed(committed));
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.write()?;
        self.file.sync_data().map_err(failed("sync", &self.path))?;
        #[cfg(test)]
        {
            self.synced = self.offset;
        }
        Ok(())
    }

    pub(super) fn write(&mut self) -> Result<(), WalError> {
        write_at(&self.file, &self.path, self.offset, &self.buffer)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        if self.buffer.capacity() > 2 * BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn put(&mut self, record: &Record) {
        match record {
            Record::Marks(marks) => self.committed_written = marks.committed,
            Record::Committed(committed) => self.committed_written = Some(*committed),
            Record::Entry(_) | Record::Truncate(_) | Record::Seal => {}
        }
        record::put(&mut self.buffer, self.header.nonce, record);
    }

    /// Writes a full buffer, and goes on to the next segment when this one is full.
    fn make_room(&mut self) -> Result<(), WalError> {
        if self.buffer.len() >= BUFFER_BYTES {
            self.write()?;
        }
        if self.offset + (self.buffer.len() as u64) < self.segment_bytes {
            return Ok(());
        }
        // The end must be durable before the next segment exists: a later segment says that this one is complete.
        self.put(&Record::Seal);
        self.commit_sealed()?;
        self.closed.push_back((self.header.sequence, self.last_index.take()));
        (self.file, self.path, self.header) = begin(&self.folder, self.header.sequence + 1)?;
        self.offset = HEADER_BYTES as u64;
        self.put(&Record::Marks(self.marks.clone()));
        Ok(())
    }

    fn commit_sealed(&mut self) -> Result<(), WalError> {
        self.write()?;
        self.file.sync_data().map_err(failed("sync", &self.path))
    }

    fn discard_purged(&mut self) -> Result<(), WalError> {
        let first = self.marks.first();
        let is_gone = |last: Option<u64>| last.is_none_or(|last| last < first);
        while let Some((sequence, _)) = self.closed.front().copied().filter(|(_, last)| is_gone(*last)) {
            self.folder.discard(sequence)?;
            self.closed.pop_front();
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn current(&self) -> (PathBuf, u64) {
        (self.path.clone(), self.offset)
    }
}

/// Makes the next segment, with a durable header.
fn begin(folder: &Folder, sequence: u64) -> Result<(File, PathBuf, Header), WalError> {
    let path = folder.segment(sequence);
    let file = folder.create(sequence)?;
    let header = Header { sequence, nonce: rand::random() };
    write_at(&file, &path, 0, &header.encode())?;
    file.sync_data().map_err(failed("sync", &path))?;
    Ok((file, path, header))
}

/// Ends a segment whose tail an interrupted write left: what follows the last good record is cut off.
fn seal_torn(folder: &Folder, sequence: u64, nonce: u64, end: u64) -> Result<(), WalError> {
    let path = folder.segment(sequence);
    let file = File::options().write(true).open(&path).map_err(failed("open", &path))?;
    file.set_len(end).map_err(failed("cut", &path))?;
    let mut seal = Vec::new();
    record::put(&mut seal, nonce, &Record::Seal);
    write_at(&file, &path, end, &seal)?;
    file.sync_all().map_err(failed("sync", &path))
}
