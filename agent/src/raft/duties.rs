//! Carries out what `membership` decides: begins the cluster, and while leading keeps its membership right.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::{MemberStatus, ServerId};
use openraft::LogIdOptionExt;
use serde::{Deserialize, Serialize};
use server::request::{Action, Cluster, Request, RequestError};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::membership::{Beginning, Member, Rules, Step, beginning, next_step};
use super::node::{NewServer, NotDone, RaftNode};
use crate::rpc::directory::{Directory, KnownServer};
use crate::rpc::frame::Lane;
use crate::rpc::local::LocalServer;
use crate::rpc::message::{self, Method};
use crate::rpc::pool::{ConnectionPool, Target};

/// How often everything is looked at when nothing happens: learners become stable and dead servers old by themselves.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after an offer that was not accepted by all, and after a step that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// How long a coordinator waits for the answers to its offer; it begins the cluster only within this time.
const OFFER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an accepted offer binds; longer than [`OFFER_TIMEOUT`], so that no coordinator still relies on it after.
pub(crate) const OFFER_BINDS: Duration = Duration::from_secs(6);

/// A server that was removed and is still there in gossip is added again after this time: it did not mean to go.
const REJOIN_AFTER: Duration = Duration::from_secs(30);

/// How long leaving in good order may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The offer of a coordinator to begin a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Who offers.
    pub coordinator: Uuid,
    /// The servers of the new cluster, sorted.
    pub servers: Vec<Uuid>,
}

/// The answer to an [`Offer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferAnswer {
    /// Whether the server belongs to a cluster already; then it must not become part of a new one.
    pub is_initialized: bool,
    /// Whether it accepts, and will accept no other offer for a while.
    pub accepts: bool,
}

/// The offer that a server has accepted last.
#[derive(Debug, Default)]
pub struct AcceptedOffer(Option<(Offer, Instant)>);

impl AcceptedOffer {
    /// Accepts an offer unless another one binds still.
    pub fn accept(&mut self, offer: &Offer, now: Instant) -> bool {
        if let Some((other, since)) = &self.0
            && other != offer
            && now.duration_since(*since) < OFFER_BINDS
        {
            return false;
        }
        self.0 = Some((offer.clone(), now));
        true
    }
}

/// The duties of one server towards the membership.
pub struct Duties {
    local: Arc<LocalServer>,
    raft: RaftNode,
    directory: Directory,
    pool: ConnectionPool,
    expect: u32,
    rules: Rules,
}

impl Duties {
    /// Duties of a server. `expect` is `-bootstrap-expect`, 1 for `-bootstrap` and `-dev`, 0 for none.
    #[must_use]
    pub fn new(local: Arc<LocalServer>, expect: u32, rules: Rules) -> Self {
        let (raft, directory, pool) = (local.raft().clone(), local.directory().clone(), local.pool().clone());
        Self { local, raft, directory, pool, expect, rules }
    }

    /// Works until Raft stops or the future is dropped.
    pub async fn run(&self) {
        self.begin().await;
        self.keep().await;
    }

