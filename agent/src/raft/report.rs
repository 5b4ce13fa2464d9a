//! What the node tells about itself: the Raft configuration and the `raft` section of `consul info`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::{RaftConfiguration, RaftServer};
use openraft::Instant as _;
use openraft::{LogIdOptionExt, ServerState};

use super::node::RaftNode;

impl RaftNode {
    /// The configuration as `/v1/operator/raft/configuration` shows it. Servers that gossip does not know are called
    /// `(unknown)`, as in Consul; addresses are where the servers are now.
    #[must_use]
    pub fn configuration(&self) -> RaftConfiguration {
        let metrics = self.metrics();
        let members = &metrics.membership_config;
        let voters: Vec<_> = members.voter_ids().collect();
        let servers = members.nodes().map(|(id, peer)| {
            let server = id.to_server_id();
            let known = self.directory.server(&server).map(|known| known.name.to_string());
            let own = (id.0 == self.settings.id).then(|| self.settings.name.to_string());
            let replicated = metrics.replication.as_ref().and_then(|all| all.get(id).copied().flatten());
            let is_self = id.0 == self.settings.id;
            let last = if is_self { metrics.last_log_index } else { replicated.index() };
            RaftServer {
                node: own.or(known).unwrap_or_else(|| "(unknown)".to_owned()),
                address: self.directory.address(&server).unwrap_or(peer.address).to_string(),
                id: server,
                leader: metrics.current_leader == Some(*id),
                protocol_version: "3".to_owned(),
                voter: voters.contains(id),
                last_index: last.unwrap_or(0),
            }
        });
        RaftConfiguration { servers: servers.collect(), index: members.log_id().index().unwrap_or(0) }
    }

    /// How long ago a majority of the servers was heard from last; none where this server does not lead, or leads alone.
    #[must_use]
    pub fn quorum_silence(&self) -> Option<std::time::Duration> {
        let metrics = self.metrics();
        let has_others = self.configuration().servers.len() > 1;
        let silence = metrics.last_quorum_acked.filter(|_| metrics.state == ServerState::Leader && has_others)?;
        Some(silence.elapsed())
    }

    /// The `raft` section of `consul info`, with Consul's keys.
    #[must_use]
    pub fn stats(&self) -> BTreeMap<String, String> {
        let metrics = self.metrics();
        let configuration = self.configuration();
        let state = match metrics.state {
            ServerState::Leader => "Leader",
            ServerState::Candidate => "Candidate",
            ServerState::Follower | ServerState::Learner => "Follower",
            ServerState::Shutdown => "Shutdown",
        };
        let last_contact = match self.last_contact_ms() {
            Some(0) if metrics.state == ServerState::Leader => "0".to_owned(),
            Some(millis) => format!("{millis}ms"),
            None => "never".to_owned(),
        };
        let mut servers = String::from("[");
        for (number, server) in configuration.servers.iter().enumerate() {
            let space = if number > 0 { " " } else { "" };
            let suffrage = if server.voter { "Voter" } else { "Nonvoter" };
            // Writing to a string cannot fail.
            let _ = write!(servers, "{space}{{Suffrage:{suffrage} ID:{} Address:{}}}", server.id, server.address);
        }
        servers.push(']');
        let others = configuration.servers.iter().filter(|server| server.voter && server.id != self.id()).count();
        let committed = metrics.cluster_committed.max(metrics.local_committed);
        let pending = committed.index().unwrap_or(0).saturating_sub(metrics.last_applied.index().unwrap_or(0));
        let last_term = metrics.last_applied.map_or(0, |id| id.leader_id.term);
        let snapshot = metrics.snapshot;
        let pairs = [
            ("applied_index", metrics.last_applied.index().unwrap_or(0).to_string()),
            ("commit_index", committed.index().unwrap_or(0).to_string()),
            ("fsm_pending", pending.to_string()),
            ("last_contact", last_contact),
            ("last_log_index", metrics.last_log_index.unwrap_or(0).to_string()),
            ("last_log_term", last_term.to_string()),
            ("last_snapshot_index", snapshot.index().unwrap_or(0).to_string()),
            ("last_snapshot_term", snapshot.map_or(0, |id| id.leader_id.term).to_string()),
            ("latest_configuration", servers),
            ("latest_configuration_index", configuration.index.to_string()),
            ("num_peers", others.to_string()),
            ("protocol_version", "3".to_owned()),
            ("protocol_version_max", "3".to_owned()),
            ("protocol_version_min", "0".to_owned()),
            ("snapshot_version_max", "1".to_owned()),
            ("snapshot_version_min", "0".to_owned()),
            ("state", state.to_owned()),
            ("term", metrics.current_term.to_string()),
        ];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}
