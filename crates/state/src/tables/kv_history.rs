//! Past versions of keys: kept when an entry is replaced or deleted, within limits that are part of the state.
//!
//! The versions of a key are in the order of their indexes, without a gap: what is dropped is dropped from the front. An
//! entry that is there now is not among them. When the bytes of all together are too many, those whose time ended first
//! go, and a floor rises: below it nothing is known of keys that have no version that old.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{Key, KvEntry, KvHistoryLimits, KvVersion, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Draft, Tables};
use crate::limits::HISTORY_VERSION_BYTES;
use crate::radix::Stamp;

/// The limits, and from when on the past is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct HistoryState {
    pub(crate) limits: KvHistoryLimits,
    /// From this index on everything is known, but for keys that say otherwise.
    pub(crate) floor: u64,
}

/// The past of one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyHistory {
    pub(crate) key: Key,
    /// From this index on everything is known of this key.
    pub(crate) floor: u64,
    /// Oldest first.
    pub(crate) versions: Vec<KvVersion>,
}

impl Stamp for Arc<KeyHistory> {
    /// Its changes are those of the key, whose entry has an index.
    fn stamp(&self) -> u64 {
        0
    }
}

/// What only the writer needs: the end of each version, to find the oldest, and the bytes of all.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Until when and of which key; one element may stand for two versions of a key.
    ends: BTreeSet<(u64, Key)>,
    bytes: u64,
}

/// What a key was at an index.
pub(crate) enum Past<'a> {
    Entry(&'a Arc<KvEntry>),
    Absent,
    /// Nobody knows any more what was before this index.
    UnknownBefore(u64),
}

fn bytes_of(key: &Key, version: &KvVersion) -> u64 {
    let value = version.entry.as_ref().map_or(0, |entry| entry.value.0.len());
    (HISTORY_VERSION_BYTES + key.len() + value) as u64
}

impl Tables {
    pub(crate) fn key_at(&self, key: &Key, index: u64) -> Past<'_> {
        let past = self.key_history.get(key);
        self.past_of(self.kv.get(key), past, index)
    }

    fn past_of<'a>(&'a self, now: Option<&'a Arc<KvEntry>>, past: Option<&'a Arc<KeyHistory>>, index: u64) -> Past<'a> {
        if let Some(entry) = now.filter(|entry| entry.modify_index <= index) {
            return Past::Entry(entry);
        }
        if let Some(version) = past.and_then(|past| past.versions.iter().rfind(|version| version.index <= index)) {
            return version.entry.as_ref().map_or(Past::Absent, Past::Entry);
        }
        let floor = past.map_or(0, |past| past.floor).max(self.history.floor);
        if index < floor { Past::UnknownBefore(floor) } else { Past::Absent }
    }

    /// Entries under a prefix as they were at an index, in key order; else the index from which on that is known.
    pub(crate) fn keys_at(&self, prefix: &Key, index: u64) -> Result<Vec<Arc<KvEntry>>, u64> {
        if index < self.history.floor {
            return Err(self.history.floor);
        }
        let mut found = Vec::new();
        let mut now = self.kv.prefix(prefix).peekable();
        let mut past = self.key_history.prefix(prefix).peekable();
        loop {
            let next = match (now.peek(), past.peek()) {
                (None, None) => return Ok(found),
                (Some(entry), Some(history)) => (&entry.key).min(&history.key),
                (Some(entry), None) => &entry.key,
                (None, Some(history)) => &history.key,
            };
            let key = next.clone();
            let entry = now.next_if(|entry| entry.key == key);
            match self.past_of(entry, past.next_if(|history| history.key == key), index) {
                Past::Entry(entry) => found.push(Arc::clone(entry)),
                Past::Absent => {}
                Past::UnknownBefore(floor) => return Err(floor),
            }
        }
    }
}

impl Draft {
    /// Keeps an entry that is about to be replaced. What is gone within the command that made it was seen by nobody.
    pub(crate) fn remember(&mut self, index: u64, entry: &Arc<KvEntry>) {
        if self.tables.history.limits.is_on() && entry.modify_index < index {
            let (time, from) = (entry.modify_time, entry.modify_index);
            let version = KvVersion { index: from, until: index, time, entry: Some(Arc::clone(entry)) };
            self.keep(index, &entry.key, version);
        }
    }

