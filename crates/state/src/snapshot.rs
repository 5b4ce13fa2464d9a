//! Snapshots: the whole state as a stream of bytes.
//!
//! Layout: magic, format `u8`, last index `u64`; then records `[type u8][length u32][MessagePack]`; a last record of type
//! 0 with the number of records; the CRC-32 of everything before it. Integers are little-endian. Record types are only
//! ever added; one with the high bit set may be passed over by a reader that does not know it.
//!
//! Derived tables are not written: they are built again while reading.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use model::{
    HealthCheck, HeldLock, Key, KvEntry, LockDelay, Node, NodeCoordinate, NodeName, NodeService, PreparedQuery, Session,
};
use serde::{Deserialize, Serialize};

use crate::command::decode;
use crate::consul::{self, EntryReader};
use crate::limits::SNAPSHOT_RECORD_BYTES_MAX;
use crate::restore::{Restored, Staged};
use crate::tables::{AclTables, Draft, HistoryState, KeyHistory, Tables};

const MAGIC: &[u8; 8] = b"concord\0";
const FORMAT: u8 = 1;
const IGNORABLE: u8 = 0x80;

const END: u8 = 0;
const NODE: u8 = 1;
const SERVICE: u8 = 2;
const CHECK: u8 = 3;
const KV: u8 = 4;
const TOMBSTONE: u8 = 5;
const INDEX: u8 = 6;
const SESSION: u8 = 10;
const HELD_LOCK: u8 = 11;
const LOCK_DELAY: u8 = 12;
const AUTOPILOT: u8 = 56;
const KV_HISTORY: u8 = 60;
const KEY_HISTORY: u8 = 61;
const RESTORED: u8 = 63;
const STAGED: u8 = 64;
// As the commands that put them.
const ACL_TOKEN: u8 = 36;
const ACL_POLICY: u8 = 38;
const ACL_ROLE: u8 = 40;
const ACL_BINDING_RULE: u8 = 42;
const ACL_AUTH_METHOD: u8 = 44;
const ACL_SERVER_SECRET: u8 = 47;
const CONFIG_ENTRY: u8 = 26;
const INTENTION: u8 = 30;
const MESH_CA: u8 = 32;
const COORDINATE: u8 = 20;
const PREPARED_QUERY: u8 = 22;

/// The state at one index; O(1) to take, shares everything with the store.
#[derive(Clone)]
pub struct Snapshot {
    tables: Tables,
}

/// Why a snapshot cannot be restored. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The input failed or ended too early.
    #[error("the snapshot cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Something else, or cut off at the front.
    #[error("the input is not a snapshot of this program")]
    NotASnapshot,
    /// Written by a later version.
    #[error("unknown snapshot format {0}: upgrade this server")]
    UnknownFormat(u8),
    /// Written by a later version.
    #[error("unknown record type {0} in the snapshot: upgrade this server")]
    UnknownRecord(u8),
    /// A length that cannot be.
    #[error(
        "record {number} of the snapshot claims {length} bytes, more than the limit of {SNAPSHOT_RECORD_BYTES_MAX}"
    )]
    TooLong {
        /// Which record, counted from 0.
        number: u64,
        /// What it claims.
        length: u32,
    },
    /// A record that is not what its type says.
    #[error("record {number} of the snapshot cannot be decoded: {source}")]
    Malformed {
        /// Which record, counted from 0.
        number: u64,
        /// What is wrong with it.
        source: rmp_serde::decode::Error,
    },
    /// A record of a Consul server that is not what its type says.
    #[error("record {number} of the snapshot of a Consul server, of type {kind}, cannot be read: {source}")]
    Foreign {
        /// Which record, counted from 0.
        number: u64,
        /// Its type.
        kind: u8,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Records that do not fit each other.
    #[error("the snapshot contradicts itself: {0}")]
    Inconsistent(String),
    /// Bytes changed on the way.
    #[error("the checksum of the snapshot does not match its content: fetch or write it again")]
    Checksum,
}

#[derive(Serialize)]
struct ServiceRef<'a> {
    node: &'a NodeName,
    service: &'a NodeService,
}

#[derive(Deserialize)]
struct ServiceRecord {
    node: NodeName,
    service: NodeService,
}

#[derive(Serialize, Deserialize)]
struct StampRecord {
    key: Key,
    index: u64,
}

