//! Key-value entries and their changes.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Blob, Key, SessionId, Timestamp};

/// One entry, in the shape of `/v1/kv/:key`. In JSON it is as Consul's, without times: [`TimedKvEntry`] shows them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
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
    pub session: SessionId,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
    /// When it was created by the clock of the leader, in whole milliseconds; 0 when nobody knows.
    pub create_time: Timestamp,
    /// When it was last written, likewise.
    pub modify_time: Timestamp,
    /// When the leader deletes it, likewise; 0 for never.
    pub expire_time: Timestamp,
}

impl Serialize for KvEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_json = serializer.is_human_readable();
        let times =
            [("CreateTime", self.create_time), ("ModifyTime", self.modify_time), ("ExpireTime", self.expire_time)];
        let times: Vec<_> = times.into_iter().filter(|(_, time)| !is_json && !is_never(time)).collect();
        let length = 6 + usize::from(!no_session(&self.session)) + times.len();
        let mut row = serializer.serialize_struct("KvEntry", length)?;
        row.serialize_field("LockIndex", &self.lock_index)?;
        row.serialize_field("Key", &self.key)?;
        row.serialize_field("Flags", &self.flags)?;
        row.serialize_field("Value", &self.value)?;
        if !no_session(&self.session) {
            row.serialize_field("Session", &self.session)?;
        }
        row.serialize_field("CreateIndex", &self.create_index)?;
        row.serialize_field("ModifyIndex", &self.modify_index)?;
        for (name, time) in times {
            row.serialize_field(name, &time)?;
        }
        row.end()
    }
}

/// An entry with its times, in the shape of `/v1/kv/:key?times`; unknown ones are left out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimedKvEntry<'a> {
    #[serde(flatten)]
    entry: &'a KvEntry,
    #[serde(skip_serializing_if = "is_never")]
    create_time: Timestamp,
    #[serde(skip_serializing_if = "is_never")]
    modify_time: Timestamp,
    #[serde(skip_serializing_if = "is_never")]
    expire_time: Timestamp,
}

impl<'a> From<&'a KvEntry> for TimedKvEntry<'a> {
    fn from(entry: &'a KvEntry) -> Self {
        let KvEntry { create_time, modify_time, expire_time, .. } = *entry;
        Self { entry, create_time, modify_time, expire_time }
    }
}

fn is_never(time: &Timestamp) -> bool {
    *time == Timestamp::default()
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
    /// For [`KvVerb::Set`] and [`KvVerb::Cas`]: the entry lives so long, nanoseconds; 0 for ever.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ttl: u64,
    /// Filled in by the leader: when the change is made, in whole milliseconds.
    #[serde(default, skip_serializing_if = "is_never")]
    pub time: Timestamp,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
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
    /// Filled in by the leader: when it is done, in whole milliseconds.
    #[serde(skip_serializing_if = "is_never")]
    pub time: Timestamp,
}
