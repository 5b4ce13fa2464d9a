//! What agents tell each other in gossip tags, and what the directory of servers learns from it. Pure but for the clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use config::Config;
use gossip::{Member, Status};
use model::{AgentMember, MemberStatus, NodeName, ServerId};
use tokio::time::Instant;

use crate::rpc::directory::KnownServer;
use crate::version;

/// The tags of this agent in the LAN pool, as Consul's agents write and read them.
#[must_use]
pub fn tags(config: &Config, node_id: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut set = |key: &str, value: String| tags.insert(key.to_owned(), value);
    set("dc", config.datacenter.clone());
    set("id", node_id.to_owned());
    set("segment", String::new());
    set("vsn", "2".to_owned());
    set("vsn_min", "2".to_owned());
    set("vsn_max", "3".to_owned());
    set("build", format!("{}:", version::CONSUL_API_VERSION));
    set("acls", "0".to_owned());
    if config.server {
        set("role", "consul".to_owned());
        set("port", config.ports.server.to_string());
        set("raft_vsn", "3".to_owned());
        set("ft_fs", "1".to_owned());
        if let Some(port) = config.ports.serf_wan {
            set("wan_join_port", port.to_string());
        }
        if config.non_voting_server {
            set("nonvoter", "1".to_owned());
            set("read_replica", "1".to_owned());
        }
        if config.tls.internal_rpc.has_identity() {
            set("use_tls", "1".to_owned());
        }
        if config.bootstrap || config.bootstrap_expect == 1 {
            set("bootstrap", "1".to_owned());
        }
        if config.bootstrap_expect > 1 {
            set("expect", config.bootstrap_expect.to_string());
        }
    } else {
        set("role", "node".to_owned());
    }
    tags
}

/// The servers of a datacenter among the members. `previous` tells since when each has had its status.
#[must_use]
pub fn known_servers(members: &[Member], datacenter: &str, previous: &[KnownServer], now: Instant) -> Vec<KnownServer> {
    members
        .iter()
        .filter(|member| tag(member, "role") == "consul" && tag(member, "dc") == datacenter)
        .filter_map(|member| {
            let id = tag(member, "id");
            let port: u16 = tag(member, "port").parse().ok()?;
            let status = status(member.status);
            let before = previous.iter().find(|server| *server.id == *id && server.status == status);
            (!id.is_empty()).then(|| KnownServer {
                id: ServerId::new(id),
                name: NodeName::new(&*member.name),
                address: SocketAddr::new(member.addr.ip(), port),
                status,
                expect: if tag(member, "bootstrap") == "1" { 1 } else { tag(member, "expect").parse().unwrap_or(0) },
                version: tag(member, "build").split(':').next().unwrap_or_default().to_owned(),
                is_non_voter: tag(member, "nonvoter") == "1" || tag(member, "read_replica") == "1",
                takes_tls: tag(member, "use_tls") == "1",
                since: before.map_or(now, |server| server.since),
            })
        })
        .collect()
}

fn tag<'a>(member: &'a Member, key: &str) -> &'a str {
    member.tags.get(key).map_or("", String::as_str)
}

/// A member's state in the words of the model.
#[must_use]
pub fn status(status: Status) -> MemberStatus {
    match status {
        Status::Alive => MemberStatus::Alive,
        Status::Leaving => MemberStatus::Leaving,
        Status::Left => MemberStatus::Left,
        Status::Failed => MemberStatus::Failed,
    }
}

/// A member in the shape of `/v1/agent/members`.
#[must_use]
pub fn agent_member(member: &Member) -> AgentMember {
    let [protocol_min, protocol_max, protocol_cur, delegate_min, delegate_max, delegate_cur] = member.versions.0;
    AgentMember {
        name: member.name.to_string(),
        addr: member.addr.ip().to_string(),
        port: member.addr.port(),
        tags: (*member.tags).clone(),
        status: status(member.status).number(),
        protocol_min,
        protocol_max,
        protocol_cur,
        delegate_min,
        delegate_max,
        delegate_cur,
    }
}