#[derive(Serialize, Deserialize)]
struct StagedRecord {
    id: u64,
    bytes: Bytes,
}

/// What was found in a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Records by what they are.
    pub rows: BTreeMap<&'static str, InventoryRow>,
}

/// All records of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InventoryRow {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether there is no place for them here, so that a restore leaves them out.
    pub is_left_out: bool,
}

impl Inventory {
    pub(crate) fn note(&mut self, name: &'static str, bytes: u64, is_left_out: bool) {
        let row = self.rows.entry(name).or_default();
        row.count += 1;
        row.bytes += bytes;
        row.is_left_out |= is_left_out;
    }
}

impl Snapshot {
    pub(crate) fn new(tables: Tables) -> Self {
        Self { tables }
    }

    /// Without what belongs to one cluster only.
    pub(crate) fn for_archive(mut tables: Tables) -> Self {
        tables.restored = Restored::default();
        tables.staged = None;
        Self { tables }
    }

    /// Reads and verifies a snapshot, of this program or of a Consul 1.8 server, and tells what is in it. The config
    /// entries of the latter are read with `read_entry`.
    ///
    /// # Errors
    /// When it is neither, or damaged.
    pub fn read(mut input: impl Read, read_entry: EntryReader) -> Result<(Self, Inventory), SnapshotError> {
        let mut first = [0];
        input.read_exact(&mut first)?;
        let mut inventory = Inventory::default();
        let draft = if first[0] == MAGIC[0] {
            read_counting(first.chain(input), &mut inventory)?
        } else {
            consul::read(first.chain(input), &mut inventory, read_entry)?
        };
        Ok((Self::for_archive(draft.tables), inventory))
    }

    /// Its tables.
    #[cfg(test)]
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Its KV entries in key order.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<KvEntry>> {
        self.tables.kv.iter()
    }

    /// Index of the last command in it.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.tables.index
    }

    /// Writes it all; give it a buffered writer. Returns the number of bytes.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn write_to(&self, output: &mut impl Write) -> io::Result<u64> {
        let mut out = Output { output, crc: crc32fast::Hasher::new(), bytes: 0, records: 0, buffer: Vec::new() };
        out.write(MAGIC)?;
        out.write(&[FORMAT])?;
        out.write(&self.tables.index.to_le_bytes())?;
        for node in self.tables.nodes.iter() {
            out.record(NODE, node)?;
        }
        for instance in self.tables.services.iter() {
            out.record(SERVICE, &ServiceRef { node: &instance.node.node, service: &instance.service })?;
        }
        for check in self.tables.checks.iter() {
            out.record(CHECK, check)?;
        }
        for entry in self.tables.kv.iter() {
            out.record(KV, entry)?;
        }
        for (key, index) in self.tables.tombstones.pairs() {
            out.record(TOMBSTONE, &StampRecord { key: Key::new(key), index: *index })?;
        }
        if self.tables.history != HistoryState::default() {
            out.record(KV_HISTORY, &self.tables.history)?;
        }
        for history in self.tables.key_history.iter() {
            out.record(KEY_HISTORY, history)?;
        }
        for entry in self.tables.config_entries.iter() {
            out.record(CONFIG_ENTRY, entry)?;
        }
        for intention in self.tables.intentions.iter() {
            out.record(INTENTION, intention)?;
        }
        for ca in self.tables.mesh_ca.iter() {
            out.record(MESH_CA, ca)?;
        }
        for coordinate in self.tables.coordinates.iter() {
            out.record(COORDINATE, coordinate)?;
        }
        for query in self.tables.prepared_queries.iter() {
            out.record(PREPARED_QUERY, query)?;
        }
        for (key, index) in self.tables.indexes.pairs() {
            out.record(INDEX, &StampRecord { key: Key::new(key), index: *index })?;
        }
        for session in self.tables.sessions.iter() {
            out.record(SESSION, session)?;
        }
        for held in self.tables.held_locks.iter() {
            out.record(HELD_LOCK, held)?;
        }
        for delay in self.tables.lock_delays.iter() {
            out.record(LOCK_DELAY, delay)?;
        }
        if let Some(autopilot) = &self.tables.autopilot {
            out.record(AUTOPILOT, autopilot)?;
        }
        if self.tables.restored != Restored::default() {
            out.record(RESTORED, &self.tables.restored)?;
        }
        if let Some(staged) = &self.tables.staged {
            // The first record says that there is a restore, even when no chunk has come yet.
            for bytes in std::iter::once(&Bytes::new()).chain(&staged.chunks) {
                out.record(STAGED, &StagedRecord { id: staged.id, bytes: bytes.clone() })?;
            }
        }
        write_acl(&self.tables.acl, &mut out)?;
        let records = out.records;
        out.record(END, &records)?;
        let crc = out.crc.clone().finalize();
        out.write(&crc.to_le_bytes())?;
        Ok(out.bytes)
    }
}

