//! openraft's view of the log: entries in memory first, files behind them.
//!
//! Appending puts entries into memory and hands them to the one thread that writes (group commit, see `wal`); openraft
//! hears of it when they are durable. The newest entries stay in memory, bounded by bytes, so that replication does not
//! read files; older ones are read by position. Without a data directory (`-dev`) everything stays in memory.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{LogIdOptionExt, OptionalSend};
use tokio::sync::{mpsc, oneshot};

use super::codec::entry_size;
use super::types::{Entry, LogId, TypeConfig, Vote};
use super::wal::files::Folder;
use super::wal::recovery::{Position, read_entry};
use super::wal::writer::Writer;
use super::wal::{WalError, record::Marks};

/// Bytes of entries that stay in memory.
const TAIL_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of entries in one append request, at least one entry.
const READ_BYTES_MAX: usize = 1024 * 1024;

/// Jobs waiting for the thread that writes; openraft waits when it is full.
const QUEUE_JOBS: usize = 256;

#[derive(Default)]
struct Memory {
    marks: Marks,
    last: Option<LogId>,
    /// The last entries, without holes.
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    /// Where entries are, from the first that is not purged; only those that are written.
    positions: VecDeque<Position>,
    /// Index of the front of `positions`, and of the first entry of the log.
    positions_first: u64,
    keeps_all: bool,
}

impl Memory {
    fn tail_first(&self) -> u64 {
        self.last.next_index() - self.tail.len() as u64
    }

    fn push(&mut self, entry: Entry) {
        if self.tail.is_empty() && self.positions.is_empty() {
            // A log may begin anywhere, not only behind what was purged.
            self.positions_first = entry.log_id.index;
        }
        self.last = Some(entry.log_id);
        self.tail_bytes += entry_size(&entry);
        self.tail.push_back(entry);
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.tail.pop_front() {
            self.tail_bytes -= entry_size(&entry);
        }
    }

    /// Lets old entries go that the files hold.
    fn evict(&mut self) {
        let written = self.positions_first + self.positions.len() as u64;
        while !self.keeps_all
            && self.tail_bytes > TAIL_BYTES_MAX
            && self.tail.len() > 1
            && self.tail.front().is_some_and(|entry| entry.log_id.index < written)
        {
            self.pop_front();
        }
    }

    fn truncate(&mut self, from: u64) {
        while self.tail.back().is_some_and(|entry| entry.log_id.index >= from) {
            if let Some(entry) = self.tail.pop_back() {
                self.tail_bytes -= entry_size(&entry);
            }
        }
        self.positions.truncate(from.saturating_sub(self.positions_first) as usize);
    }

    fn purge(&mut self, upto: LogId) {
        self.marks.purged = self.marks.purged.max(Some(upto));
        let first = self.marks.first();
        while self.tail.front().is_some_and(|entry| entry.log_id.index < first) {
            self.pop_front();
        }
        self.last = self.last.max(Some(upto));
        while self.positions_first < first && self.positions.pop_front().is_some() {
            self.positions_first += 1;
        }
        self.positions_first = self.positions_first.max(first);
    }

    fn add_position(&mut self, index: u64, position: Position) {
        // An entry that was purged before it was written needs no position.
        if index == self.positions_first + self.positions.len() as u64 {
            self.positions.push_back(position);
        }
    }
}

enum Job {
    Append(Vec<Entry>, IOFlushed<TypeConfig>),
    Vote(Vote, oneshot::Sender<io::Result<()>>),
    Committed(Option<LogId>),
    Truncate(u64, oneshot::Sender<io::Result<()>>),
    Purge(LogId),
    Close(oneshot::Sender<()>),
}

/// The log. Cloning shares it.
#[derive(Clone)]
pub struct LogStore {
    memory: Arc<Mutex<Memory>>,
    disk: Option<Disk>,
}

#[derive(Clone)]
struct Disk {
    folder: Folder,
    jobs: mpsc::Sender<Job>,
}

fn lock(memory: &Mutex<Memory>) -> std::sync::MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stopped() -> io::Error {
    io::Error::other("the Raft log has stopped after an error")
}

