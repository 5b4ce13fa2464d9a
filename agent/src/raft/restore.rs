//! Archives of the whole state: what goes into one besides the state, and bringing one in through the log.
//!
//! A restore is a row of commands: begin, chunks, finish. Every server collects the chunks and replaces its state when it
//! applies the last command, at the same place of the log. A leader that fails before leaves the state as it was.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use server::request::{ErrorKind, RequestError};
use state::{Command, Outcome, RestoreChange, RestoreStep};
use tokio::sync::mpsc;

use super::node::{NotDone, RaftNode};
use crate::archive::{Facts, Server};

/// Bytes of a chunk: one log entry, well below what a frame may have.
const CHUNK_BYTES: usize = 512 * 1024;

/// Chunks made ahead of the log.
const CHUNKS_WAITING: usize = 4;

/// How long the last step may take: the whole state is read then, on every server.
const FINISH_TIMEOUT: Duration = Duration::from_secs(600);

/// Free space that must remain in the data directory beyond log and snapshot of the restored state.
const SPARE_BYTES: u64 = 64 * 1024 * 1024;

impl RaftNode {
    /// What an archive made now tells about this cluster.
    #[must_use]
    pub fn archive_facts(&self) -> Facts {
        let configuration = self.configuration();
        let server = |server: &model::RaftServer| Server {
            suffrage: u64::from(!server.voter),
            id: server.id.to_string(),
            address: server.address.clone(),
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Facts {
            term: self.metrics().last_applied.map_or(0, |id| id.leader_id.term),
            servers: configuration.servers.iter().map(server).collect(),
            configuration_index: configuration.index,
            now_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Replaces the state of all servers. `size` is that of the state in bytes, about.
    ///
    /// # Errors
    /// With the cause; the state is then what it was, unless the text says that this is not known.
    pub async fn restore(&self, state: state::Snapshot, size: u64) -> Result<(), RequestError> {
        let Ok(_only) = self.restoring.try_lock() else {
            return Err(failed("another snapshot is being restored; try again when that is done"));
        };
        self.check_space(size)?;
        let id = rand::random();
        let done = self.bring_in(id, state).await;
        if done.is_err() {
            // When this fails too, the next leader does it.
            let _ = self.take_step(id, RestoreStep::Abort).await;
        } else {
            self.restored.notify_one();
        }
        done
    }

    async fn bring_in(&self, id: u64, state: state::Snapshot) -> Result<(), RequestError> {
        self.take_step(id, RestoreStep::Begin).await?;
        let (sender, mut chunks) = mpsc::channel(CHUNKS_WAITING);
        let writing = tokio::task::spawn_blocking(move || {
            let mut writer = ChunkWriter { chunks: sender, buffer: Vec::with_capacity(CHUNK_BYTES) };
            state.write_to(&mut writer)?;
            writer.flush()
        });
        let mut number = 0;
        while let Some(bytes) = chunks.recv().await {
            self.take_step(id, RestoreStep::Chunk { number, bytes }).await?;
            number += 1;
        }
        writing.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        self.take_step(id, RestoreStep::Finish).await
    }

    async fn take_step(&self, id: u64, step: RestoreStep) -> Result<(), RequestError> {
        let limit = if step == RestoreStep::Finish { FINISH_TIMEOUT } else { crate::rpc::limits::CALL_TIMEOUT };
        let command = Command::Restore(RestoreChange { id, step }).encode();
        match self.propose_within(command.into(), limit).await {
            Ok(Outcome::Error(text)) => Err(failed(text)),
            Ok(_) => Ok(()),
            Err(NotDone::NotLeader) => Err(failed("leadership was lost; the state is as it was, restore again")),
            Err(NotDone::Failed(error)) => Err(error),
        }
    }

    /// Gives up a restore that an earlier leader has not finished.
    pub async fn abandon_restores(&self) {
        let Ok(_none) = self.restoring.try_lock() else { return };
        let Some(id) = self.reader().view().staged_restore() else { return };
        match self.take_step(id, RestoreStep::Abort).await {
            Ok(()) => tracing::warn!(target: "agent::server", "gave up a restore that was not finished"),
            Err(error) => tracing::warn!(target: "agent::server", %error, "cannot give up an unfinished restore"),
        }
    }

    /// Waits until a restore is done.
    pub async fn restored(&self) {
        self.restored.notified().await;
    }

    /// A log that runs full stops the server, so what cannot fit is not begun.
    fn check_space(&self, size: u64) -> Result<(), RequestError> {
        let Some(folder) = &self.settings.data_dir else { return Ok(()) };
        let Ok(disk) = nix::sys::statvfs::statvfs(folder) else { return Ok(()) };
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        let needed = size.saturating_mul(2).saturating_add(SPARE_BYTES);
        if free < needed {
            return Err(failed(format!(
                "not enough disk space: restoring takes {needed} bytes in {}, and {free} are free; nothing was changed",
                folder.display()
            )));
        }
        Ok(())
    }
}

fn failed(text: impl Into<String>) -> RequestError {
    RequestError::new(ErrorKind::Failed, text)
}

struct ChunkWriter {
    chunks: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = (CHUNK_BYTES - self.buffer.len()).min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..room]);
        if self.buffer.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        if bytes.is_empty() {
            return Ok(());
        }
        self.chunks.blocking_send(bytes.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// One restore at a time; shared by the clones of a node.
pub(super) type Restoring = Arc<tokio::sync::Mutex<()>>;
