//! Reads the state of a Consul 1.8 server from the `state.bin` of its snapshot archive: the way to move to Concord.
//!
//! Layout, found out by looking at archives of a filled server: a MessagePack map with `LastIndex`; then records, each a
//! byte for the type and a MessagePack value, up to the end. To bring one more table over, give its type a function
//! here. What has no place is counted and left out, never in silence.

mod acl;
mod authority;
mod catalog;
mod coordinate;
mod kv;
mod mesh;
mod query;
mod session;
mod value;

use std::io::Read;
use std::sync::Arc;

use model::{ConfigEntry, Json};

use self::authority::Authority;
use self::value::{Reader, Value};
use crate::snapshot::{Inventory, SnapshotError};
use crate::tables::Draft;

/// What becomes of a record.
enum Fate {
    Taken,
    LeftOut,
}

/// Brings the fields of a config entry, with durations in nanoseconds and every empty field, to the form that is kept.
/// Who reads a snapshot gives it, because the fields of entries are not for this crate to know.
pub type EntryReader = fn(&Json) -> Result<ConfigEntry, String>;

/// Reads everything into tables of their own.
pub(crate) fn read(
    input: impl Read,
    inventory: &mut Inventory,
    read_entry: EntryReader,
) -> Result<Draft, SnapshotError> {
    let mut reader = Reader::new(input);
    let header = reader.value().map_err(|_| SnapshotError::NotASnapshot)?;
    if !matches!(header.get("LastIndex"), Value::Uint(_)) {
        return Err(SnapshotError::NotASnapshot);
    }
    let mut draft = Draft::default();
    draft.tables.index = header.get("LastIndex").number();
    let mut authority = Authority::default();
    let mut number = 0;
    reader.restart();
    while let Some(kind) = reader.next_byte()? {
        let foreign = |source| SnapshotError::Foreign { number, kind, source };
        let record = reader.value().map_err(foreign)?;
        let fate = match kind {
            13..=15 => authority.take(kind, &record).map_err(foreign)?,
            22 => mesh::config_entry(&mut draft, &record, read_entry).map_err(foreign)?,
            _ => read_record(&mut draft, kind, &record).map_err(foreign)?,
        };
        inventory.note(name(kind), reader.count, matches!(fate, Fate::LeftOut));
        reader.restart();
        number += 1;
    }
    authority.place(&mut draft);
    draft.dig_graves();
    Ok(draft)
}

fn read_record(draft: &mut Draft, kind: u8, record: &Value) -> std::io::Result<Fate> {
    match kind {
        0 => catalog::register(draft, record)?,
        2 => kv::entry(draft, record),
        3 => session::session(draft, record)?,
        5 => kv::tombstone(draft, record),
        6 => coordinate::batch(draft, record)?,
        7 => query::query(draft, record)?,
        9 => draft.tables.autopilot = Some(Arc::new(record.parse()?)),
        12 => mesh::intention(draft, record)?,
        16 => kv::index(draft, record),
        17 => return acl::token(draft, record),
        19 => acl::policy(draft, record)?,
        23 => acl::role(draft, record)?,
        25 => acl::binding_rule(draft, record)?,
        27 => acl::auth_method(draft, record)?,
        // Writes of Consul's own log that had not come completely; it gives them up in the same way.
        29 => {}
        _ => return Ok(Fate::LeftOut),
    }
    Ok(Fate::Taken)
}

/// Consul's name of a type of record.
fn name(kind: u8) -> &'static str {
    match kind {
        0 => "Register",
        2 => "KVS",
        3 => "Session",
        4 => "ACL (legacy)",
        5 => "Tombstone",
        6 => "CoordinateBatchUpdate",
        7 => "PreparedQuery",
        9 => "Autopilot",
        11 => "ACLBootstrap",
        12 => "Intention",
        13 => "ConnectCA",
        14 => "ConnectCAProviderState",
        15 => "ConnectCAConfig",
        16 => "Index",
        17 => "ACLToken",
        19 => "ACLPolicy",
        22 => "ConfigEntry",
        23 => "ACLRole",
        25 => "ACLBindingRule",
        27 => "ACLAuthMethod",
        29 => "ChunkingState",
        30 => "FederationState",
        31 => "SystemMetadata",
        _ => "Unknown",
    }
}