impl LogStore {
    /// A log that lives in memory only.
    #[must_use]
    pub fn in_memory() -> Self {
        let memory = Memory { keeps_all: true, ..Memory::default() };
        Self { memory: Arc::new(Mutex::new(memory)), disk: None }
    }

    /// The log in a folder, recovered; starts the thread that writes.
    ///
    /// # Errors
    /// When the folder cannot be used or the log is damaged.
    pub fn open(path: &Path) -> Result<Self, WalError> {
        let folder = Folder::open(path)?;
        let (writer, found) = Writer::open(folder.clone(), TAIL_BYTES_MAX)?;
        let positions_first = found.marks.first();
        let tail_bytes = found.tail.iter().map(entry_size).sum();
        let memory = Memory {
            marks: found.marks,
            last: found.last,
            tail: found.tail,
            tail_bytes,
            positions: found.positions,
            positions_first,
            keeps_all: false,
        };
        let memory = Arc::new(Mutex::new(memory));
        let (jobs, queue) = mpsc::channel(QUEUE_JOBS);
        let shared = memory.clone();
        std::thread::Builder::new()
            .name("raft-log".to_owned())
            .spawn(move || run(writer, queue, &shared))
            .map_err(super::wal::files::failed("start the writing thread for", folder.path()))?;
        Ok(Self { memory, disk: Some(Disk { folder, jobs }) })
    }

    async fn send(&self, job: Job) -> io::Result<()> {
        match &self.disk {
            Some(disk) => disk.jobs.send(job).await.map_err(|_| stopped()),
            None => Ok(()),
        }
    }

