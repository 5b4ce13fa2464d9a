//! The types that openraft is instantiated with. They stay inside this folder.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use model::ServerId;
use openraft::impls::leader_id_std;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

openraft::declare_raft_types!(
    /// openraft's parameters: opaque commands, servers named by UUID, one leader per term.
    pub TypeConfig:
        D = Command,
        R = Applied,
        NodeId = PeerId,
        Node = Peer,
        LeaderId = leader_id_std::LeaderId<u64, PeerId>,
        AsyncRuntime = openraft::impls::TokioRuntime,
);

/// A log entry.
pub type Entry = openraft::alias::EntryOf<TypeConfig>;
type CommittedLeader = openraft::alias::CommittedLeaderIdOf<TypeConfig>;
/// Term and index of an entry.
pub type LogId = openraft::alias::LogIdOf<TypeConfig>;
/// Term, candidate, and whether a majority has granted it.
pub type Vote = openraft::alias::VoteOf<TypeConfig>;
/// Voters and learners.
pub type Membership = openraft::Membership<PeerId, Peer>;
/// A membership with the entry that set it.
pub type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;

/// The identity of a server: the UUID of its agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub Uuid);

impl PeerId {
    /// The id as the rest of the agent writes it.
    #[must_use]
    pub fn to_server_id(self) -> ServerId {
        ServerId::from(self.0.to_string())
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl From<u64> for PeerId {
    fn from(number: u64) -> Self {
        Self(Uuid::from_u128(u128::from(number)))
    }
}

/// A server as the Raft configuration describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Node name.
    pub name: String,
    /// Address of its RPC when the configuration was made; see `rpc::directory` for the present one.
    pub address: SocketAddr,
}

impl Default for Peer {
    fn default() -> Self {
        Self { name: String::new(), address: SocketAddr::from(([0, 0, 0, 0], 0)) }
    }
}

/// An encoded command of the state store; Raft does not look inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Command(pub Bytes);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// What applying an entry brought; `None` for entries of Raft itself. It never leaves the process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Applied(pub Option<state::Outcome>);

/// The log id of a term and an index.
#[must_use]
pub fn log_id(term: u64, index: u64) -> LogId {
    LogId { leader_id: CommittedLeader::new(term), index }
}
