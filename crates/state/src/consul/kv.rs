//! Keys, tombstones and the indexes of tables.

use model::{Blob, HeldLock, Key, KvEntry};

use super::value::Value;
use crate::key::key;
use crate::tables::{Draft, service_key};

pub(super) fn entry(draft: &mut Draft, record: &Value) {
    let entry = KvEntry {
        lock_index: record.get("LockIndex").number(),
        key: Key::new(record.get("Key").bytes()),
        flags: record.get("Flags").number(),
        value: Blob::new(record.get("Value").bytes().to_vec()),
        session: record.get("Session").text().into(),
        create_index: record.get("CreateIndex").number(),
        modify_index: record.get("ModifyIndex").number(),
        // Consul keeps no times.
        ..KvEntry::default()
    };
    if !entry.session.is_empty() {
        // Consul does not tell when the lock was taken; what it tells is not before.
        let (session, token) = (entry.session.clone(), entry.modify_index);
        draft.hold(HeldLock { key: entry.key.clone(), session, token });
    }
    draft.place_entry(entry);
}

pub(super) fn tombstone(draft: &mut Draft, record: &Value) {
    let (key, index) = (record.get("Key").bytes(), record.get("ModifyIndex").number());
    draft.tables.tombstones.insert(key, index, &mut draft.changes);
}

/// Consul names the index of a service `service.NAME`; all others have the same names here.
pub(super) fn index(draft: &mut Draft, record: &Value) {
    let (name, index) = (record.get("Key").text(), record.get("Value").number());
    let key = name.strip_prefix("service.").map_or_else(|| key([&name]), service_key);
    draft.tables.indexes.insert(&key, index, &mut draft.changes);
}