    /// Writes what is pending, the committed position too, and ends the writing thread.
    pub async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        if self.disk.is_some() && self.send(Job::Close(sender)).await.is_ok() {
            // The thread drops the sender when it had to stop earlier.
            let _ = closed.await;
        }
    }

    /// Number of bytes that entries hold in memory, for the statistics.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        lock(&self.memory).tail_bytes
    }

    async fn read(&self, range: impl RangeBounds<u64>, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let (cold, mut warm) = self.plan(&range, bytes_max);
        if cold.is_empty() {
            return Ok(warm);
        }
        let Some(disk) = self.disk.clone() else { return Ok(warm) };
        let first = cold.first().map_or(0, |(index, _)| *index);
        let read = tokio::task::spawn_blocking(move || {
            cold.iter().map(|(_, position)| read_entry(&disk.folder, *position)).collect::<Result<Vec<Entry>, _>>()
        });
        match read.await.map_err(io::Error::other)? {
            Ok(mut entries) => {
                entries.append(&mut warm);
                Ok(entries)
            }
            // The segment was taken away while it was read: what is purged need not be found.
            Err(_) if lock(&self.memory).marks.first() > first => {
                let from = lock(&self.memory).marks.first();
                let (_, end) = bounds(&range);
                Box::pin(self.read(from..end, bytes_max)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What of a range is in files and what in memory; ends where the bytes exceed the limit.
    fn plan(&self, range: &impl RangeBounds<u64>, bytes_max: usize) -> (Vec<(u64, Position)>, Vec<Entry>) {
        let memory = lock(&self.memory);
        let (start, end) = bounds(range);
        let start = start.max(memory.positions_first);
        let end = end.min(memory.last.next_index());
        let tail_first = memory.tail_first();
        let (mut cold, mut warm, mut bytes) = (Vec::new(), Vec::new(), 0);
        for index in start..end {
            if bytes >= bytes_max {
                break;
            }
            if index < tail_first {
                let Some(position) = memory.positions.get((index - memory.positions_first) as usize) else { break };
                bytes += position.length as usize;
                cold.push((index, *position));
            } else {
                let Some(entry) = memory.tail.get((index - tail_first) as usize) else { break };
                bytes += entry_size(entry);
                warm.push(entry.clone());
            }
        }
        (cold, warm)
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(bounds(&range).0..bounds(&range).1, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start..end, READ_BYTES_MAX).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(lock(&self.memory).marks.vote)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let memory = lock(&self.memory);
        Ok(LogState { last_purged_log_id: memory.marks.purged, last_log_id: memory.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        if self.disk.is_some() {
            let (sender, done) = oneshot::channel();
            self.send(Job::Vote(*vote, sender)).await?;
            done.await.map_err(|_| stopped())??;
        }
        lock(&self.memory).marks.vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        lock(&self.memory).marks.committed = committed;
        self.send(Job::Committed(committed)).await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(lock(&self.memory).marks.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        {
            let mut memory = lock(&self.memory);
            for entry in &entries {
                memory.push(entry.clone());
            }
        }
        if self.disk.is_some() {
            return self.send(Job::Append(entries, callback)).await;
        }
        callback.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let from = last.next_index();
        if from >= lock(&self.memory).last.next_index() {
            return Ok(());
        }
        if self.disk.is_some() {
            // Waits, so that no position of a truncated entry comes after the truncation.
            let (sender, done) = oneshot::channel();
            self.send(Job::Truncate(from, sender)).await?;
            done.await.map_err(|_| stopped())??;
        }
        let mut memory = lock(&self.memory);
        memory.truncate(from);
        memory.last = last.max(memory.marks.purged);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        lock(&self.memory).purge(upto);
        self.send(Job::Purge(upto)).await
    }
}

/// Whom to tell when a batch is durable.
enum Waiter {
    Append(IOFlushed<TypeConfig>),
    Other(oneshot::Sender<io::Result<()>>),
}

impl Waiter {
    fn tell(self, result: Result<(), &WalError>) {
        let result = result.map_err(|error| io::Error::other(error.to_string()));
        match self {
            Self::Append(callback) => callback.io_completed(result),
            // Whoever waited may have been shut down.
            Self::Other(sender) => drop(sender.send(result)),
        }
    }
}

/// Entries in one batch before it is synced; more wait for the next one.
const BATCH_JOBS: usize = 4096;

/// The thread that writes: ends when the log is closed or all its handles are gone, and at the first error, because
/// after a failed sync nobody knows what the disk holds.
fn run(mut writer: Writer, mut queue: mpsc::Receiver<Job>, memory: &Mutex<Memory>) {
    let mut positions = Vec::new();
    let mut waiters = Vec::new();
    while let Some(job) = queue.blocking_recv() {
        let mut closing = None;
        let mut next = Some(job);
        let mut taken = 0;
        let mut written = Ok(());
        while let Some(job) = next.take() {
            taken += 1;
            written = write(&mut writer, job, &mut positions, &mut waiters, &mut closing);
            if written.is_ok() && closing.is_none() && taken < BATCH_JOBS {
                next = queue.try_recv().ok();
            }
        }
        // A committed position alone does not need the disk: it rides along with the next batch.
        let has_work = !waiters.is_empty() || closing.is_some();
        let result = written.and_then(|()| if has_work { writer.commit() } else { Ok(()) });
        {
            let mut memory = lock(memory);
            for (index, position) in positions.drain(..) {
                memory.add_position(index, position);
            }
            memory.evict();
        }
        for waiter in waiters.drain(..) {
            waiter.tell(result.as_ref().copied());
        }
        if let Err(error) = result {
            tracing::error!(%error, "the Raft log has stopped; this server must be restarted");
            return;
        }
        if let Some(sender) = closing {
            let _ = sender.send(());
            return;
        }
    }
}

fn write(
    writer: &mut Writer,
    job: Job,
    positions: &mut Vec<(u64, Position)>,
    waiters: &mut Vec<Waiter>,
    closing: &mut Option<oneshot::Sender<()>>,
) -> Result<(), WalError> {
    match job {
        Job::Append(entries, callback) => {
            waiters.push(Waiter::Append(callback));
            for entry in entries {
                let index = entry.log_id.index;
                positions.push((index, writer.append(entry)?));
            }
            Ok(())
        }
        Job::Vote(vote, sender) => {
            waiters.push(Waiter::Other(sender));
            writer.set_vote(vote)
        }
        Job::Committed(committed) => {
            writer.set_committed(committed);
            Ok(())
        }
        Job::Truncate(from, sender) => {
            waiters.push(Waiter::Other(sender));
            writer.truncate(from)
        }
        Job::Purge(upto) => writer.purge(upto),
        Job::Close(sender) => {
            *closing = Some(sender);
            Ok(())
        }
    }
}
