//! Applies committed entries to the state store, publishes once per batch, then answers who waits.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use state::{Outcome, Retired, Store};

use super::snapshot::{SnapshotData, SnapshotStore};
use crate::telemetry::{self, Timer};

use super::types::{Applied, Command, LogId, SnapshotMeta, StoredMembership, TypeConfig};

/// A snapshot as openraft hands it around.
pub type Snapshot = openraft::alias::SnapshotOf<TypeConfig, SnapshotData>;

/// Entries of the last batch that was applied.
pub static LAST_BATCH: AtomicU64 = AtomicU64::new(0);

static APPLIED: Timer = Timer::new("raft.fsm.apply");

/// Entries between two publishings at most: a long catch-up shows progress and answers do not wait for its end.
const BATCH_ENTRIES: usize = 4096;

/// The store with what Raft needs to know about it.
pub struct StateMachine {
    /// Away only while a snapshot is restored on another thread.
    store: Option<Store>,
    applied: Option<LogId>,
    membership: StoredMembership,
    snapshots: SnapshotStore,
}

impl StateMachine {
    /// A state machine around an empty store.
    #[must_use]
    pub fn new(store: Store, snapshots: SnapshotStore) -> Self {
        Self { store: Some(store), applied: None, membership: StoredMembership::default(), snapshots }
    }

    /// Applies a command, elsewhere when it takes long: heartbeats and other requests go on meanwhile.
    async fn apply_command(&mut self, index: u64, bytes: Bytes) -> io::Result<Outcome> {
        if !state::Command::takes_long(&bytes) {
            return Ok(self.store()?.apply(index, &bytes));
        }
        self.store()?;
        let Some(mut store) = self.store.take() else { return Err(io::Error::other("the state is in use")) };
        let applied = tokio::task::spawn_blocking(move || {
            let outcome = store.apply(index, &bytes);
            (store, outcome)
        });
        let (store, outcome) = applied.await.map_err(io::Error::other)?;
        self.store = Some(store);
        Ok(outcome)
    }

    fn store(&mut self) -> io::Result<&mut Store> {
        self.store.as_mut().ok_or_else(|| io::Error::other("the state was lost when restoring a snapshot failed"))
    }
}

/// Big versions are freed elsewhere: it may take a second, and applying must go on.
fn retire(retired: Retired) {
    if retired.is_big() {
        tokio::task::spawn_blocking(move || drop(retired));
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut answers = Vec::new();
        let mut more = true;
        while more {
            let mut count = 0;
            more = false;
            while let Some(item) = entries.next().await {
                let (entry, responder) = item?;
                let index = entry.log_id.index;
                let outcome = match entry.payload {
                    EntryPayload::Normal(Command(bytes)) => {
                        let (started, noun) = (Instant::now(), state::Command::noun(&bytes));
                        let outcome = self.apply_command(index, bytes).await?;
                        APPLIED.since(started);
                        telemetry::measure(&format!("fsm.{noun}"), &[], started.elapsed());
                        Some(outcome)
                    }
                    EntryPayload::Blank => {
                        self.store()?.advance(index);
                        None
                    }
                    EntryPayload::Membership(membership) => {
                        self.store()?.advance(index);
                        self.membership = StoredMembership::new(Some(entry.log_id), membership);
                        None
                    }
                };
                self.applied = Some(entry.log_id);
                if let Some(responder) = responder {
                    answers.push((responder, Applied(outcome)));
                }
                count += 1;
                if count == BATCH_ENTRIES {
                    more = true;
                    break;
                }
            }
            LAST_BATCH.store(count as u64, Ordering::Relaxed);
            retire(self.store()?.publish());
            for (responder, applied) in answers.drain(..) {
                responder.send(applied);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let meta = SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() };
        let state = self.store.as_ref().map(Store::snapshot);
        Builder { meta, state, snapshots: self.snapshots.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, data: SnapshotData) -> Result<(), io::Error> {
        let mut store = self.store.take().ok_or_else(|| io::Error::other("a snapshot is being restored already"))?;
        let source = data.clone();
        let restored = tokio::task::spawn_blocking(move || {
            let result = source.open().and_then(|(_, state)| store.restore(state).map_err(io::Error::other));
            // A big old state is freed here, where it may take its time.
            (store, result.map(drop))
        });
        let (store, result) = restored.await.map_err(io::Error::other)?;
        self.store = Some(store);
        result?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.snapshots.adopt(meta, data)?;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(self.snapshots.current().map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}

/// Writes one snapshot, on a thread of its own; the state machine goes on meanwhile.
pub struct Builder {
    meta: SnapshotMeta,
    state: Option<state::Snapshot>,
    snapshots: SnapshotStore,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let Some(state) = self.state.take() else {
            return Err(io::Error::other("there is no state to build a snapshot from"));
        };
        let (meta, snapshots) = (self.meta.clone(), self.snapshots.clone());
        let built = tokio::task::spawn_blocking(move || snapshots.build(&meta, &state));
        let (meta, snapshot) = built.await.map_err(io::Error::other)??;
        Ok(Snapshot { meta, snapshot })
    }
}
