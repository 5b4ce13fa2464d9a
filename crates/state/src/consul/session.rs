//! Sessions. Their time to live begins anew with the restore.

use std::io;
use std::sync::Arc;

use model::Session;

use super::value::Value;
use crate::tables::Draft;

pub(super) fn session(draft: &mut Draft, record: &Value) -> io::Result<()> {
    draft.place_session(&Arc::new(record.parse::<Session>()?));
    Ok(())
}
