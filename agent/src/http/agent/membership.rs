//! The agent itself and its place in the cluster: self, members, join, leave, force-leave, reload.

use std::collections::BTreeMap;

use acl::{Level, Resource};
use gossip::Member;
use http::StatusCode;
use model::{AgentMember, TextMap};
use serde_json::json;

use super::facts::{AgentFacts, StatGroups};
use super::{done, tail_text};
use crate::gossip::Pool;
use crate::http::extract::Call;
use crate::http::reply::{Answer, Failure, Reply};
use crate::local::multi_error;
use crate::version::{CONCORD_VERSION, CONSUL_API_VERSION};
use crate::{join as joining, servers};

/// `GET /v1/agent/self`
pub fn self_view(call: &Call<'_>) -> Answer {
    let facts = &*call.state.agent;
    let identity = &facts.identity;
    Reply::json_of(&json!({
        "Config": {
            "Datacenter": identity.datacenter,
            "NodeName": identity.node_name,
            "NodeID": identity.node_id,
            "Revision": "",
            "Server": identity.server,
            "Version": CONSUL_API_VERSION,
        },
        "DebugConfig": facts.debug_config,
        "Coord": crate::coordinates::own(&facts.lan),
        "Member": servers::agent_member(&facts.lan.local()),
        "Stats": stats(facts),
        "Meta": facts.local.node().meta,
    }))
}

fn stats(facts: &AgentFacts) -> StatGroups {
    let pairs = |pairs: &[(&str, String)]| -> TextMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let (ttls, monitors) = facts.local.running_checks();
    let (services, checks) = facts.local.with_registry(|registry| (registry.services().len(), registry.checks().len()));
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut groups: StatGroups = (facts.more_stats)();
    let mut add = |name: &str, group: TextMap| groups.insert(name.to_owned(), group);
    add(
        "agent",
        pairs(&[
            ("check_monitors", monitors.to_string()),
            ("check_ttls", ttls.to_string()),
            ("checks", checks.to_string()),
            ("services", services.to_string()),
        ]),
    );
    add(
        "build",
        pairs(&[
            ("prerelease", String::new()),
            ("revision", String::new()),
            ("version", CONSUL_API_VERSION.to_owned()),
        ]),
    );
    add(
        "runtime",
        pairs(&[
            ("arch", go_architecture().to_owned()),
            ("cpu_count", cpus.to_string()),
            ("max_procs", cpus.to_string()),
            ("os", std::env::consts::OS.to_owned()),
            ("version", format!("concord {CONCORD_VERSION}")),
        ]),
    );
    add("serf_lan", facts.lan.stats());
    if let Some(wan) = &facts.wan {
        add("serf_wan", wan.stats());
    }
    groups
}

/// The architecture by the name that Consul's tools know.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `GET /v1/agent/version`
pub fn version() -> Answer {
    let facts = BTreeMap::from([("SHA", ""), ("BuildDate", ""), ("HumanVersion", CONSUL_API_VERSION), ("FIPS", "")]);
    Reply::json_of(&facts)
}

/// `GET /v1/agent/members`
pub async fn members(call: &Call<'_>) -> Answer {
    if !matches!(call.query.text("segment"), "" | "_all") {
        return Err(Failure::internal("Network segments are not supported in this version of Consul"));
    }
    let caller = call.caller().await?;
    let visible = |member: &&Member| caller.allows(Resource::Node, member.name.as_bytes(), Level::Read);
    let listed = match pool_of(call) {
        Some(pool) => pool.members().iter().filter(visible).map(servers::agent_member).collect::<Vec<AgentMember>>(),
        None => Vec::new(),
    };
    Reply::json_of(&listed)
}

/// The pool that `?wan` chooses; `None` when this agent is not in it.
fn pool_of<'a>(call: &'a Call<'_>) -> Option<&'a Pool> {
    let facts = &call.state.agent;
    if is_wan(call) { facts.wan.as_ref() } else { Some(&facts.lan) }
}

fn is_wan(call: &Call<'_>) -> bool {
    !call.query.text("wan").is_empty()
}

/// `PUT /v1/agent/join/:address`
pub async fn join(call: &Call<'_>) -> Answer {
    let address = tail_text(call);
    let Some(pool) = pool_of(call) else {
        return Err(Failure::internal("this agent is not in the WAN pool: only servers are, when WAN gossip is on"));
    };
    if address.is_empty() {
        let why = multi_error(&["Failed to resolve : lookup : no such host"]);
        return Err(Failure::internal(why));
    }
    let facts = &call.state.agent;
    let resolver = if is_wan(call) { &facts.wan_resolver } else { &facts.resolver };
    let (contacted, failures) = joining::join_once(pool, resolver, &[address]).await;
    if contacted == 0 {
        return Err(Failure::internal(multi_error(&failures)));
    }
    call.state.agent.local.sync_now();
    done()
}

/// `PUT /v1/agent/leave`
pub async fn leave(call: &Call<'_>) -> Answer {
    call.state.agent.orders.leave().await;
    done()
}

/// `PUT /v1/agent/force-leave/:node`
pub async fn force_leave(call: &Call<'_>) -> Answer {
    let name = tail_text(call);
    let unknown = || Failure::internal(format!("agent: No node found with name '{name}'"));
    let pool = pool_of(call).ok_or_else(unknown)?;
    let is_known = |member: &Member| *member.name == *name;
    if !pool.members().iter().any(is_known) {
        return Err(unknown());
    }
    match pool.force_leave(&name, call.query.has("prune")).await {
        Ok(()) => done(),
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}

/// `PUT /v1/agent/reload`
pub async fn reload(call: &Call<'_>) -> Answer {
    match call.state.agent.orders.reload().await {
        Ok(()) => done(),
        Err(reason) => Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, reason)),
    }
}