    /// Waits until this server belongs to a cluster, beginning one when that is its task.
    async fn begin(&self) {
        let mut changes = self.directory.changes();
        let mut leadership = self.raft.leadership();
        let mut warned = String::new();
        while !matches!(self.raft.is_initialized().await, Ok(true) | Err(_)) {
            changes.mark_unchanged();
            match beginning(&self.raft.id(), self.expect, &self.directory.servers()) {
                Beginning::Offer(servers) => {
                    if self.offer(&servers).await {
                        return;
                    }
                    sleep(RETRY_PAUSE).await;
                    continue;
                }
                Beginning::Warn(text) => {
                    if warned != text {
                        tracing::warn!(target: "agent::server", "{text}");
                        warned = text;
                    }
                }
                Beginning::Wait => {}
            }
            // Another server may begin the cluster with this one: then a leader is heard of.
            tokio::select! {
                _ = changes.changed() => {}
                _ = leadership.changed() => {}
                () = sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    /// Offers a cluster to its servers and begins it when all accept; whether it was begun.
    async fn offer(&self, ids: &[ServerId]) -> bool {
        let own = self.raft.settings().id;
        let known = self.directory.servers();
        let servers: Option<Vec<NewServer>> = ids.iter().map(|id| self.new_server(id, &known)).collect();
        let Some(servers) = servers else { return false };
        let offer = Offer { coordinator: own, servers: servers.iter().map(|server| server.id).collect() };
        let asked = servers.iter().map(|server| self.ask(&offer, server.id, server.address));
        let Ok(answers) = timeout(OFFER_TIMEOUT, futures::future::join_all(asked)).await else { return false };
        if let Some(server) = servers.iter().zip(&answers).find(|(_, it)| it.is_some_and(|it| it.is_initialized)) {
            tracing::info!(target: "agent::server", server = %server.0.name, "Existing Raft peers reported, not bootstrapping");
            return false;
        }
        if !answers.iter().all(|answer| answer.is_some_and(|answer| answer.accepts)) {
            return false;
        }
        match self.raft.bootstrap(&servers).await {
            Ok(()) => {
                let names: Vec<&str> = servers.iter().map(|server| &*server.name).collect();
                tracing::info!(target: "agent::server", servers = ?names, "Found expected number of peers, bootstrapped the cluster");
                true
            }
            Err(error) => {
                tracing::error!(target: "agent::server", %error, "cannot bootstrap the cluster");
                false
            }
        }
    }

    async fn ask(&self, offer: &Offer, id: Uuid, address: SocketAddr) -> Option<OfferAnswer> {
        if id == offer.coordinator {
            return self.local.answer_offer(offer).await.ok();
        }
        let target = Target { address, server: Some(id), lane: Lane::Requests };
        let answer = self.pool.call(target, Method::Offer as u8, message::encode(offer), OFFER_TIMEOUT).await.ok()?;
        message::decode::<Result<OfferAnswer, RequestError>>(&answer).ok()?.ok()
    }

    fn new_server(&self, id: &ServerId, known: &[KnownServer]) -> Option<NewServer> {
        if *id == self.raft.id() {
            let settings = self.raft.settings();
            return Some(NewServer { id: settings.id, name: settings.name.clone(), address: settings.address });
        }
        let server = known.iter().find(|server| server.id == *id)?;
        Some(NewServer { id: Uuid::parse_str(id).ok()?, name: server.name.clone(), address: server.address })
    }

    /// Keeps the membership right whenever this server leads.
    async fn keep(&self) {
        let mut changes = self.directory.changes();
        let mut leadership = self.raft.leadership();
        loop {
            if leadership.wait_for(|state| state.is_local).await.is_err() {
                return;
            }
            changes.mark_unchanged();
            match self.step().await {
                Some(Ok(())) => continue,
                Some(Err(())) => sleep(RETRY_PAUSE).await,
                None => {}
            }
            tokio::select! {
                _ = changes.changed() => {}
                _ = leadership.changed() => {}
                () = sleep(LOOK_INTERVAL) => {}
            }
        }
    }

    /// The rules that the settings of autopilot make now. A server that is not healthy for the whole time that it must be
    /// stable is not stable, however long gossip has known it.
    fn rules_now(&self, servers: &mut [KnownServer]) -> Rules {
        let view = self.raft.reader().view();
        let config = server::endpoint::autopilot::config(&view);
        for (health, since) in self.raft.look(&config) {
            if let Some(server) = servers.iter_mut().find(|it| it.id == health.id && it.status == MemberStatus::Alive) {
                server.since = server.since.max(since.at);
            }
        }
        let zone = |server: &KnownServer| {
            let tag = &config.redundancy_zone_tag;
            let zone = view.node(&server.name)?.meta.as_ref()?.get(tag).filter(|_| !tag.is_empty())?;
            Some((server.id.clone(), zone.clone()))
        };
        Rules {
            stable_after: config.server_stabilization_time,
            trailing_max: config.max_trailing_logs,
            removes_dead: config.cleanup_dead_servers,
            voters_min: usize::try_from(config.min_quorum).unwrap_or(usize::MAX),
            zones: servers.iter().filter_map(zone).collect(),
            ..self.rules.clone()
        }
    }

    /// Makes one change, if one is needed.
    async fn step(&self) -> Option<Result<(), ()>> {
        let members = self.raft.members();
        let mut servers = self.directory.servers();
        let now = Instant::now();
        let removals = {
            let mut removals = self.raft.removals();
            removals.retain(|_, removed| now.duration_since(*removed) < REJOIN_AFTER);
            removals.clone()
        };
        servers.retain(|server| !is_going(server, &members, &removals));
        let rules = self.rules_now(&mut servers);
        let step = next_step(&rules, &self.raft.id(), &members, &servers, now)?;
        let done = match &step {
            Step::Update(id) => self.raft.set_member(&self.new_server(id, &servers)?).await,
            Step::Add(id) => self.raft.add_learner(&self.new_server(id, &servers)?).await,
            Step::Demote(id) => self.raft.demote(Uuid::parse_str(id).ok()?).await,
            Step::Promote(id) => self.raft.promote(Uuid::parse_str(id).ok()?).await,
            Step::Remove(id) => self.raft.remove(Uuid::parse_str(id).ok()?).await,
        };
        match done {
            Ok(()) => {
                tracing::info!(target: "agent::server", ?step, "changed the Raft configuration");
                Some(Ok(()))
            }
            Err(NotDone::NotLeader) => Some(Err(())),
            Err(NotDone::Failed(error)) => {
                tracing::warn!(target: "agent::server", ?step, %error, "cannot change the Raft configuration, will retry");
                Some(Err(()))
            }
        }
    }
}

/// Whether a server was just taken out and gossip has not told since that it came again: it is about to go.
fn is_going(server: &KnownServer, members: &[Member], removals: &BTreeMap<Uuid, Instant>) -> bool {
    let removed = Uuid::parse_str(&server.id).ok().and_then(|id| removals.get(&id));
    removed.is_some_and(|removed| server.since <= *removed) && members.iter().all(|member| member.id != server.id)
}

impl RaftNode {
    /// The members of the configuration with their lag, as the leader sees it.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        let metrics = self.metrics();
        let configuration = &metrics.membership_config;
        let voters: Vec<_> = configuration.voter_ids().collect();
        let last = metrics.last_log_index.unwrap_or(0);
        let lag = |id: &super::types::PeerId| {
            let replicated = metrics.replication.as_ref()?.get(id)?.index()?;
            Some(last.saturating_sub(replicated))
        };
        let member = |(id, peer): (&super::types::PeerId, &super::types::Peer)| Member {
            id: id.to_server_id(),
            name: peer.name.clone(),
            address: peer.address,
            is_voter: voters.contains(id),
            lag: lag(id),
        };
        configuration.nodes().map(member).collect()
    }
}

impl LocalServer {
    /// Leaves the cluster for good: hands leadership over and has this server taken out of the configuration. The last
    /// voter stays in it, so that it can come back.
    ///
    /// # Errors
    /// When no leader could be asked within five seconds; the others then remove this server by themselves.
    pub async fn leave(&self) -> Result<(), RequestError> {
        let id = self.raft().id();
        let members = self.raft().members();
        let is_member = members.iter().any(|member| member.id == id);
        if !is_member || members.iter().filter(|member| member.is_voter).count() < 2 {
            return Ok(());
        }
        self.raft().handover().await;
        let action = Action::Cluster(Cluster::RemovePeer { id, address: String::new() });
        let request = Request { datacenter: String::new(), token: model::Token::default(), action };
        match timeout(LEAVE_TIMEOUT, self.call_trusted(request)).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(RequestError::no_leader()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_server_is_going_until_gossip_sees_it_come_again() {
        let id = Uuid::from_u128(5);
        let removed = Instant::now();
        let server = |since| KnownServer {
            id: id.to_string().into(),
            name: "n".into(),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            status: MemberStatus::Alive,
            expect: 0,
            version: String::new(),
            is_non_voter: false,
            takes_tls: false,
            since,
        };
        let removals = BTreeMap::from([(id, removed)]);
        assert!(is_going(&server(removed), &[], &removals));
        assert!(!is_going(&server(removed + Duration::from_millis(1)), &[], &removals));
        assert!(!is_going(&server(removed), &[], &BTreeMap::new()));
    }

    #[test]
    fn only_one_offer_binds_at_a_time() {
        let now = Instant::now();
        let offer = |coordinator| Offer { coordinator: Uuid::from_u128(coordinator), servers: vec![] };
        let mut accepted = AcceptedOffer::default();
        assert!(accepted.accept(&offer(1), now));
        assert!(accepted.accept(&offer(1), now));
        assert!(!accepted.accept(&offer(2), now + OFFER_TIMEOUT));
        assert!(accepted.accept(&offer(2), now + OFFER_BINDS));
        assert!(!accepted.accept(&offer(1), now + OFFER_BINDS));
    }
}
