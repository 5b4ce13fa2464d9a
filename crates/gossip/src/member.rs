//! What users of a pool see: members and what happens to them.

use crate::wire::serf::UserEvent;
use crate::wire::swim::Versions;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// State of a member, in Serf's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Answers.
    Alive,
    /// Announced that it leaves, and still answers.
    Leaving,
    /// Left by its own or an operator's wish.
    Left,
    /// Does not answer.
    Failed,
}

impl Status {
    /// The word `consul members` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Alive => "alive",
            Status::Leaving => "leaving",
            Status::Left => "left",
            Status::Failed => "failed",
        }
    }
}

/// One node of the pool. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Unique in the pool.
    pub name: Arc<str>,
    /// Where it gossips.
    pub addr: SocketAddr,
    /// What it tells about itself.
    pub tags: Arc<BTreeMap<String, String>>,
    /// As we see it.
    pub status: Status,
    /// Membership and Serf protocol versions.
    pub versions: Versions,
    /// Raised by the member itself with every change.
    pub incarnation: u32,
}

/// Something happened to a member, or a user event arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// A member is there: new, or back from failed or left.
    Join(Member),
    /// Tags, versions or address changed.
    Update(Member),
    /// Left in good order, or was forced out.
    Leave(Member),
    /// Stopped answering.
    Failed(Member),
    /// Forgotten: failed or left too long ago, or pruned.
    Reap(Member),
    /// Another live node claims the name of this member from another address.
    Conflict {
        /// The member we keep.
        known: Member,
        /// Where the claim comes from.
        claimed: SocketAddr,
    },
    /// Another node has the name of this one, and most members side with it: this node should go.
    NameLost {
        /// Where the other node is.
        rival: SocketAddr,
    },
    /// A user event, each once.
    UserEvent(UserEvent),
}
