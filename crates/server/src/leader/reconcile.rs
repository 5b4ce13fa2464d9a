//! Keeps the catalog's nodes in step with the members of the gossip pool.
//!
//! A member that lives is registered with a passing `serfHealth`, one that failed is marked critical, one that has left
//! or is no longer known is taken out. Nodes without `serfHealth` were registered from outside and are not touched.
//! Only differences are written: run it at the start of a leadership, after member events and every minute.

use std::collections::HashSet;

use model::{
    AgentMember, CheckId, Deregistration, HealthCheck, MemberStatus, Node, NodeId, NodeName, NodeService, Registration,
    SERF_CHECK_ID, SERF_CHECK_NAME, ServiceId, ServiceName, Status, TextMap,
};
use state::View;

use crate::request::Write;

/// Id and name of the service that every server is an instance of.
pub const CONSUL_SERVICE: &str = "consul";

const ALIVE: &str = "Agent alive and reachable";
const FAILED: &str = "Agent not live or unreachable";

/// The writes that bring the catalog in step with `members` of `datacenter`. `own` is the leader's name: it is not taken
/// out while it leads, even if it is leaving.
#[must_use]
pub fn reconcile(view: &View, members: &[AgentMember], own: &NodeName, datacenter: &str) -> Vec<Write> {
    let ours = || members.iter().filter(|member| is_ours(member, datacenter));
    let mut writes: Vec<Write> = ours().filter_map(|member| reconcile_member(view, member, own, datacenter)).collect();
    let known: HashSet<String> = ours().map(|member| member.name.to_lowercase()).collect();
    let reaped = view.nodes().filter(|node| {
        let name = node.node.to_lowercase();
        !known.contains(&name) && name != own.to_lowercase() && view.check(&node.node, SERF_CHECK_ID).is_some()
    });
    writes.extend(reaped.map(|node| deregister(node, datacenter)));
    writes
}

/// The write that one member calls for, if any; for a single member event.
#[must_use]
pub fn reconcile_member(view: &View, member: &AgentMember, own: &NodeName, datacenter: &str) -> Option<Write> {
    if !is_ours(member, datacenter) {
        return None;
    }
    let node = view.node(&member.name);
    match MemberStatus::from_number(member.status)? {
        MemberStatus::Alive => register_alive(view, member, datacenter),
        MemberStatus::Failed => mark_failed(view, node?, datacenter),
        MemberStatus::Left if member.name == **own => None,
        MemberStatus::Left => node.map(|node| deregister(node, datacenter)),
        MemberStatus::Leaving => None,
    }
}

/// Whether a member is an agent of this datacenter.
pub(super) fn is_ours(member: &AgentMember, datacenter: &str) -> bool {
    let is_agent = matches!(member.tags.get("role").map(String::as_str), Some("consul" | "node"));
    is_agent && member.tags.get("dc").is_some_and(|dc| dc == datacenter)
}

fn register_alive(view: &View, member: &AgentMember, datacenter: &str) -> Option<Write> {
    let id = NodeId::new(member.tags.get("id").map_or("", String::as_str));
    let node = view.node(&member.name);
    let service = consul_service(member);
    let is_node_right = node.is_some_and(|node| node.id == id && node.address == member.addr);
    let is_service_right = service.as_ref().is_none_or(|service| {
        view.instance(&member.name, &service.id).is_some_and(|instance| instance.service.is_same_definition(service))
    });
    let name =
        node.filter(|_| is_node_right).map_or_else(|| NodeName::from(member.name.as_str()), |node| node.node.clone());
    let is_alive = view
        .check(&member.name, SERF_CHECK_ID)
        .is_some_and(|check| check.status == Status::Passing.as_str() && check.output == ALIVE);
    if is_node_right && is_service_right && is_alive {
        return None;
    }
    Some(Write::Register(Registration {
        id,
        address: member.addr.clone(),
        datacenter: datacenter.to_owned(),
        // What the agent itself has told about its node is kept; it corrects it when it synchronizes.
        tagged_addresses: node.and_then(|node| node.tagged_addresses.clone()),
        node_meta: node.and_then(|node| node.meta.clone()),
        service,
        check: Some(serf_check(&name, Status::Passing, ALIVE)),
        checks: Vec::new(),
        // An agent may have told about its own, new node since this view was taken: that must not be overwritten.
        skip_node_update: is_node_right || node.is_none(),
        node: name,
    }))
}

fn mark_failed(view: &View, node: &Node, datacenter: &str) -> Option<Write> {
    let check = view.check(&node.node, SERF_CHECK_ID);
    if check.is_some_and(|check| check.is_critical() && check.output == FAILED) {
        return None;
    }
    Some(Write::Register(Registration {
        id: node.id.clone(),
        node: node.node.clone(),
        address: node.address.clone(),
        datacenter: datacenter.to_owned(),
        check: Some(serf_check(&node.node, Status::Critical, FAILED)),
        skip_node_update: true,
        ..Registration::default()
    }))
}

fn deregister(node: &Node, datacenter: &str) -> Write {
    Write::Deregister(Deregistration {
        node: node.node.clone(),
        datacenter: datacenter.to_owned(),
        ..Deregistration::default()
    })
}

fn serf_check(node: &NodeName, status: Status, output: &str) -> HealthCheck {
    HealthCheck {
        node: node.clone(),
        check_id: CheckId::new(SERF_CHECK_ID),
        name: SERF_CHECK_NAME.to_owned(),
        status: status.as_str().to_owned(),
        output: output.to_owned(),
        ..HealthCheck::default()
    }
}

/// The instance of the `consul` service that a server stands for; clients have none.
fn consul_service(member: &AgentMember) -> Option<NodeService> {
    let tag = |name: &str| member.tags.get(name).map_or("", String::as_str);
    if tag("role") != "consul" {
        return None;
    }
    let meta: TextMap = [
        ("non_voter", (member.tags.contains_key("nonvoter")).to_string()),
        ("raft_version", tag("raft_vsn").to_owned()),
        // Despite their names these are the versions of the layer below Serf.
        ("serf_protocol_current", member.protocol_cur.to_string()),
        ("serf_protocol_max", member.protocol_max.to_string()),
        ("serf_protocol_min", member.protocol_min.to_string()),
        ("version", tag("build").split(':').next().unwrap_or_default().to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    Some(NodeService {
        id: ServiceId::new(CONSUL_SERVICE),
        service: ServiceName::new(CONSUL_SERVICE),
        meta: Some(meta),
        port: tag("port").parse().unwrap_or_default(),
        ..NodeService::default()
    })
}