    /// Keeps an entry that is about to be deleted, and that it was.
    pub(crate) fn remember_deletion(&mut self, index: u64, entry: &Arc<KvEntry>) {
        if self.tables.history.limits.is_on() {
            self.remember(index, entry);
            self.keep(index, &entry.key, KvVersion { index, until: index, time: self.time, entry: None });
        }
    }

    fn keep(&mut self, index: u64, key: &Key, version: KvVersion) {
        let mut history = self.tables.key_history.get(key).map_or_else(
            || KeyHistory { key: key.clone(), ..KeyHistory::default() },
            |history| KeyHistory::clone(history),
        );
        self.ledger.bytes += bytes_of(key, &version);
        self.ledger.ends.insert((index, key.clone()));
        history.versions.push(version);
        self.trim(&mut history);
        self.tables.key_history.insert(key, Arc::new(history), &mut self.changes);
        self.trim_all();
    }

    /// Drops what one key has too many.
    fn trim(&mut self, history: &mut KeyHistory) {
        let max = usize::try_from(self.tables.history.limits.versions).unwrap_or(usize::MAX);
        let surplus = history.versions.len().saturating_sub(max);
        if surplus > 0 {
            history.floor = history.versions[surplus - 1].until;
            self.drop_versions(history, surplus);
        }
    }

    /// Drops the oldest while all together are too many.
    fn trim_all(&mut self) {
        while self.ledger.bytes > self.tables.history.limits.bytes {
            let Some((until, key)) = self.ledger.ends.pop_first() else { return };
            self.tables.history.floor = self.tables.history.floor.max(until);
            let Some(mut history) = self.tables.key_history.get(&key).map(|history| KeyHistory::clone(history)) else {
                continue;
            };
            let count = history.versions.iter().take_while(|version| version.until <= until).count();
            self.drop_versions(&mut history, count);
            if history.versions.is_empty() {
                self.tables.key_history.remove(&key, &mut self.changes);
            } else {
                self.tables.key_history.insert(&key, Arc::new(history), &mut self.changes);
            }
        }
    }

    fn drop_versions(&mut self, history: &mut KeyHistory, count: usize) {
        for version in history.versions.drain(..count) {
            self.ledger.bytes = self.ledger.bytes.saturating_sub(bytes_of(&history.key, &version));
            self.ledger.ends.remove(&(version.until, history.key.clone()));
        }
        // Those that end with one that was dropped are found by the same element.
        if let Some(first) = history.versions.first() {
            self.ledger.ends.insert((first.until, history.key.clone()));
        }
    }

    /// Sets the limits; what is too many for them is forgotten at once.
    pub(crate) fn limit_history(&mut self, index: u64, limits: KvHistoryLimits) {
        let before = std::mem::replace(&mut self.tables.history.limits, limits);
        if !limits.is_on() {
            self.tables.key_history.remove_prefix(&[], &mut self.changes);
            self.ledger = Ledger::default();
            self.tables.history.floor = 0;
            return;
        }
        if !before.is_on() {
            self.tables.history.floor = index;
        }
        if limits.versions < before.versions {
            let all: Vec<Arc<KeyHistory>> = self.tables.key_history.iter().cloned().collect();
            for history in all {
                let mut history = KeyHistory::clone(&history);
                self.trim(&mut history);
                let key = history.key.clone();
                self.tables.key_history.insert(&key, Arc::new(history), &mut self.changes);
            }
        }
        self.trim_all();
    }

    /// Puts the past of a key into its tree, as it was read from a snapshot.
    pub(crate) fn place_history(&mut self, history: KeyHistory) {
        for version in &history.versions {
            self.ledger.bytes += bytes_of(&history.key, version);
            self.ledger.ends.insert((version.until, history.key.clone()));
        }
        let key = history.key.clone();
        self.tables.key_history.insert(&key, Arc::new(history), &mut self.changes);
    }

    /// Notes when the change is made that is being applied.
    pub(crate) fn set_time(&mut self, time: Timestamp) {
        self.time = time;
    }
}
