//! openraft's own tests of a log store and a state machine, against ours: on disk and in memory.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::log_store::LogStore;
use super::snapshot::SnapshotStore;
use super::state_machine::StateMachine;
use super::types::TypeConfig;

struct OnDisk;

struct InMemory;

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().unwrap();
        let log = LogStore::open(&folder.path().join("wal")).unwrap();
        let snapshots = SnapshotStore::open(Some(folder.path().join("snapshots"))).unwrap();
        Ok((folder, log, StateMachine::new(state::Store::new(), snapshots)))
    }
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, ()> for InMemory {
    async fn build(&self) -> Result<((), LogStore, StateMachine), StorageError<TypeConfig>> {
        let snapshots = SnapshotStore::open(None).unwrap();
        Ok(((), LogStore::in_memory(), StateMachine::new(state::Store::new(), snapshots)))
    }
}

#[tokio::test]
async fn openraft_accepts_the_store_on_disk() {
    Suite::test_all(OnDisk).await.unwrap();
}

#[tokio::test]
async fn openraft_accepts_the_store_in_memory() {
    Suite::test_all(InMemory).await.unwrap();
}