fn write_acl<W: Write>(acl: &AclTables, out: &mut Output<'_, W>) -> io::Result<()> {
    for token in acl.tokens.iter() {
        out.record(ACL_TOKEN, token)?;
    }
    for policy in acl.policies.iter() {
        out.record(ACL_POLICY, policy)?;
    }
    for role in acl.roles.iter() {
        out.record(ACL_ROLE, role)?;
    }
    for method in acl.auth_methods.iter() {
        out.record(ACL_AUTH_METHOD, method)?;
    }
    for rule in acl.binding_rules.iter() {
        out.record(ACL_BINDING_RULE, rule)?;
    }
    acl.server_secret.as_ref().map_or(Ok(()), |secret| out.record(ACL_SERVER_SECRET, secret))
}

struct Output<'a, W> {
    output: &'a mut W,
    crc: crc32fast::Hasher,
    bytes: u64,
    records: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Output<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        self.output.write_all(bytes)
    }

    fn record(&mut self, kind: u8, body: &impl Serialize) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.extend_from_slice(&[kind, 0, 0, 0, 0]);
        rmp_serde::encode::write_named(&mut buffer, body).map_err(io::Error::other)?;
        let length = u32::try_from(buffer.len() - 5).map_err(io::Error::other)?;
        buffer[1..5].copy_from_slice(&length.to_le_bytes());
        self.write(&buffer)?;
        self.records += 1;
        self.buffer = buffer;
        Ok(())
    }
}

struct Input<R> {
    input: R,
    crc: crc32fast::Hasher,
}

impl<R: Read> Input<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    /// Reads as much as really comes, so a lying length costs nothing.
    fn bytes(&mut self, length: u32, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        let read = (&mut self.input).take(u64::from(length)).read_to_end(buffer)?;
        self.crc.update(buffer);
        if read == length as usize { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Reads and verifies a snapshot into tables of their own.
pub(crate) fn read(input: impl Read) -> Result<Draft, SnapshotError> {
    read_counting(input, &mut Inventory::default())
}

fn read_counting(input: impl Read, inventory: &mut Inventory) -> Result<Draft, SnapshotError> {
    let mut input = Input { input, crc: crc32fast::Hasher::new() };
    if input.array::<8>()? != *MAGIC {
        return Err(SnapshotError::NotASnapshot);
    }
    let [format] = input.array::<1>()?;
    if format != FORMAT {
        return Err(SnapshotError::UnknownFormat(format));
    }
    let mut draft = Draft::default();
    draft.tables.index = u64::from_le_bytes(input.array()?);
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        let [kind] = input.array::<1>()?;
        let length = u32::from_le_bytes(input.array()?);
        if length > SNAPSHOT_RECORD_BYTES_MAX {
            return Err(SnapshotError::TooLong { number, length });
        }
        input.bytes(length, &mut buffer)?;
        if kind == END {
            break;
        }
        read_record(&mut draft, kind, number, &buffer)?;
        let is_known = name(kind).is_some();
        inventory.note(name(kind).unwrap_or("Unknown"), u64::from(length) + 5, !is_known);
        number += 1;
    }
    let records: u64 = decode(&buffer).map_err(|source| SnapshotError::Malformed { number, source })?;
    if records != number {
        return Err(SnapshotError::Inconsistent(format!("it announces {records} records and has {number}")));
    }
    let crc = input.crc.clone().finalize();
    if u32::from_le_bytes(input.array()?) != crc {
        return Err(SnapshotError::Checksum);
    }
    draft.dig_graves();
    Ok(draft)
}

/// What a record holds, for people.
fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        NODE => "Node",
        SERVICE => "Service",
        CHECK => "Check",
        KV => "KVS",
        TOMBSTONE => "Tombstone",
        INDEX => "Index",
        AUTOPILOT => "Autopilot",
        KV_HISTORY => "Limits of the history of keys",
        KEY_HISTORY => "History of a key",
        RESTORED => "Restored",
        SESSION => "Session",
        HELD_LOCK => "Held lock",
        LOCK_DELAY => "Lock delay",
        STAGED => "Restore in progress",
        ACL_TOKEN => "ACL token",
        ACL_POLICY => "ACL policy",
        ACL_ROLE => "ACL role",
        ACL_BINDING_RULE => "ACL binding rule",
        ACL_AUTH_METHOD => "ACL auth method",
        ACL_SERVER_SECRET => "ACL server secret",
        CONFIG_ENTRY => "Config entry",
        INTENTION => "Intention",
        MESH_CA => "Mesh CA",
        COORDINATE => "Coordinate",
        PREPARED_QUERY => "Prepared query",
        _ => return None,
    })
}

