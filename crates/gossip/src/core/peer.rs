//! What this node knows about one node, itself included.

use crate::coordinate::Vicinity;
use crate::member::{Member, Status};
use crate::suspicion::Suspicion;
use crate::time::Time;
use crate::wire::serf::LTime;
use crate::wire::stream::NodeState;
use crate::wire::swim::{Alive, Versions};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// State in the membership protocol, one layer below [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swim {
    Alive,
    Suspect,
    Dead,
    Left,
    /// Dead for long: Serf still remembers the member, the membership protocol does not, so it may
    /// come back with any incarnation and address.
    Gone,
}

impl Swim {
    pub(super) fn is_up(self) -> bool {
        matches!(self, Swim::Alive | Swim::Suspect)
    }
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: Arc<str>,
    pub(super) addr: SocketAddr,
    pub(super) meta: Arc<[u8]>,
    pub(super) tags: Arc<BTreeMap<String, String>>,
    pub(super) versions: Versions,
    pub(super) incarnation: u32,
    pub(super) swim: Swim,
    /// Since when `swim` is what it is.
    pub(super) since: Time,
    pub(super) suspicion: Option<Suspicion>,
    pub(super) status: Status,
    pub(super) status_ltime: LTime,
    /// Since when the member is failed or left.
    pub(super) gone_since: Time,
    pub(super) conflict_told: Option<Time>,
    pub(super) vicinity: Option<Box<Vicinity>>,
}

impl Peer {
    /// A node nobody has seen alive yet.
    pub(super) fn new(name: Arc<str>, addr: SocketAddr, now: Time) -> Peer {
        Peer {
            name,
            addr,
            meta: Arc::from(&[][..]),
            tags: Arc::default(),
            versions: Versions::OURS,
            incarnation: 0,
            swim: Swim::Gone,
            since: now,
            suspicion: None,
            status: Status::Failed,
            status_ltime: 0,
            gone_since: now,
            conflict_told: None,
            vicinity: None,
        }
    }

    pub(super) fn member(&self) -> Member {
        Member {
            name: self.name.clone(),
            addr: self.addr,
            tags: self.tags.clone(),
            status: self.status,
            versions: self.versions,
            incarnation: self.incarnation,
        }
    }

    pub(super) fn alive(&self) -> Alive {
        Alive {
            incarnation: self.incarnation,
            node: self.name.to_string(),
            addr: self.addr,
            meta: self.meta.to_vec(),
            versions: self.versions,
        }
    }

    pub(super) fn set_swim(&mut self, swim: Swim, now: Time) {
        if self.swim != swim {
            self.swim = swim;
            self.since = now;
        }
    }

    /// As told in a push/pull; nothing for those the membership protocol forgot.
    pub(super) fn node_state(&self) -> Option<NodeState> {
        match self.swim {
            Swim::Alive => Some(NodeState::Alive),
            Swim::Suspect => Some(NodeState::Suspect),
            Swim::Dead => Some(NodeState::Dead),
            Swim::Left => Some(NodeState::Left),
            Swim::Gone => None,
        }
    }
}

/// Both sets of tags carry the same node id: the same node, wherever it is.
pub(super) fn same_id(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> bool {
    matches!((a.get("id"), b.get("id")), (Some(a), Some(b)) if a == b && !a.is_empty())
}
