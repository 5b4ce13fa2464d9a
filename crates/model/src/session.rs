//! Sessions: what holds locks.

use serde::{Deserialize, Serialize};

use crate::{CheckId, Json, NodeName, SessionId};

/// What happens to the keys of a session that ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionBehavior {
    /// The locks are released and the keys stay.
    #[default]
    Release,
    /// The keys are deleted.
    Delete,
}

/// A session, in the shape of `/v1/session/info/:id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Session {
    /// UUID made by the leader.
    #[serde(rename = "ID")]
    pub id: SessionId,
    /// Name for people.
    pub name: String,
    /// Node whose health the session depends on.
    pub node: NodeName,
    /// Nanoseconds for which a key cannot be locked again after the session was invalidated.
    pub lock_delay: u64,
    /// What happens to its keys.
    pub behavior: SessionBehavior,
    /// Go duration text, empty for none.
    #[serde(rename = "TTL")]
    pub ttl: String,
    /// Node checks that must not be critical.
    pub node_checks: Vec<CheckId>,
    /// Service checks that must not be critical, as given.
    pub service_checks: Option<Vec<Json>>,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}
