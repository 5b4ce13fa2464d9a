//! How the servers are, as the leader sees it: what autopilot shows, and what the membership rules go by.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use model::{
    AutopilotConfig, AutopilotHealth, AutopilotState, MemberStatus, ServerHealth, ServerId, ServerState,
    format_duration,
};
use openraft::{Instant as _, LogIdOptionExt};
use tokio::time::Instant;

use super::node::RaftNode;
use crate::rpc::directory::KnownServer;
use crate::version::CONSUL_API_VERSION;

/// Since when a server has been as it is.
#[derive(Clone, Copy, Debug)]
pub struct Since {
    is_healthy: bool,
    /// For the rules.
    pub at: Instant,
    /// For people.
    time: SystemTime,
}

/// What the leader remembers of the health of each server. Forgotten when another server leads.
pub(super) type Memory = Arc<Mutex<(u64, BTreeMap<ServerId, Since>)>>;

impl RaftNode {
    /// Looks at all servers now. Calling it again and again is what makes `StableSince` right.
    #[must_use]
    pub fn look(&self, config: &AutopilotConfig) -> Vec<(ServerHealth, Since)> {
        let metrics = self.metrics();
        let own = self.id();
        let servers = self.directory.servers();
        let last = metrics.last_log_index.unwrap_or(0);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.0 != metrics.current_term {
            *memory = (metrics.current_term, BTreeMap::new());
        }
        let members = self.configuration().servers;
        memory.1.retain(|id, _| members.iter().any(|member| member.id == *id));
        let look = |member: &model::RaftServer| {
            let is_own = member.id == own;
            let known = servers.iter().find(|server| server.id == member.id);
            let peer = uuid::Uuid::parse_str(&member.id).ok().map(super::types::PeerId);
            let replicated = peer.and_then(|id| metrics.replication.as_ref()?.get(&id).copied().flatten());
            let heard = peer.and_then(|id| metrics.heartbeat.as_ref()?.get(&id).copied().flatten());
            let contact = if is_own { Some(Duration::ZERO) } else { heard.map(|at| at.elapsed()) };
            let held = if is_own { metrics.last_applied } else { replicated };
            let index = if is_own { last } else { held.index().unwrap_or(0) };
            let is_alive = is_own || known.is_some_and(|server| server.status == MemberStatus::Alive);
            let is_healthy = is_alive
                && contact.is_some_and(|contact| contact <= config.last_contact_threshold)
                && last.saturating_sub(index) <= config.max_trailing_logs;
            let now = Since { is_healthy, at: Instant::now(), time: SystemTime::now() };
            let since = memory.1.entry(member.id.clone()).or_insert(now);
            if since.is_healthy != is_healthy {
                *since = now;
            }
            let health = ServerHealth {
                id: member.id.clone(),
                name: member.node.as_str().into(),
                address: member.address.clone(),
                serf_status: serf_status(is_own, known).to_owned(),
                version: known.map_or_else(|| CONSUL_API_VERSION.to_owned(), |server| server.version.clone()),
                leader: member.leader,
                last_contact: contact.map(rounded).map(format_duration).unwrap_or_default(),
                last_term: held.map_or(0, |id| id.leader_id.term),
                last_index: index,
                healthy: is_healthy,
                voter: member.voter,
                stable_since: humantime::format_rfc3339_seconds(since.time).to_string(),
            };
            (health, *since)
        };
        members.iter().map(look).collect()
    }

    /// How all servers are.
    #[must_use]
    pub fn autopilot_health(&self, config: &AutopilotConfig) -> AutopilotHealth {
        let servers: Vec<ServerHealth> = self.look(config).into_iter().map(|(health, _)| health).collect();
        AutopilotHealth {
            healthy: !servers.is_empty() && servers.iter().all(|server| server.healthy),
            failure_tolerance: tolerance(&servers),
            servers: (!servers.is_empty()).then_some(servers),
        }
    }

    /// The whole picture; `zones` are the redundancy zones of the servers, `metas` the metadata of their nodes.
    #[must_use]
    pub fn autopilot_state(
        &self,
        config: &AutopilotConfig,
        metas: &BTreeMap<ServerId, BTreeMap<String, String>>,
    ) -> AutopilotState {
        let looked: Vec<ServerHealth> = self.look(config).into_iter().map(|(health, _)| health).collect();
        let known = self.directory.servers();
        let is_replica = |id: &ServerId| known.iter().any(|server| server.id == *id && server.is_non_voter);
        let voters = looked.iter().filter(|server| server.voter);
        let standbys =
            looked.iter().filter(|server| !server.voter && server.healthy && !is_replica(&server.id)).count();
        let failure_tolerance = tolerance(&looked);
        let state = |server: &ServerHealth| {
            let replica = is_replica(&server.id);
            let meta = metas.get(&server.id);
            let zone = meta.and_then(|meta| meta.get(&config.redundancy_zone_tag)).cloned().unwrap_or_default();
            let (status, kind) = match (server.leader, server.voter) {
                (true, _) => ("leader", "voter"),
                (false, true) => ("voter", "voter"),
                (false, false) if replica => ("non-voter", "read-replica"),
                (false, false) if !zone.is_empty() => ("non-voter", "zone-standby"),
                (false, false) => ("non-voter", "voter"),
            };
            ServerState {
                id: server.id.clone(),
                name: server.name.clone(),
                address: server.address.clone(),
                node_status: server.serf_status.clone(),
                version: server.version.clone(),
                last_contact: server.last_contact.clone(),
                last_term: server.last_term,
                last_index: server.last_index,
                healthy: server.healthy,
                stable_since: server.stable_since.clone(),
                redundancy_zone: zone,
                read_replica: replica,
                status: status.to_owned(),
                meta: meta.cloned(),
                node_type: kind.to_owned(),
            }
        };
        AutopilotState {
            healthy: !looked.is_empty() && looked.iter().all(|server| server.healthy),
            failure_tolerance,
            optimistic_failure_tolerance: failure_tolerance + standbys as u64,
            servers: looked.iter().map(|server| (server.id.clone(), state(server))).collect(),
            leader: looked.iter().find(|server| server.leader).map(|server| server.id.clone()).unwrap_or_default(),
            voters: voters.map(|server| server.id.clone()).collect(),
            read_replicas: looked.iter().map(|server| server.id.clone()).filter(is_replica).collect(),
        }
    }
}

fn serf_status(is_own: bool, known: Option<&KnownServer>) -> &'static str {
    match known.map(|server| server.status) {
        _ if is_own => "alive",
        Some(MemberStatus::Alive) => "alive",
        Some(MemberStatus::Leaving) => "leaving",
        Some(MemberStatus::Left) => "left",
        Some(MemberStatus::Failed) => "failed",
        None => "none",
    }
}

/// Healthy voters beyond a majority.
fn tolerance(servers: &[ServerHealth]) -> u64 {
    let voters = servers.iter().filter(|server| server.voter).count();
    let healthy = servers.iter().filter(|server| server.voter && server.healthy).count();
    healthy.saturating_sub(voters / 2 + 1) as u64
}

/// To a tenth of a millisecond: nobody needs more.
fn rounded(contact: Duration) -> Duration {
    Duration::from_micros(u64::try_from(contact.as_micros()).unwrap_or(u64::MAX) / 100 * 100)
}
