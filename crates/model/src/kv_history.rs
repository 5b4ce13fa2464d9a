//! What entries were before: past versions of keys, and how many of them are kept.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{KvEntry, Timestamp};

/// How much of the past of keys is kept. The same on all servers: it is part of what they replicate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KvHistoryLimits {
    /// Most past versions of one key; 0 keeps none.
    pub versions: u32,
    /// Most bytes of all past versions together, 0 for none; the oldest go first.
    pub bytes: u64,
}

impl KvHistoryLimits {
    /// Whether anything is kept.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.versions > 0 && self.bytes > 0
    }
}

/// What a key was from one index on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KvVersion {
    /// Raft index from which on it was so.
    pub index: u64,
    /// Raft index of what came after it; of a deletion its own index, of an entry that is still there 0.
    pub until: u64,
    /// When it was made by the clock of the leader; 0 when nobody knows.
    pub time: Timestamp,
    /// The entry; `None` says that it was deleted.
    pub entry: Option<Arc<KvEntry>>,
}
