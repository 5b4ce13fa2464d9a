//! Intentions and config entries. Times and fingerprints of intentions are bytes; the API shows them as text.

use std::io;
use std::sync::Arc;

use model::{Intention, Json, encode_base64};

use super::value::{Reader, Value, invalid};
use super::{EntryReader, Fate};
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

/// A config entry. The record is bytes that hold two values: the kind, and a map whose `Entry` is a map, or for some
/// kinds bytes that hold one.
pub(super) fn config_entry(draft: &mut Draft, record: &Value, read_entry: EntryReader) -> io::Result<Fate> {
    let mut reader = Reader::new(record.bytes());
    let _kind = reader.value()?;
    let request = reader.value()?;
    let fields = match request.get("Entry") {
        Value::Bytes(bytes) => Reader::new(&**bytes).value()?,
        fields => fields.clone(),
    };
    let Json::Object(mut json) = fields.json() else { return Err(invalid("a config entry is no map")) };
    json.retain(|_, value| !value.is_null());
    let mut entry = read_entry(&json.into()).map_err(invalid)?;
    entry.create_index = fields.get("CreateIndex").number();
    entry.modify_index = fields.get("ModifyIndex").number();
    draft.place_config_entry(Arc::new(entry));
    Ok(Fate::Taken)
}
