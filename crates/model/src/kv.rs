//! Key-value entries and their changes.

use std::sync::Arc;

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

/// A change of one key, or of all keys under a prefix.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KvChange {
    /// What to do.
    pub verb: KvVerb,
    /// Key or prefix.
    pub key: Key,
    /// New value.
    #[serde(default)]
    pub value: Blob,
    /// New flags.
    #[serde(default)]
    pub flags: u64,
    /// For the compare-and-set verbs: the `ModifyIndex` that the entry must have, 0 for "must not exist" (set only).
    ///
    /// For [`KvVerb::Lock`], filled in by the leader: lock-delays that began at this index or before are over.
    #[serde(default)]
    pub index: u64,
    /// For [`KvVerb::Lock`] and [`KvVerb::Unlock`]: the session that takes or gives up the lock.
    #[serde(default, skip_serializing_if = "no_session")]
    pub session: SessionId,
}

/// What can be done to keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KvVerb {
    /// Write.
    #[default]
    Set,
    /// Write if `ModifyIndex` matches.
    Cas,
    /// Delete one key.
    Delete,
    /// Delete if `ModifyIndex` matches; true also when the key is absent.
    DeleteCas,
    /// Delete all keys with the prefix.
    DeleteTree,
    /// Write and take the lock, if no other session holds it.
    Lock,
    /// Write and give up the lock, if the session holds it.
    Unlock,
}

/// What happened to the keys under a prefix after an index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KvSince {
    /// Entries written since, in key order.
    pub entries: Vec<Arc<KvEntry>>,
    /// Keys deleted since, with the index; each stands for everything that began with it, if a tree was deleted.
    pub deleted: Vec<(Key, u64)>,
    /// Whether nothing is missing: false when deletions may have been forgotten, or when a tree that holds the prefix
    /// was deleted.
    pub is_complete: bool,
    /// Everything up to this index is in here.
    pub index: u64,
}

/// Everything under one prefix, written under another as well, all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KvCopy {
    /// Prefix to copy from.
    pub from: Key,
    /// What takes the place of that prefix.
    pub to: Key,
    /// Delete the originals: a move.
    pub is_move: bool,
}
