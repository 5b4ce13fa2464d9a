//! Giving a server another Raft configuration by force, offline: for a cluster whose majority is lost.
//!
//! Everything in the log is taken as decided, as Consul does it: the state is built from snapshot and log, written as a
//! snapshot with the new configuration, and the log before it is purged. It must be done with the same list on every
//! server that remains. What was acknowledged only by servers that are gone is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use model::ServerId;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use openraft::{EntryPayload, LogIdOptionExt};
use serde::Deserialize;
use state::Store;
use uuid::Uuid;

use super::log_store::LogStore;
use super::snapshot::SnapshotStore;
use super::types::{Command, Membership, Peer, PeerId, SnapshotMeta, StoredMembership};

/// File below `raft/` that is obeyed once at the start, then removed.
pub const PEERS_FILE: &str = "peers.json";

/// Entries of the log read at once.
const READ_ENTRIES: u64 = 1024;

/// A server of the new configuration, in the shape of Consul's `peers.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPeer {
    /// UUID of the server: its `node-id`.
    pub id: ServerId,
    /// Where its RPC is.
    pub address: SocketAddr,
    /// Whether it must not vote.
    #[serde(default)]
    pub non_voter: bool,
}

/// Why a configuration was not changed; nothing was.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The list cannot be used.
    #[error("{0}")]
    Peers(String),
    /// A file cannot be used.
    #[error("cannot recover: {0}")]
    Io(#[from] std::io::Error),
    /// The log is damaged.
    #[error("cannot recover: {0}")]
    Log(#[from] super::wal::WalError),
}

/// What recovering changes, or would change.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Servers before: id, address, whether it votes.
    pub before: Vec<(String, SocketAddr, bool)>,
    /// Servers after.
    pub after: Vec<RecoveryPeer>,
    /// Term and index of the last entry, which all of the state is taken up to.
    pub last: (u64, u64),
    /// Entries that are taken as decided though this server does not know that they are.
    pub undecided: u64,
    /// Index of the state.
    pub state_index: u64,
}

/// Reads `peers.json`. The form without ids, of Raft protocol 2, is refused: servers are known by id here.
///
/// # Errors
/// When it cannot be read or understood, or the list is no configuration.
pub fn read_peers(path: &Path) -> Result<Option<Vec<RecoveryPeer>>, RecoverError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RecoverError::Peers(format!("recovery failed to read {}: {error}", path.display()))),
    };
    let peers = serde_json::from_slice(&text).map_err(|error| {
        RecoverError::Peers(format!(
            "recovery failed to parse {}: {error}; it must be a list such as \
             [{{\"id\": \"UUID\", \"address\": \"10.0.0.1:8300\", \"non_voter\": false}}]",
            path.display()
        ))
    })?;
    Ok(Some(peers))
}

fn membership(own: Uuid, peers: &[RecoveryPeer]) -> Result<Membership, RecoverError> {
    let refuse = |text: String| Err(RecoverError::Peers(text));
    let mut nodes = BTreeMap::new();
    let mut voters = BTreeSet::new();
    for peer in peers {
        let Ok(id) = Uuid::parse_str(&peer.id) else {
            return refuse(format!("the id {:?} of the new configuration is not a UUID", peer.id));
        };
        if nodes.insert(PeerId(id), Peer { name: String::new(), address: peer.address }).is_some() {
            return refuse(format!("found duplicate ID in configuration: {id}"));
        }
        if peers.iter().filter(|other| other.address == peer.address).count() > 1 {
            return refuse(format!("found duplicate address in configuration: {}", peer.address));
        }
        if !peer.non_voter {
            voters.insert(PeerId(id));
        }
    }
    if voters.is_empty() {
        return refuse("need at least one voter in configuration".to_owned());
    }
    if !nodes.contains_key(&PeerId(own)) {
        return refuse(format!("this server, {own}, is not in the new configuration"));
    }
    Membership::new(vec![voters], nodes).map_err(|error| RecoverError::Peers(error.to_string()))
}

