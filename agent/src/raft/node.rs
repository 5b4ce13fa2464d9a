//! One server of the Raft cluster: start, propose, read, change the membership, stop.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::{NodeName, ServerId};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, InitializeError, LinearizableReadError, RaftError};
use openraft::{ChangeMembers, Raft, RaftMetrics, ReadPolicy, ServerState};
use server::request::{Consistency, ErrorKind, RequestError};
use state::{Outcome, Reader, Store};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

use super::health::Memory;
use super::inbound::{Inbound, LastContact};
use super::lock::DataDirLock;
use super::log_store::LogStore;
use super::network::Network;
use super::restore::Restoring;
use super::settings::RaftSettings;
use super::snapshot::SnapshotStore;
use super::state_machine::StateMachine;
use super::types::{Command, Peer, PeerId, TypeConfig};
use crate::rpc::directory::Directory;
use crate::rpc::limits;
use crate::rpc::pool::ConnectionPool;

/// How long a change of the membership may take.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("{0}")]
    DataDir(std::io::Error),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] super::wal::WalError),
    /// `peers.json` cannot be obeyed.
    #[error(transparent)]
    Recover(#[from] super::recover::RecoverError),
    /// Raft itself refused.
    #[error("cannot start Raft: {0}")]
    Raft(String),
}

/// Why something could not be done by this server now.
#[derive(Clone, Debug)]
pub enum NotDone {
    /// It does not lead, or cannot be sure that it does; nothing was changed. Ask the leader, or again.
    NotLeader,
    /// It was tried and failed.
    Failed(RequestError),
}

/// Who leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderState {
    /// The leader and where its RPC is, when known.
    pub leader: Option<(ServerId, SocketAddr)>,
    /// Whether it is this server. It may not know yet that another one leads: reads and writes check that.
    pub is_local: bool,
    /// Term of the last vote.
    pub term: u64,
}

/// A server to begin a cluster with, or to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewServer {
    /// Its id.
    pub id: Uuid,
    /// Its node name.
    pub name: NodeName,
    /// Where its RPC is.
    pub address: SocketAddr,
}

impl NewServer {
    fn entry(&self) -> (PeerId, Peer) {
        (PeerId(self.id), Peer { name: self.name.to_string(), address: self.address })
    }
}

/// A Raft node. Cloning shares it.
#[derive(Clone)]
pub struct RaftNode {
    pub(super) raft: Raft<TypeConfig, StateMachine>,
    pub(super) settings: Arc<RaftSettings>,
    pub(super) last_contact: Arc<LastContact>,
    pub(super) directory: Directory,
    log: LogStore,
    inbound: Inbound,
    reader: Reader,
    leadership: watch::Receiver<LeaderState>,
    removals: Arc<Mutex<BTreeMap<Uuid, Instant>>>,
    pub(super) memory: Memory,
    pub(super) restoring: Restoring,
    pub(super) restored: Arc<tokio::sync::Notify>,
    /// Given back when the log is closed, not when the last clone is gone.
    lock: Arc<Mutex<Option<DataDirLock>>>,
}

impl RaftNode {
    /// Opens log and snapshot, restores the state, and takes part in the cluster when there is one.
    ///
    /// # Errors
    /// When the data directory is in use, cannot be used, or is damaged.
    pub async fn start(
        settings: RaftSettings,
        store: Store,
        directory: Directory,
        pool: ConnectionPool,
    ) -> Result<Self, StartError> {
        let folder = settings.data_dir.as_ref().map(|folder| folder.join("raft"));
        let lock = settings.data_dir.as_deref().map(DataDirLock::take).transpose().map_err(StartError::DataDir)?;
        if let Some(data_dir) = &settings.data_dir {
            super::recover::obey_peers_file(data_dir, settings.id).await?;
        }
        let log = match &folder {
            Some(folder) => LogStore::open(&folder.join("wal"))?,
            None => LogStore::in_memory(),
        };
        let snapshots =
            SnapshotStore::open(folder.map(|folder| folder.join("snapshots"))).map_err(StartError::DataDir)?;
        let config = settings.to_config().validate().map_err(|error| StartError::Raft(error.to_string()))?;
        let reader = store.reader();
        let machine = StateMachine::new(store, snapshots.clone());
        let network = Network::new(pool, directory.clone());
        let id = PeerId(settings.id);
        let raft = Raft::new(id, Arc::new(config), network, log.clone(), machine)
            .await
            .map_err(|error| StartError::Raft(error.to_string()))?;
        let last_contact = Arc::new(LastContact::default());
        let inbound = Inbound::new(raft.clone(), snapshots, last_contact.clone());
        let (sender, leadership) = watch::channel(LeaderState::default());
        tokio::spawn(follow_leadership(raft.clone(), directory.clone(), sender));
        Ok(Self {
            raft,
            settings: Arc::new(settings),
            last_contact,
            directory,
            log,
            inbound,
            reader,
            leadership,
            removals: Arc::default(),
            memory: Arc::default(),
            restoring: Arc::default(),
            restored: Arc::default(),
            lock: Arc::new(Mutex::new(lock)),
        })
    }

