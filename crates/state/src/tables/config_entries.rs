//! Config entries: one per kind and name, ignoring the case of the name.

use std::sync::Arc;

use model::{ConfigEntry, EntryKind};

use super::{Draft, Tables};
use crate::key::key;
use crate::source::Table;

impl Tables {
    pub(crate) fn config_entry(&self, kind: EntryKind, name: &str) -> Option<&Arc<ConfigEntry>> {
        self.config_entries.get(&key([kind.as_str(), name]))
    }
}

impl Draft {
    /// Writes an entry; false when a compare-and-set did not match. The same again is a change, as in Consul.
    pub(crate) fn put_config_entry(&mut self, index: u64, mut entry: ConfigEntry, cas: Option<u64>) -> bool {
        let existing = self.tables.config_entry(entry.kind, &entry.name);
        let current = existing.map_or(0, |existing| existing.modify_index);
        if cas.is_some_and(|cas| cas != current) {
            return false;
        }
        entry.create_index = existing.map_or(index, |existing| existing.create_index);
        entry.modify_index = index;
        self.place_config_entry(Arc::new(entry));
        self.bump(Table::ConfigEntries, index);
        true
    }

    /// Puts an entry into its tree; indexes are left alone.
    pub(crate) fn place_config_entry(&mut self, entry: Arc<ConfigEntry>) {
        let key = key([entry.kind.as_str(), &entry.name]);
        self.tables.config_entries.insert(&key, entry, &mut self.changes);
    }

    /// Removes an entry. Unknown ones are fine.
    pub(crate) fn delete_config_entry(&mut self, index: u64, kind: EntryKind, name: &str) {
        if self.tables.config_entries.remove(&key([kind.as_str(), name]), &mut self.changes).is_some() {
            self.bump(Table::ConfigEntries, index);
        }
    }
}
