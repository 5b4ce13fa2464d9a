//! Intentions. Their times and fingerprints are bytes; the API shows them as text.

use std::io;
use std::sync::Arc;

use model::{Intention, encode_base64};

use super::value::Value;
use crate::tables::Draft;

pub(super) fn intention(draft: &mut Draft, record: &Value) -> io::Result<()> {
    let mut intention: Intention = record.parse_with_bytes(&["CreatedAt", "UpdatedAt"])?;
    let time = |name| record.get(name).time().unwrap_or_default().to_rfc3339();
    intention.created_at = time("CreatedAt");
    intention.updated_at = time("UpdatedAt");
    intention.hash = encode_base64(record.get("Hash").bytes());
    draft.place_intention(Arc::new(intention));
    Ok(())
}