fn read_record(draft: &mut Draft, kind: u8, number: u64, body: &[u8]) -> Result<(), SnapshotError> {
    let malformed = |source| SnapshotError::Malformed { number, source };
    match kind {
        NODE => draft.place_node(Arc::new(decode::<Node>(body).map_err(malformed)?)),
        SERVICE => {
            let ServiceRecord { node, service } = decode(body).map_err(malformed)?;
            if draft.tables.node(&node).is_none() {
                return Err(SnapshotError::Inconsistent(format!("service {} is on unknown node {node}", service.id)));
            }
            draft.place_service(&node, Arc::new(service));
        }
        CHECK => draft.place_check_joined(&Arc::new(decode::<HealthCheck>(body).map_err(malformed)?)),
        KV => draft.place_entry(decode::<KvEntry>(body).map_err(malformed)?),
        TOMBSTONE => {
            let record: StampRecord = decode(body).map_err(malformed)?;
            draft.tables.tombstones.insert(&record.key, record.index, &mut draft.changes);
        }
        INDEX => {
            let record: StampRecord = decode(body).map_err(malformed)?;
            draft.tables.indexes.insert(&record.key, record.index, &mut draft.changes);
        }
        SESSION => draft.place_session(&Arc::new(decode::<Session>(body).map_err(malformed)?)),
        HELD_LOCK => draft.hold(decode::<HeldLock>(body).map_err(malformed)?),
        LOCK_DELAY => draft.place_lock_delay(decode::<LockDelay>(body).map_err(malformed)?),
        AUTOPILOT => draft.tables.autopilot = Some(Arc::new(decode(body).map_err(malformed)?)),
        KV_HISTORY => draft.tables.history = decode(body).map_err(malformed)?,
        KEY_HISTORY => draft.place_history(decode::<KeyHistory>(body).map_err(malformed)?),
        RESTORED => draft.tables.restored = decode(body).map_err(malformed)?,
        STAGED => {
            let StagedRecord { id, bytes } = decode(body).map_err(malformed)?;
            let staged = draft.tables.staged.get_or_insert_with(|| Arc::new(Staged { id, chunks: Vec::new() }));
            if !bytes.is_empty() {
                Arc::make_mut(staged).chunks.push(bytes);
            }
        }
        ACL_TOKEN => draft.place_token(decode(body).map_err(malformed)?),
        ACL_POLICY => draft.place_policy(decode(body).map_err(malformed)?),
        ACL_ROLE => draft.place_role(decode(body).map_err(malformed)?),
        ACL_AUTH_METHOD => draft.place_auth_method(decode(body).map_err(malformed)?),
        ACL_BINDING_RULE => draft.place_binding_rule(decode(body).map_err(malformed)?),
        ACL_SERVER_SECRET => draft.tables.acl.server_secret = Some(decode(body).map_err(malformed)?),
        CONFIG_ENTRY => draft.place_config_entry(Arc::new(decode(body).map_err(malformed)?)),
        INTENTION => draft.place_intention(Arc::new(decode(body).map_err(malformed)?)),
        MESH_CA => draft.place_mesh_ca(Arc::new(decode(body).map_err(malformed)?)),
        COORDINATE => draft.place_coordinate(Arc::new(decode::<NodeCoordinate>(body).map_err(malformed)?)),
        PREPARED_QUERY => draft.place_prepared_query(Arc::new(decode::<PreparedQuery>(body).map_err(malformed)?)),
        _ if kind & IGNORABLE != 0 => {}
        _ => return Err(SnapshotError::UnknownRecord(kind)),
    }
    Ok(())
}
