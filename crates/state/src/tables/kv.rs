//! Keys and the tombstones of deleted ones.
//!
//! A tombstone keeps the index of a prefix from falling when something under it is deleted. It is reaped some minutes
//! later; then the index of the prefix may fall, which clients of blocking queries must handle anyway.
//!
//! Entries that expire are also found by their time. That they do so is decided by the leader: here no time passes.

use std::sync::Arc;
use std::time::Duration;

use model::{Key, KvChange, KvEntry, Timestamp};

use super::{Draft, FORGOTTEN, Tables};
use crate::key::Bytes;
use crate::source::Table;

/// In the order of time, then of keys.
fn expiry_key(entry: &KvEntry) -> Bytes {
    let mut bytes = Bytes::from_slice(&entry.expire_time.0.to_be_bytes());
    bytes.extend_from_slice(&entry.key);
    bytes
}

fn expires(entry: &KvEntry) -> bool {
    entry.expire_time != Timestamp::default()
}

impl Tables {
    pub(crate) fn key_index(&self, key: &Key) -> u64 {
        self.kv.get(key).map_or_else(|| self.table_index(Table::Kv), |entry| entry.modify_index)
    }

    /// Entries that expire at a time or before, the earliest first and at most so many.
    pub(crate) fn due(&self, until: Timestamp, max: usize) -> impl Iterator<Item = &Arc<KvEntry>> {
        self.expiries.iter().take_while(move |entry| entry.expire_time <= until).take(max)
    }

    pub(crate) fn prefix_index(&self, prefix: &Key) -> u64 {
        if prefix.is_empty() {
            return self.table_index(Table::Kv);
        }
        match (self.kv.max_stamp(prefix), self.tombstones.max_stamp(prefix)) {
            (0, 0) => self.table_index(Table::Kv),
            // What was here may have gone with a tree above: then that tombstone tells, or the index would fall.
            (0, buried) => buried.max(self.tombstones.max_stamp_above(prefix)),
            (live, buried) => live.max(buried),
        }
    }
}

impl Draft {
    /// Writes an entry. Writing what is there already changes nothing.
    pub(crate) fn put_key(&mut self, index: u64, change: KvChange) {
        let entry = self.written(index, change);
        self.put_entry(index, entry);
    }

    /// What a change makes of an entry, whose lock stays as it is.
    pub(crate) fn written(&self, index: u64, change: KvChange) -> KvEntry {
        let existing = self.tables.kv.get(&change.key);
        KvEntry {
            lock_index: existing.map_or(0, |entry| entry.lock_index),
            flags: change.flags,
            value: change.value,
            session: existing.map(|entry| entry.session.clone()).unwrap_or_default(),
            create_index: existing.map_or(index, |entry| entry.create_index),
            modify_index: index,
            key: change.key.clone(),
            create_time: existing.map_or(change.time, |entry| entry.create_time),
            modify_time: change.time,
            expire_time: match change.ttl {
                0 => Timestamp::default(),
                ttl => change.time.plus(Duration::from_nanos(ttl)),
            },
        }
    }

    /// Writes a complete entry, unless nothing but its `modify_index` and `modify_time` is new: then it is left as it is.
    pub(crate) fn put_entry(&mut self, index: u64, entry: KvEntry) {
        let KvEntry { modify_index, modify_time, .. } = entry;
        if let Some(existing) = self.tables.kv.get(&entry.key).cloned() {
            if (KvEntry { modify_index, modify_time, ..KvEntry::clone(&existing) }) == entry {
                return;
            }
            self.remember(index, &existing);
        }
        self.place_entry(entry);
        self.bump(Table::Kv, index);
    }

    /// Puts an entry into its trees; indexes are left alone.
    pub(crate) fn place_entry(&mut self, entry: KvEntry) {
        let entry = Arc::new(entry);
        if expires(&entry) {
            self.tables.expiries.insert(&expiry_key(&entry), Arc::clone(&entry), &mut self.changes);
        }
        let key = entry.key.clone();
        let replaced = self.tables.kv.insert(&key, Arc::clone(&entry), &mut self.changes);
        if let Some(replaced) = replaced.filter(|replaced| replaced.expire_time != entry.expire_time) {
            self.forget_expiry(&replaced);
        }
    }

    fn forget_expiry(&mut self, entry: &KvEntry) {
        if expires(entry) {
            self.tables.expiries.remove(&expiry_key(entry), &mut self.changes);
        }
    }

    /// Deletes the entries that expire at a time or before, the earliest first and at most so many.
    pub(crate) fn expire_keys(&mut self, index: u64, until: Timestamp, max: usize) {
        let due: Vec<Key> = self.tables.due(until, max).map(|entry| entry.key.clone()).collect();
        for key in &due {
            self.delete_key(index, key);
        }
    }

    pub(crate) fn delete_key(&mut self, index: u64, key: &Key) {
        if let Some(entry) = self.tables.kv.remove(key, &mut self.changes) {
            self.let_go(&entry);
            self.forget_expiry(&entry);
            self.remember_deletion(index, &entry);
            self.bury(index, key);
            self.bump(Table::Kv, index);
        }
    }

    /// Deletes everything under a prefix. One tombstone on the prefix stands for all.
    pub(crate) fn delete_keys(&mut self, index: u64, prefix: &Key) {
        let has_history = self.tables.history.limits.is_on();
        let is_noted = |entry: &&Arc<KvEntry>| has_history || !entry.session.is_empty() || expires(entry);
        let noted: Vec<Arc<KvEntry>> = self.tables.kv.prefix(prefix).filter(is_noted).cloned().collect();
        for entry in noted {
            self.let_go(&entry);
            self.forget_expiry(&entry);
            self.remember_deletion(index, &entry);
        }
        if self.tables.kv.remove_prefix(prefix, &mut self.changes) > 0 {
            if !prefix.is_empty() {
                self.bury(index, prefix);
            }
            self.bump(Table::Kv, index);
        }
    }

    pub(crate) fn bury(&mut self, index: u64, key: &Key) {
        self.tables.tombstones.insert(key, index, &mut self.changes);
        self.graveyard.push_back((index, key.clone()));
    }

    /// Puts the tombstones of the table, which was just read, into the order of their making.
    pub(crate) fn dig_graves(&mut self) {
        let mut graveyard: Vec<(u64, Key)> =
            self.tables.tombstones.pairs().map(|(key, index)| (*index, Key::new(key))).collect();
        graveyard.sort();
        self.graveyard = graveyard.into();
    }

    /// Forgets the tombstones made at an index or before.
    pub(crate) fn reap_tombstones(&mut self, up_to: u64) {
        let mut is_any = false;
        while let Some((index, key)) = self.graveyard.pop_front_if(|(index, _)| *index <= up_to) {
            // A later deletion of the same key has a grave of its own. Only the tables count for what is noted below: a
            // server that has started from a snapshot has no graves but those of its tombstones.
            if self.tables.tombstones.get(&key) == Some(&index) {
                self.tables.tombstones.remove(&key, &mut self.changes);
                is_any = true;
            }
        }
        let name = crate::key::key([FORGOTTEN]);
        let before = self.tables.indexes.get(&name).copied().unwrap_or(0);
        if is_any && before < up_to {
            self.tables.indexes.insert(&name, up_to, &mut self.changes);
        }
    }
}
