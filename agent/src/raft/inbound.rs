//! Raft's calls from other servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use openraft::Raft;
use openraft::raft::{AppendEntriesResponse, SnapshotResponse};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::get_append;
use super::network::SnapshotPiece;
use super::snapshot::{Receiving, SnapshotStore};
use super::state_machine::{Snapshot, StateMachine};
use super::types::TypeConfig;
use crate::rpc::message::{self, Method};

/// When this server last heard from a leader, in milliseconds of its own clock.
#[derive(Debug)]
pub struct LastContact {
    started: Instant,
    /// Milliseconds after `started`, plus one; 0 is never.
    heard: AtomicU64,
}

impl Default for LastContact {
    fn default() -> Self {
        Self { started: Instant::now(), heard: AtomicU64::new(0) }
    }
}

impl LastContact {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    fn note(&self) {
        self.heard.store(self.now() + 1, Ordering::Relaxed);
    }

    /// Milliseconds since then; `None` before the first time.
    #[must_use]
    pub fn millis(&self) -> Option<u64> {
        let heard = self.heard.load(Ordering::Relaxed);
        (heard > 0).then(|| self.now().saturating_sub(heard - 1))
    }
}

/// Answers the calls of other servers. Cloning shares it.
#[derive(Clone)]
pub struct Inbound {
    raft: Raft<TypeConfig, StateMachine>,
    snapshots: SnapshotStore,
    receiving: Arc<tokio::sync::Mutex<Option<(u64, Receiving)>>>,
    last_contact: Arc<LastContact>,
}

impl Inbound {
    pub(super) fn new(
        raft: Raft<TypeConfig, StateMachine>,
        snapshots: SnapshotStore,
        last_contact: Arc<LastContact>,
    ) -> Self {
        Self { raft, snapshots, receiving: Arc::default(), last_contact }
    }

    /// Answers one call; the argument and the answer are encoded.
    pub async fn handle(&self, method: Method, payload: Bytes) -> Bytes {
        match method {
            Method::Append => {
                let request = match get_append(payload) {
                    Ok(request) => request,
                    Err(error) => return refuse(&error),
                };
                let answer = self.raft.append_entries(request).await;
                if matches!(&answer, Ok(answer) if !matches!(answer, AppendEntriesResponse::HigherVote(_))) {
                    self.last_contact.note();
                }
                reply(answer)
            }
            Method::Vote => match read(&payload) {
                Ok(request) => reply(self.raft.vote(request).await),
                Err(refusal) => refusal,
            },
            Method::PreVote => match read(&payload) {
                Ok(request) => reply(self.raft.pre_vote(request).await),
                Err(refusal) => refusal,
            },
            Method::TransferLeader => match read(&payload) {
                Ok(request) => reply(self.raft.handle_transfer_leader(request).await),
                Err(refusal) => refusal,
            },
            Method::SnapshotPiece => match read(&payload) {
                Ok(piece) => reply(self.snapshot_piece(piece).await),
                Err(refusal) => refusal,
            },
            Method::Request | Method::Forwarded | Method::Offer | Method::Pull | Method::Push => {
                refuse(&"not a method of Raft")
            }
        }
    }

    /// Stores a piece; the answer to the last is that of the installation.
    async fn snapshot_piece(&self, piece: SnapshotPiece) -> Result<Option<SnapshotResponse<TypeConfig>>, String> {
        let mut receiving = self.receiving.lock().await;
        if piece.offset == 0 {
            *receiving = Some((piece.transfer, self.snapshots.receive().map_err(|error| error.to_string())?));
        }
        let Some((_, target)) = receiving.as_mut().filter(|(transfer, _)| *transfer == piece.transfer) else {
            return Err("another transfer of a snapshot has begun".to_owned());
        };
        if target.length() != piece.offset {
            return Err(format!("expected the piece at {}, got the one at {}", target.length(), piece.offset));
        }
        target.add(&piece.bytes).map_err(|error| error.to_string())?;
        if !piece.is_last {
            return Ok(None);
        }
        let Some((_, target)) = receiving.take() else { return Ok(None) };
        let finished = tokio::task::spawn_blocking(move || {
            let data = target.finish()?;
            let (meta, _) = data.open()?;
            Ok::<_, std::io::Error>(Snapshot { meta, snapshot: data })
        });
        let snapshot = finished.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let answer = self.raft.install_full_snapshot(piece.vote, snapshot).await.map_err(|error| error.to_string())?;
        Ok(Some(answer))
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Bytes> {
    message::decode(payload).map_err(|error| refuse(&error))
}

fn refuse(cause: &dyn std::fmt::Display) -> Bytes {
    message::encode(&Err::<(), String>(cause.to_string()))
}

fn reply<T: Serialize, E: std::fmt::Display>(answer: Result<T, E>) -> Bytes {
    message::encode(&answer.map_err(|error| error.to_string()))
}
