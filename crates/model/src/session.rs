//! Sessions: what holds locks.

use serde::{Deserialize, Serialize};

use crate::service::null_as_default;
use crate::{CheckId, Key, NodeName, SessionId};

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

/// A check of a service that a session depends on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceCheck {
    /// Check on the session's node.
    #[serde(rename = "ID")]
    pub id: CheckId,
    /// Kept as given; there are no namespaces.
    pub namespace: String,
}

/// A session, in the shape of `/v1/session/info/:id`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Session {
    /// UUID, made by the agent that was asked for the session.
    #[serde(rename = "ID")]
    pub id: SessionId,
    /// Name for people.
    pub name: String,
    /// Node whose health the session depends on.
    pub node: NodeName,
    /// Nanoseconds for which a key cannot be locked again after the session was invalidated; none when not positive.
    pub lock_delay: i64,
    /// What happens to its keys.
    pub behavior: SessionBehavior,
    /// Go duration text, empty for none.
    #[serde(rename = "TTL")]
    pub ttl: String,
    /// Checks of the node that must not be critical.
    pub node_checks: Option<Vec<CheckId>>,
    /// Checks of services on the node that must not be critical.
    pub service_checks: Option<Vec<ServiceCheck>>,
    /// Checks in the form of before 1.7.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckId>,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

impl Session {
    /// Every check that the session depends on, in the order in which they are verified; may name one twice.
    pub fn bound_checks(&self) -> impl Iterator<Item = &CheckId> {
        let of_services = self.service_checks.iter().flatten().map(|check| &check.id);
        self.checks.iter().chain(self.node_checks.iter().flatten()).chain(of_services)
    }
}

/// For how long a key cannot be locked, because the session that held it was invalidated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LockDelay {
    /// The key.
    pub key: Key,
    /// Raft index of the invalidation.
    pub index: u64,
    /// Nanoseconds, from the invalidation on.
    pub nanos: u64,
}

/// A key that a session holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeldLock {
    /// The holder.
    pub session: SessionId,
    /// The key.
    pub key: Key,
    /// Raft index at which the lock was taken. It rises with every taking of a lock, so that it serves as a fencing
    /// token: whoever has seen one need not obey a holder with a lower one.
    pub token: u64,
}