    /// Identity of this server.
    #[must_use]
    pub fn id(&self) -> ServerId {
        PeerId(self.settings.id).to_server_id()
    }

    /// What it was started with.
    #[must_use]
    pub fn settings(&self) -> &RaftSettings {
        &self.settings
    }

    /// Views of the replicated state.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// What answers the calls of other servers.
    #[must_use]
    pub fn inbound(&self) -> &Inbound {
        &self.inbound
    }

    /// Who leads, and every change of it.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<LeaderState> {
        self.leadership.clone()
    }

    pub(super) fn metrics(&self) -> RaftMetrics<TypeConfig> {
        self.raft.metrics().borrow_watched().clone()
    }

    /// Whether Raft runs. It stops for good when the log cannot be written; the process should then end.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.raft.metrics().borrow_watched().running_state.is_ok()
    }

    /// Waits until Raft has stopped, and tells why.
    pub async fn stopped(&self) -> String {
        let mut metrics = self.raft.metrics();
        loop {
            let state = metrics.borrow_watched().running_state.clone();
            if let Err(error) = state {
                return error.to_string();
            }
            if metrics.changed().await.is_err() {
                return "the Raft task has ended".to_owned();
            }
        }
    }

    /// Whether this server belongs to a cluster: it has a log, or has voted.
    ///
    /// # Errors
    /// When Raft has stopped.
    pub async fn is_initialized(&self) -> Result<bool, RequestError> {
        self.raft.is_initialized().await.map_err(|error| failed(&error))
    }

    /// Begins a cluster of these servers. All of them may do so, with the same servers, at the same time. Nothing happens
    /// when this server belongs to one already.
    ///
    /// # Errors
    /// When this server is not among them, or Raft has stopped.
    pub async fn bootstrap(&self, servers: &[NewServer]) -> Result<(), RequestError> {
        let members: BTreeMap<PeerId, Peer> = servers.iter().map(NewServer::entry).collect();
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Proposes a command and waits until it is applied here.
    ///
    /// # Errors
    /// [`NotDone::NotLeader`] when the command was certainly not taken.
    pub async fn propose(&self, command: Bytes) -> Result<Outcome, NotDone> {
        self.propose_within(command, limits::CALL_TIMEOUT).await
    }

    pub(super) async fn propose_within(&self, command: Bytes, limit: Duration) -> Result<Outcome, NotDone> {
        let written = timeout(limit, self.raft.client_write(Command(command))).await;
        match written {
            Ok(Ok(answer)) => Ok(answer.data.0.unwrap_or(Outcome::Skipped)),
            Ok(Err(error)) => Err(not_done(error)),
            Err(_) => {
                let text = "timed out waiting for a majority of the servers to take the write";
                Err(NotDone::Failed(RequestError::new(ErrorKind::Unknown, text)))
            }
        }
    }

    /// Waits until views of this server are fresh enough: by the lease, or by asking a majority (ReadIndex). Stale reads
    /// need no waiting.
    ///
    /// # Errors
    /// [`NotDone::NotLeader`] when another server must be asked, or this one again a little later.
    pub async fn ready_to_read(&self, consistency: Consistency) -> Result<(), NotDone> {
        let policy = match consistency {
            Consistency::Stale => return Ok(()),
            Consistency::Default => ReadPolicy::LeaseRead,
            Consistency::Consistent => ReadPolicy::ReadIndex,
        };
        match timeout(limits::HOLD_TIMEOUT, self.raft.ensure_linearizable(policy)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(
                LinearizableReadError::ForwardToLeader(_) | LinearizableReadError::QuorumNotEnough(_),
            )))
            | Err(_) => Err(NotDone::NotLeader),
            Ok(Err(RaftError::Fatal(error))) => Err(NotDone::Failed(failed(&error))),
        }
    }

    /// Milliseconds since this server heard from the leader; 0 when it leads, `None` when it never did.
    #[must_use]
    pub fn last_contact_ms(&self) -> Option<u64> {
        if self.leadership.borrow().is_local { Some(0) } else { self.last_contact.millis() }
    }

    /// Makes one change of the membership, after the one that is under way, if any: a new leader often has to finish what
    /// its predecessor began.
    async fn change(&self, change: ChangeMembers<PeerId, Peer>) -> Result<(), NotDone> {
        self.change_keeping(change, false).await
    }

    /// As [`Self::change`]; `retain` keeps voters that are removed as servers that do not vote.
    async fn change_keeping(&self, change: ChangeMembers<PeerId, Peer>, retain: bool) -> Result<(), NotDone> {
        let give_up = Instant::now() + CHANGE_TIMEOUT;
        let mut tries = 0;
        loop {
            match timeout_at(give_up, self.raft.change_membership(change.clone(), retain)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) if is_under_way(&error) && Instant::now() < give_up => pause(tries).await,
                Ok(Err(error)) => return Err(not_done(error)),
                Err(_) => {
                    let text = "timed out waiting for the change of the Raft configuration";
                    return Err(NotDone::Failed(RequestError::new(ErrorKind::Unknown, text)));
                }
            }
            tries += 1;
        }
    }

    /// Adds a server that does not vote yet; it receives the log from now on.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn add_learner(&self, server: &NewServer) -> Result<(), NotDone> {
        self.change(ChangeMembers::AddNodes(BTreeMap::from([server.entry()]))).await
    }

    /// Lets a learner vote.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn promote(&self, id: Uuid) -> Result<(), NotDone> {
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([PeerId(id)]))).await
    }

    /// Adds a server, and lets it vote once it has caught up.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn add_voter(&self, server: &NewServer) -> Result<(), NotDone> {
        self.add_learner(server).await?;
        let (id, peer) = server.entry();
        // Adding it again changes nothing and waits until it has caught up.
        match timeout(CHANGE_TIMEOUT, self.raft.add_learner(id, peer, true)).await {
            Ok(Ok(_)) => self.promote(server.id).await,
            Ok(Err(error)) if is_under_way(&error) => self.promote(server.id).await,
            Ok(Err(error)) => Err(not_done(error)),
            Err(_) => Err(NotDone::Failed(RequestError::new(ErrorKind::Failed, "the new server does not catch up"))),
        }
    }

    /// Takes the vote of a server away; it goes on to receive the log.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn demote(&self, id: Uuid) -> Result<(), NotDone> {
        let change = ChangeMembers::RemoveVoters(BTreeSet::from([PeerId(id)]));
        self.change_keeping(change, true).await
    }

    /// Writes another address or name of a member into the configuration.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn set_member(&self, server: &NewServer) -> Result<(), NotDone> {
        self.change(ChangeMembers::SetNodes(BTreeMap::from([server.entry()]))).await
    }

    /// Takes a server out of the configuration, voter or not.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn remove(&self, id: Uuid) -> Result<(), NotDone> {
        let ids = BTreeSet::from([PeerId(id)]);
        let is_voter = self.raft.voter_ids().any(|voter| voter == PeerId(id));
        let change = if is_voter { ChangeMembers::RemoveVoters(ids) } else { ChangeMembers::RemoveNodes(ids) };
        // Noted before it is done, or the membership duty could add the server again in between.
        self.removals().insert(id, Instant::now());
        let done = self.change(change).await;
        if done.is_err() {
            self.removals().remove(&id);
        }
        done
    }

    /// The servers that this one has removed as leader, and when.
    pub(super) fn removals(&self) -> MutexGuard<'_, BTreeMap<Uuid, Instant>> {
        self.removals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands leadership to a voter, or to the one that has most of the log, and waits until it leads.
    ///
    /// # Errors
    /// [`NotDone::NotLeader`], or that there is no other voter, or that it did not take over in time.
    pub async fn transfer_leader(&self, to: Option<Uuid>) -> Result<(), NotDone> {
        let metrics = self.metrics();
        if metrics.state != ServerState::Leader {
            return Err(NotDone::NotLeader);
        }
        let voters: BTreeSet<PeerId> = metrics.membership_config.voter_ids().collect();
        let replication = metrics.replication.unwrap_or_default();
        let others = voters.iter().copied().filter(|id| id.0 != self.settings.id);
        let target = match to {
            Some(id) => others.into_iter().find(|other| other.0 == id),
            None => others.max_by_key(|id| replication.get(id).copied().flatten()),
        };
        let Some(target) = target else {
            return Err(NotDone::Failed(RequestError::new(
                ErrorKind::Failed,
                "cannot find peer to transfer leadership to",
            )));
        };
        let mut leadership = self.leadership();
        self.raft.trigger().transfer_leader(target).await.map_err(|error| NotDone::Failed(failed(&error)))?;
        let taken = leadership.wait_for(|state| !state.is_local && state.leader.is_some());
        match timeout(self.settings.election_time(), taken).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotDone::Failed(RequestError::new(
                ErrorKind::Failed,
                format!("server {target} did not take over leadership in time"),
            ))),
        }
    }

    /// Hands leadership over before this server stops, if it has it and there is someone to take it.
    pub async fn handover(&self) {
        match self.transfer_leader(None).await {
            Ok(()) => tracing::info!("handed leadership over"),
            Err(NotDone::NotLeader) => {}
            Err(NotDone::Failed(error)) => tracing::warn!(%error, "could not hand leadership over"),
        }
    }

    /// Stops Raft, closes the log and lets go of the data directory.
    pub async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "Raft did not stop in good order");
        }
        self.log.close().await;
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Keeps [`LeaderState`] and the addresses of the configuration up to date until Raft ends.
async fn follow_leadership(
    raft: Raft<TypeConfig, StateMachine>,
    directory: Directory,
    leadership: watch::Sender<LeaderState>,
) {
    let mut metrics = raft.server_metrics();
    let mut moves = directory.changes();
    loop {
        let now = metrics.borrow_and_update().clone();
        let members = now.membership_config.membership();
        directory.update_from_configuration(members.nodes().map(|(id, peer)| (id.to_server_id(), peer.address)));
        let leader = now.current_leader.and_then(|id| {
            let server = id.to_server_id();
            let configured = members.get_node(&id).map(|peer| peer.address);
            let address = directory.address(&server).or(configured)?;
            Some((server, address))
        });
        let is_local = now.state == ServerState::Leader && now.current_leader == Some(now.id);
        let state = LeaderState { leader, is_local, term: now.vote.leader_id.term };
        leadership.send_if_modified(|old| {
            let is_new = *old != state;
            *old = state;
            is_new
        });
        let ended = tokio::select! {
            changed = metrics.changed() => changed.is_err(),
            changed = moves.changed() => changed.is_err(),
        };
        if ended || leadership.is_closed() {
            return;
        }
    }
}

fn failed(error: &dyn std::fmt::Display) -> RequestError {
    RequestError::new(ErrorKind::Failed, error.to_string())
}

/// Whether a change of the membership was refused because another one is not finished.
fn is_under_way(error: &RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> bool {
    matches!(error, RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_))))
}

fn not_done(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> NotDone {
    match error {
        // Refused before anything is written: another leads, is about to, or the lease of a new leader has not begun.
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => NotDone::NotLeader,
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => {
            NotDone::Failed(RequestError::new(ErrorKind::Unknown, "leadership lost while committing log"))
        }
        error => NotDone::Failed(failed(&error)),
    }
}

/// A pause before the next try that is short at first: a new leader can be used a few milliseconds after its election.
pub(crate) async fn pause(tries: u32) {
    let pause = Duration::from_millis(1 << tries.min(5));
    sleep(pause.min(limits::HOLD_RETRY)).await;
}
