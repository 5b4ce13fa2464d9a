//! Keys and the tombstones of deleted ones.
//!
//! A tombstone keeps the index of a prefix from falling when something under it is deleted. It is reaped some minutes
//! later; then the index of the prefix may fall, which clients of blocking queries must handle anyway.

use std::sync::Arc;

use model::{Key, KvChange, KvEntry};

use super::{Draft, FORGOTTEN, Tables};
use crate::source::Table;

impl Tables {
    pub(crate) fn key_index(&self, key: &Key) -> u64 {
        self.kv.get(key).map_or_else(|| self.table_index(Table::Kv), |entry| entry.modify_index)
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
        let existing = self.tables.kv.get(&change.key);
        let entry = KvEntry {
            lock_index: existing.map_or(0, |entry| entry.lock_index),
            flags: change.flags,
            value: change.value,
            session: existing.map(|entry| entry.session.clone()).unwrap_or_default(),
            create_index: existing.map_or(index, |entry| entry.create_index),
            modify_index: index,
            key: change.key.clone(),
        };
        self.put_entry(index, entry);
    }

    /// Writes a complete entry, but for its `modify_index` when nothing else is new: then it is left as it is.
    pub(crate) fn put_entry(&mut self, index: u64, entry: KvEntry) {
        if let Some(existing) = self.tables.kv.get(&entry.key)
            && (KvEntry { modify_index: entry.modify_index, ..KvEntry::clone(existing) }) == entry
        {
            return;
        }
        let key = entry.key.clone();
        self.tables.kv.insert(&key, Arc::new(entry), &mut self.changes);
        self.bump(Table::Kv, index);
    }

    pub(crate) fn delete_key(&mut self, index: u64, key: &Key) {
        if let Some(entry) = self.tables.kv.remove(key, &mut self.changes) {
            self.let_go(&entry);
            self.bury(index, key);
            self.bump(Table::Kv, index);
        }
    }

    /// Deletes everything under a prefix. One tombstone on the prefix stands for all.
    pub(crate) fn delete_keys(&mut self, index: u64, prefix: &Key) {
        let locked: Vec<Arc<KvEntry>> =
            self.tables.kv.prefix(prefix).filter(|entry| !entry.session.is_empty()).cloned().collect();
        locked.iter().for_each(|entry| self.let_go(entry));
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
        if self.graveyard.front().is_some_and(|(index, _)| *index <= up_to) {
            self.tables.indexes.insert(&crate::key::key([FORGOTTEN]), up_to, &mut self.changes);
        }
        while let Some((index, key)) = self.graveyard.pop_front_if(|(index, _)| *index <= up_to) {
            if self.tables.tombstones.get(&key) == Some(&index) {
                self.tables.tombstones.remove(&key, &mut self.changes);
            }
        }
    }
}
