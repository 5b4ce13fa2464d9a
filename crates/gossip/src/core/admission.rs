//! Who may be in a pool. A node of another datacenter, or one that carries the id of another node, would spoil the
//! catalog; it is refused before it becomes a member.

use super::GossipCore;
use super::peer::Swim;
use crate::member::Status;
use crate::wire::stream::{NodeState, PushPull};
use crate::wire::swim::Alive;
use crate::wire::tags::decode_tags;
use std::collections::BTreeMap;

/// Which nodes a pool takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// All.
    #[default]
    Any,
    /// Nodes of this datacenter, each with an id of its own.
    Datacenter(String),
    /// Servers, of any datacenter.
    Servers,
}

impl GossipCore {
    /// Why a node may not be a member, in Consul's words.
    pub(super) fn objection(&self, node: &str, tags: &BTreeMap<String, String>) -> Option<String> {
        let tag = |key: &str| tags.get(key).map_or("", String::as_str);
        match &self.admission {
            Admission::Any => None,
            Admission::Servers if tag("role") != "consul" => Some(format!("Member '{node}' is not a server")),
            Admission::Servers => None,
            Admission::Datacenter(ours) if tag("dc") != ours => {
                Some(format!("Member '{node}' part of wrong datacenter '{}'", tag("dc")))
            }
            Admission::Datacenter(_) => self.conflicting_id(node, tag("id")),
        }
    }

    fn conflicting_id(&self, node: &str, id: &str) -> Option<String> {
        if id.is_empty() {
            return None;
        }
        let has_id = |tags: &BTreeMap<String, String>| tags.get("id").is_some_and(|known| known == id);
        if node != &*self.name && has_id(&self.me().tags) {
            return Some(format!("Member '{node}' has conflicting node ID '{id}' with this agent's ID"));
        }
        let there = |peer: &&super::peer::Peer| {
            matches!(peer.swim, Swim::Alive | Swim::Suspect) && peer.status != Status::Left && *peer.name != *node
        };
        let other = self.peers.values().filter(there).find(|peer| has_id(&peer.tags))?;
        Some(format!("Member '{node}' has conflicting node ID '{id}' with member '{}'", other.name))
    }

    /// Whether a birth may be believed. One that is known already was asked before.
    pub(super) fn admits(&mut self, alive: &Alive, tags: &BTreeMap<String, String>) -> bool {
        if self.peers.get(alive.node.as_str()).is_some_and(|peer| *peer.meta == *alive.meta && peer.swim.is_up()) {
            return true;
        }
        match self.objection(&alive.node, tags) {
            Some(objection) => {
                self.complain(&objection);
                false
            }
            None => true,
        }
    }

    /// Why a state may not be taken over: one member of it does not belong here.
    pub(super) fn objection_to_state(&self, state: &PushPull) -> Option<String> {
        if self.admission == Admission::Any {
            return None;
        }
        let there = state.nodes.iter().filter(|report| matches!(report.state, NodeState::Alive | NodeState::Suspect));
        there.filter(|report| *report.alive.node != *self.name).find_map(|report| {
            let tags = decode_tags(&report.alive.meta).ok()?;
            self.objection(&report.alive.node, &tags)
        })
    }
}
