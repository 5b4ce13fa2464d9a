//! Key-value entries.

use serde::{Deserialize, Serialize};

use crate::{Blob, Key, SessionId};

/// One entry, in the shape of `/v1/kv/:key`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KvEntry {
    /// How often the key was locked.
    pub lock_index: u64,
    /// The key.
    pub key: Key,
    /// 64 bits that belong to the client.
    pub flags: u64,
    /// The value; `null` in JSON when empty.
    pub value: Blob,
    /// Session that holds the lock; left out when there is none.
    #[serde(skip_serializing_if = "no_session")]
    pub session: SessionId,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

fn no_session(session: &SessionId) -> bool {
    session.is_empty()
}