/// Works out the recovery of the server of a data directory, whose lock the caller holds, and carries it out unless
/// `is_dry`.
///
/// # Errors
/// See [`RecoverError`].
pub async fn recover(
    data_dir: &Path,
    own: Uuid,
    peers: &[RecoveryPeer],
    is_dry: bool,
) -> Result<Recovery, RecoverError> {
    let membership = membership(own, peers)?;
    let folder = data_dir.join("raft");
    if !folder.join("wal").is_dir() {
        let text = format!("there is no Raft log in {}: this server belongs to no cluster", folder.display());
        return Err(RecoverError::Peers(text));
    }
    let mut log = LogStore::open(&folder.join("wal"))?;
    let recovered = recover_log(&mut log, &folder, membership, is_dry).await;
    log.close().await;
    let Built { before, last, undecided, state_index } = recovered?;
    Ok(Recovery { before, after: peers.to_vec(), last, undecided, state_index })
}

struct Built {
    before: Vec<(String, SocketAddr, bool)>,
    last: (u64, u64),
    undecided: u64,
    state_index: u64,
}

async fn recover_log(
    log: &mut LogStore,
    folder: &Path,
    membership: Membership,
    is_dry: bool,
) -> Result<Built, RecoverError> {
    let snapshots = SnapshotStore::open(Some(folder.join("snapshots")))?;
    let mut store = Store::new();
    let mut before = StoredMembership::default();
    let mut last = None;
    if let Some((meta, data)) = snapshots.current() {
        let (_, state) = data.open()?;
        store.restore(state).map_err(std::io::Error::other)?;
        (last, before) = (meta.last_log_id, meta.last_membership);
    }
    let committed = log.read_committed().await?.index().max(last.index());
    let end = log.get_log_state().await?.last_log_id.index();
    let mut next = last.index().map_or(0, |index| index + 1);
    while end.is_some_and(|end| next <= end) {
        for entry in log.try_get_log_entries(next..next + READ_ENTRIES).await? {
            let index = entry.log_id.index;
            match entry.payload {
                EntryPayload::Normal(Command(bytes)) => drop(store.apply(index, &bytes)),
                EntryPayload::Blank => store.advance(index),
                EntryPayload::Membership(changed) => {
                    store.advance(index);
                    before = StoredMembership::new(Some(entry.log_id), changed);
                }
            }
            last = Some(entry.log_id);
        }
        next += READ_ENTRIES;
    }
    let Some(last) = last else {
        return Err(RecoverError::Peers("refused to recover cluster with no initial state".to_owned()));
    };
    let voters: BTreeSet<PeerId> = before.voter_ids().collect();
    let before = before.nodes().map(|(id, peer)| (id.to_string(), peer.address, voters.contains(id))).collect();
    let built = Built {
        before,
        last: (last.leader_id.term, last.index),
        undecided: last.index - committed.unwrap_or(0).min(last.index),
        state_index: store.index(),
    };
    if !is_dry {
        let meta =
            SnapshotMeta { last_log_id: Some(last), last_membership: StoredMembership::new(Some(last), membership) };
        let state = store.snapshot();
        tokio::task::spawn_blocking(move || snapshots.build(&meta, &state)).await.map_err(std::io::Error::other)??;
        log.purge(last).await?;
    }
    Ok(built)
}

/// Obeys `peers.json` at the start of a server, and removes it.
///
/// # Errors
/// See [`RecoverError`]; the file is left where it is.
pub async fn obey_peers_file(data_dir: &Path, own: Uuid) -> Result<(), RecoverError> {
    let path = data_dir.join("raft").join(PEERS_FILE);
    let Some(peers) = read_peers(&path)? else { return Ok(()) };
    tracing::info!(target: "agent::server", "found peers.json file, recovering Raft configuration...");
    let recovery = recover(data_dir, own, &peers, false).await?;
    std::fs::remove_file(&path)?;
    let (term, index) = recovery.last;
    tracing::warn!(target: "agent::server", term, index, servers = peers.len(), "deleted peers.json file after successful recovery");
    Ok(())
}
