//! Prepared queries: by id, by name, and templates by the prefix of the names that they answer.

use std::sync::Arc;

use model::PreparedQuery;

use super::{Draft, Tables};
use crate::key::key;
use crate::limits::TEMPLATE_NAME_BYTES_MAX;
use crate::source::Table;

/// Templates are found by the longest prefix of a name, so their keys have no end mark.
fn template_key(name: &str) -> Vec<u8> {
    name.to_lowercase().into_bytes()
}

impl Tables {
    /// The template with the longest name that the given one starts with, ignoring case.
    pub(crate) fn template_for(&self, name: &str) -> Option<&Arc<PreparedQuery>> {
        let name = template_key(name);
        (0..=name.len().min(TEMPLATE_NAME_BYTES_MAX)).rev().find_map(|length| self.query_templates.get(&name[..length]))
    }
}

impl Draft {
    /// Puts a query into its trees, in place of the one of the same id; indexes are left alone.
    pub(crate) fn place_prepared_query(&mut self, query: Arc<PreparedQuery>) {
        self.take_prepared_query(&query.id);
        let changes = &mut self.changes;
        if !query.name.is_empty() {
            self.tables.prepared_query_names.insert(&key([&query.name]), Arc::clone(&query), changes);
        }
        if !query.session.is_empty() {
            self.tables.session_queries.insert(&key([&query.session, &query.id]), Arc::clone(&query), changes);
        }
        if query.is_template() {
            self.tables.query_templates.insert(&template_key(&query.name), Arc::clone(&query), changes);
        }
        self.tables.prepared_queries.insert(&key([&query.id]), query, changes);
    }

    /// Removes a query. Unknown ones are fine.
    pub(crate) fn delete_prepared_query(&mut self, index: u64, id: &str) {
        if self.take_prepared_query(id) {
            self.bump(Table::PreparedQueries, index);
        }
    }

    /// Removes the queries that end with a session.
    pub(crate) fn delete_prepared_queries_of(&mut self, index: u64, session: &str) {
        let bound: Vec<String> =
            self.tables.session_queries.prefix(&key([session])).map(|query| query.id.clone()).collect();
        for id in bound {
            self.delete_prepared_query(index, &id);
        }
    }

    fn take_prepared_query(&mut self, id: &str) -> bool {
        let changes = &mut self.changes;
        let Some(query) = self.tables.prepared_queries.remove(&key([id]), changes) else { return false };
        if !query.name.is_empty() {
            self.tables.prepared_query_names.remove(&key([&query.name]), changes);
        }
        if !query.session.is_empty() {
            self.tables.session_queries.remove(&key([&query.session, id]), changes);
        }
        if query.is_template() {
            self.tables.query_templates.remove(&template_key(&query.name), changes);
        }
        true
    }
}
