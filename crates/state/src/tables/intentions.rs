//! Intentions: one per id, and one per pair of ends.

use std::sync::Arc;

use model::Intention;

use super::Draft;
use crate::key::key;
use crate::source::Table;

impl Draft {
    /// Writes an intention in place of the one with its id.
    pub(crate) fn put_intention(&mut self, index: u64, mut intention: Intention) -> Result<bool, String> {
        let same_ends = |other: &&Arc<Intention>| other.id != intention.id && other.has_same_ends(&intention);
        if let Some(other) = self.tables.intentions.iter().find(same_ends) {
            return Err(format!("duplicate intention found: {}", other.summary()));
        }
        let existing = self.tables.intentions.get(&key([&intention.id]));
        intention.create_index = existing.map_or(index, |existing| existing.create_index);
        intention.modify_index = index;
        self.place_intention(Arc::new(intention));
        self.bump(Table::Intentions, index);
        Ok(true)
    }

    /// Puts an intention into its tree; indexes are left alone.
    pub(crate) fn place_intention(&mut self, intention: Arc<Intention>) {
        let key = key([&intention.id]);
        self.tables.intentions.insert(&key, intention, &mut self.changes);
    }

    /// Removes an intention that exists.
    pub(crate) fn delete_intention(&mut self, index: u64, id: &str) -> Result<bool, String> {
        match self.tables.intentions.remove(&key([id]), &mut self.changes) {
            Some(_) => {
                self.bump(Table::Intentions, index);
                Ok(true)
            }
            None => Err(format!("Cannot delete non-existent intention: '{id}'")),
        }
    }
}
