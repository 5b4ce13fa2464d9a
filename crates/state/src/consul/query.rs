//! Prepared queries and their templates.

use std::io;
use std::sync::Arc;

use model::PreparedQuery;

use super::value::Value;
use crate::tables::Draft;

pub(super) fn query(draft: &mut Draft, record: &Value) -> io::Result<()> {
    draft.place_prepared_query(Arc::new(record.parse::<PreparedQuery>()?));
    Ok(())
}
