//! What the agent tells about itself: the facts behind `/v1/agent/self` and `consul info`, and the node's own record.

use std::net::IpAddr;
use std::sync::Arc;

use client::tls::TlsSettings;
use config::Config;
use model::format_duration;
use model::{Json, Node, NodeId, NodeName, TextMap};
use serde_json::json;

use crate::events::Events;
use crate::gossip::Pool;
use crate::http::AgentFacts;
use crate::http::agent::{Identity, StatGroups};
use crate::join::Resolver;
use crate::local::{LocalAgent, Settings};
use crate::orders::Orders;
use crate::raft::node::RaftNode;
use crate::raft::settings::raft_times;
use crate::tokens::Tokens;
use crate::version::CONSUL_API_VERSION;

/// Port of the WAN pool of others, where this agent has none.
const WAN_PORT: u16 = 8302;

/// What the registrations need to know.
pub(crate) fn local_settings(config: &Config, id: &NodeId, tokens: Arc<Tokens>) -> Settings {
    let (lan, wan) = (config.advertise_addr.to_string(), config.advertise_addr_wan.to_string());
    let family = |address: &IpAddr| if address.is_ipv4() { "ipv4" } else { "ipv6" };
    let tagged_addresses = [
        ("lan".to_owned(), lan.clone()),
        (format!("lan_{}", family(&config.advertise_addr)), lan.clone()),
        ("wan".to_owned(), wan.clone()),
        (format!("wan_{}", family(&config.advertise_addr_wan)), wan),
    ];
    let mut meta = config.node_meta.clone();
    meta.insert("consul-network-segment".to_owned(), String::new());
    Settings {
        node: Node {
            id: id.clone(),
            node: NodeName::new(&config.node_name),
            address: lan,
            datacenter: config.datacenter.clone(),
            tagged_addresses: Some(tagged_addresses.into()),
            meta: Some(meta),
            ..Node::default()
        },
        script_checks: config.enable_script_checks,
        local_script_checks: config.enable_local_script_checks,
        check_update_interval: config.check_update_interval,
        check_output_max_size: config.check_output_max_size,
        discard_check_output: config.discard_check_output,
        sidecar_ports: config.ports.sidecars.map(|(first, last)| first..=last),
        expose_ports: config.ports.exposed.0..=config.ports.exposed.1,
        tokens,
        flap_half_life: config.check_flap_half_life,
        check_tls: match config.tls.for_checks {
            true => TlsSettings {
                ca_file: config.tls.internal_rpc.ca_file.clone(),
                ca_path: config.tls.internal_rpc.ca_path.clone(),
                cert_file: config.tls.internal_rpc.cert_file.clone(),
                key_file: config.tls.internal_rpc.key_file.clone(),
                server_name: config.tls.server_name.clone(),
                ..TlsSettings::default()
            },
            false => TlsSettings::default(),
        },
    }
}

/// The facts behind the agent family of the HTTP API.
pub(crate) fn facts(
    (config, shown): (&Config, Json),
    local: &Arc<LocalAgent>,
    (lan, wan): (&Pool, Option<Pool>),
    events: Arc<Events>,
    raft: Option<&RaftNode>,
    orders: Orders,
) -> Arc<AgentFacts> {
    let (raft, members) = (raft.cloned(), lan.clone());
    Arc::new(AgentFacts {
        local: local.clone(),
        lan: lan.clone(),
        wan,
        events,
        resolver: Resolver::new(config.ports.serf_lan),
        wan_resolver: Resolver::new(config.ports.serf_wan.unwrap_or(WAN_PORT)),
        orders,
        identity: Identity {
            datacenter: config.datacenter.clone(),
            node_name: config.node_name.clone(),
            node_id: local.node().id.to_string(),
            server: config.server,
        },
        debug_config: debug_config(config, shown, &local.node().id),
        more_stats: Box::new(move || more_stats(raft.as_ref(), &members)),
    })
}

fn more_stats(raft: Option<&RaftNode>, lan: &Pool) -> StatGroups {
    let mut groups = StatGroups::new();
    let mut consul = TextMap::new();
    let mut set = |key: &str, value: String| consul.insert(key.to_owned(), value);
    set("server", raft.is_some().to_string());
    match raft {
        Some(raft) => {
            let state = raft.leadership().borrow().clone();
            set("bootstrap", "false".to_owned());
            set("known_datacenters", "1".to_owned());
            set("leader", state.is_local.to_string());
            set("leader_addr", state.leader.map(|(_, address)| address.to_string()).unwrap_or_default());
            groups.insert("raft".to_owned(), raft.stats());
        }
        None => {
            let is_server = |tags: &TextMap| tags.get("role").is_some_and(|role| role == "consul");
            let servers = lan.members().iter().filter(|member| is_server(&member.tags)).count();
            set("known_servers", servers.to_string());
        }
    }
    groups.insert("consul".to_owned(), consul);
    groups
}

/// What only a running agent knows, laid over the configuration in force.
fn debug_config(config: &Config, mut shown: Json, id: &NodeId) -> Json {
    shown["NodeID"] = json!(id);
    shown["Version"] = CONSUL_API_VERSION.into();
    shown["VersionPrerelease"] = "".into();
    shown["Revision"] = "".into();
    for (name, time) in raft_times(config.performance.raft_multiplier) {
        shown[name] = format_duration(time).into();
    }
    shown
}
