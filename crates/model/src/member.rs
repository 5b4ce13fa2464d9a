//! Members of a gossip pool as `/v1/agent/members` shows them.

use serde::{Deserialize, Serialize};

use crate::TextMap;

/// State of a member; the numbers are Serf's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberStatus {
    /// In the pool and answering.
    Alive,
    /// Has said that it is going.
    Leaving,
    /// Has gone in good order.
    Left,
    /// Stopped answering.
    Failed,
}

impl MemberStatus {
    /// Serf's number: 1 alive, 2 leaving, 3 left, 4 failed.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Alive => 1,
            Self::Leaving => 2,
            Self::Left => 3,
            Self::Failed => 4,
        }
    }

    /// The word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }

    /// The status that has Serf's number, if there is one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        [Self::Alive, Self::Leaving, Self::Left, Self::Failed].into_iter().find(|status| status.number() == number)
    }
}

/// A member, in the shape of `/v1/agent/members`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AgentMember {
    /// Node name.
    pub name: String,
    /// Gossip address.
    pub addr: String,
    /// Gossip port.
    pub port: u16,
    /// Tags: role, dc, id, port, build, ...
    pub tags: TextMap,
    /// Number of [`MemberStatus`].
    pub status: i32,
    /// Lowest memberlist protocol it speaks.
    pub protocol_min: u8,
    /// Highest memberlist protocol it speaks.
    pub protocol_max: u8,
    /// Memberlist protocol in use.
    pub protocol_cur: u8,
    /// Lowest Serf protocol it speaks.
    pub delegate_min: u8,
    /// Highest Serf protocol it speaks.
    pub delegate_max: u8,
    /// Serf protocol in use.
    pub delegate_cur: u8,
}
