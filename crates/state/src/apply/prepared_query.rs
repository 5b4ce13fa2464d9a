//! Creation and change of prepared queries. What the query asks was checked before the log; here only what depends on
//! others: names that are taken.

use std::sync::Arc;

use model::PreparedQuery;

use crate::key::key;
use crate::source::Table;
use crate::tables::Draft;

/// Writes a query.
///
/// The error is the text for the client; nothing is changed then.
pub(crate) fn apply_query(draft: &mut Draft, index: u64, mut query: PreparedQuery) -> Result<bool, String> {
    if query.id.is_empty() {
        return Err("missing prepared query ID".to_owned());
    }
    let tables = &draft.tables;
    let is_other = |holder: &Arc<PreparedQuery>| holder.id != query.id;
    if !query.name.is_empty() {
        if tables.prepared_query_names.get(&key([&query.name])).is_some_and(is_other) {
            return Err(format!("name '{}' aliases an existing query name", query.name));
        }
    } else if query.is_template() && tables.query_templates.get(b"").is_some_and(is_other) {
        return Err("a query template with an empty name already exists".to_owned());
    }
    if tables.prepared_queries.get(&key([&query.name])).is_some() {
        return Err(format!("name '{}' aliases an existing query ID", query.name));
    }
    if !query.session.is_empty() && tables.session(&query.session).is_none() {
        return Err(format!("invalid session {:?}", query.session.as_str()));
    }
    let existing = tables.prepared_queries.get(&key([&query.id]));
    query.create_index = existing.map_or(index, |existing| existing.create_index);
    query.modify_index = index;
    draft.place_prepared_query(Arc::new(query));
    draft.bump(Table::PreparedQueries, index);
    Ok(true)
}
