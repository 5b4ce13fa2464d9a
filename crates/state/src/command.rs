//! Commands: what the log carries. `[version u8][type u8][MessagePack map]`.
//!
//! Types are numbered and only ever added. A type with the high bit set may be skipped by servers that do not know it;
//! any other unknown type, and an unknown version, is an error outcome that changes nothing. Fields may be added: absent
//! ones take their defaults and unknown ones are passed over.

use model::{
    AutopilotChange, ConfigEntry, Deregistration, EntryKind, Intention, KvChange, KvCopy, KvHistoryLimits, MeshCa,
    NodeCoordinate, PreparedQuery, Registration, Session, SessionId, Timestamp, TxnOp,
};
use serde::{Deserialize, Serialize};

use crate::acl_command::AclCommand;
use crate::limits::NESTING_MAX;
use crate::restore::{RestoreChange, RestoreStep};

/// Version of the envelope.
const VERSION: u8 = 1;
/// Types with this bit may be skipped.
const IGNORABLE: u8 = 0x80;

const REGISTER: u8 = 1;
const DEREGISTER: u8 = 2;
const KV_CHANGE: u8 = 3;
const REGISTER_ALL: u8 = 4;
const REAP_TOMBSTONES: u8 = 5;
const SESSION_CREATE: u8 = 10;
const SESSION_DESTROY: u8 = 11;
const REAP_LOCK_DELAYS: u8 = 12;
const TXN: u8 = 15;
const AUTOPILOT: u8 = 56;
const KV_COPY: u8 = 58;
const KV_EXPIRE: u8 = 59;
const KV_HISTORY: u8 = 60;
const RESTORE: u8 = 63;
const COORDINATES: u8 = 20;
const PREPARED_QUERY: u8 = 22;
const PREPARED_QUERY_DELETION: u8 = 23;

const PUT_CONFIG_ENTRY: u8 = 26;
const DELETE_CONFIG_ENTRY: u8 = 27;
const PUT_INTENTION: u8 = 30;
const DELETE_INTENTION: u8 = 31;
const PUT_MESH_CA: u8 = 32;

/// A change of the replicated state.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one value per applied command; boxing would cost more than the copy")]
pub enum Command {
    /// Put a node, service and checks into the catalog, all or nothing.
    Register(Registration),
    /// Take something out of the catalog: the service, else the check, else the node.
    Deregister(Deregistration),
    /// Change keys.
    KvChange(KvChange),
    /// Several registrations in order, each all or nothing.
    RegisterAll(Vec<Registration>),
    /// Forget the tombstones of keys that were deleted at this index or before.
    ReapTombstones {
        /// Highest index to forget.
        index: u64,
    },
    /// Begin a session.
    SessionCreate(Session),
    /// End a session, because someone asked for it or because it has expired.
    SessionDestroy {
        /// Which one; an unknown one is fine.
        id: SessionId,
    },
    /// Forget the lock-delays that began at this index or before.
    ReapLockDelays {
        /// Highest index to forget.
        index: u64,
    },
    /// Copy or move the keys under a prefix.
    KvCopy(KvCopy),
    /// Delete keys whose time has come.
    KvExpire {
        /// Those that expire then or before.
        until: Timestamp,
        /// Most of them, the earliest first.
        max: u32,
    },
    /// Set how much of the past of keys is kept.
    KvHistory(KvHistoryLimits),
    /// Several operations in order, all or none.
    Txn(Vec<TxnOp>),
    /// Change the settings of autopilot.
    Autopilot(AutopilotChange),
    /// One step of replacing the whole state by that of a snapshot archive.
    Restore(RestoreChange),
    /// A change of the ACL system.
    Acl(AclCommand),
    /// Write a config entry.
    PutConfigEntry(PutConfigEntry),
    /// Remove a config entry.
    DeleteConfigEntry(DeleteConfigEntry),
    /// Write an intention in place of the one with its id.
    PutIntention(Intention),
    /// Remove an intention.
    DeleteIntention(DeleteIntention),
    /// Replace the mesh's certificate authority, unless it was changed since.
    PutMeshCa(PutMeshCa),
    /// New coordinates of nodes; those of unknown nodes are passed over.
    Coordinates(Vec<NodeCoordinate>),
    /// Create a prepared query, or replace the one of the same id.
    PreparedQuery(PreparedQuery),
    /// Delete a prepared query.
    PreparedQueryDeletion {
        /// Its id.
        id: String,
    },
}

/// Why bytes are not a command that this server can apply.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Fewer than two bytes.
    #[error("the command is cut off")]
    CutOff,
    /// A later version wrote it.
    #[error("unknown command version {0}: upgrade this server")]
    UnknownVersion(u8),
    /// A later version wrote it and it must not be skipped.
    #[error("unknown command type {0}: upgrade this server")]
    UnknownType(u8),
    /// A later version wrote it and it may be skipped.
    #[error("unknown command type {0}, which may be skipped")]
    Ignorable(u8),
    /// The map cannot be read.
    #[error("the command of type {kind} cannot be decoded: {source}")]
    Malformed {
        /// Its type.
        kind: u8,
        /// What is wrong with it.
        source: rmp_serde::decode::Error,
    },
}

/// Chunks of a restore are longer, and need not be looked into to know that they are applied at once.
const RESTORE_FINISH_BYTES_MAX: usize = 128;
/// Body of [`Command::PutConfigEntry`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutConfigEntry {
    /// The entry.
    pub entry: ConfigEntry,
    /// Write only if the `ModifyIndex` is this; 0 for "must not exist".
    #[serde(default)]
    pub cas: Option<u64>,
}

/// Body of [`Command::DeleteConfigEntry`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteConfigEntry {
    /// Its kind.
    pub kind: EntryKind,
    /// Its name.
    pub name: String,
}

/// Body of [`Command::DeleteIntention`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeleteIntention {
    /// Its id.
    pub id: String,
}

/// Body of [`Command::PutMeshCa`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PutMeshCa {
    /// The whole new state; its indexes are set when it is applied.
    pub ca: MeshCa,
    /// The `ModifyIndex` that the state before must have; 0 when there must be none.
    pub expected_index: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct RegisterAllBody {
    registrations: Vec<Registration>,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ReapTombstonesBody {
    index: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct SessionDestroyBody {
    id: SessionId,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct CoordinatesBody {
    coordinates: Vec<NodeCoordinate>,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ReapLockDelaysBody {
    index: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct KvExpireBody {
    until: Timestamp,
    max: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct TxnBody {
    operations: Vec<TxnOp>,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct PreparedQueryDeletionBody {
    id: String,
}

impl Command {
    /// The bytes for the log.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Register(body) => encode(REGISTER, body),
            Self::Deregister(body) => encode(DEREGISTER, body),
            Self::KvChange(body) => encode(KV_CHANGE, body),
            Self::RegisterAll(body) => encode(REGISTER_ALL, &RegisterAllRef { registrations: body }),
            Self::Acl(command) => command.encode(),
            Self::ReapTombstones { index } => encode(REAP_TOMBSTONES, &ReapTombstonesBody { index: *index }),
            Self::SessionCreate(body) => encode(SESSION_CREATE, body),
            Self::SessionDestroy { id } => encode(SESSION_DESTROY, &SessionDestroyBody { id: id.clone() }),
            Self::ReapLockDelays { index } => encode(REAP_LOCK_DELAYS, &ReapLockDelaysBody { index: *index }),
            Self::KvCopy(copy) => encode(KV_COPY, copy),
            Self::KvExpire { until, max } => encode(KV_EXPIRE, &KvExpireBody { until: *until, max: *max }),
            Self::KvHistory(limits) => encode(KV_HISTORY, limits),
            Self::Txn(operations) => encode(TXN, &TxnRef { operations }),
            Self::Autopilot(body) => encode(AUTOPILOT, body),
            Self::Restore(body) => encode(RESTORE, body),
            Self::PutConfigEntry(body) => encode(PUT_CONFIG_ENTRY, body),
            Self::DeleteConfigEntry(body) => encode(DELETE_CONFIG_ENTRY, body),
            Self::PutIntention(body) => encode(PUT_INTENTION, body),
            Self::DeleteIntention(body) => encode(DELETE_INTENTION, body),
            Self::PutMeshCa(body) => encode(PUT_MESH_CA, body),
            Self::Coordinates(body) => encode(COORDINATES, &CoordinatesRef { coordinates: body }),
            Self::PreparedQuery(body) => encode(PREPARED_QUERY, body),
            Self::PreparedQueryDeletion { id } => {
                encode(PREPARED_QUERY_DELETION, &PreparedQueryDeletionBody { id: id.clone() })
            }
        }
    }

    /// Whether applying the command may take seconds, so that it should not be done where others wait.
    #[must_use]
    pub fn takes_long(bytes: &[u8]) -> bool {
        let is_finish = |bytes| matches!(Self::decode(bytes), Ok(Self::Restore(it)) if it.step == RestoreStep::Finish);
        bytes.get(1) == Some(&RESTORE) && bytes.len() < RESTORE_FINISH_BYTES_MAX && is_finish(bytes)
    }

    /// What an encoded command changes, in Consul's word for it, for figures.
    #[must_use]
    pub fn noun(bytes: &[u8]) -> &'static str {
        match bytes.get(1).copied().unwrap_or_default() {
            REGISTER | REGISTER_ALL => "register",
            DEREGISTER => "deregister",
            KV_CHANGE | KV_COPY | KV_EXPIRE | KV_HISTORY => "kvs",
            REAP_TOMBSTONES => "tombstone",
            SESSION_CREATE | SESSION_DESTROY | REAP_LOCK_DELAYS => "session",
            TXN => "txn",
            COORDINATES => "coordinate.batch-update",
            PREPARED_QUERY | PREPARED_QUERY_DELETION => "prepared-query",
            PUT_CONFIG_ENTRY | DELETE_CONFIG_ENTRY => "config_entry",
            PUT_INTENTION | DELETE_INTENTION => "intention",
            PUT_MESH_CA => "ca",
            AUTOPILOT => "autopilot",
            RESTORE => "restore",
            kind if AclCommand::is_kind(kind) => "acl",
            _ => "other",
        }
    }

    /// Reads a command of the log.
    ///
    /// # Errors
    /// When the bytes are no command, or one of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let &[version, kind, ref body @ ..] = bytes else { return Err(CommandError::CutOff) };
        if version != VERSION {
            return Err(CommandError::UnknownVersion(version));
        }
        let command = match kind {
            REGISTER => decode(body).map(Self::Register),
            DEREGISTER => decode(body).map(Self::Deregister),
            KV_CHANGE => decode(body).map(Self::KvChange),
            REGISTER_ALL => decode(body).map(|body: RegisterAllBody| Self::RegisterAll(body.registrations)),
            REAP_TOMBSTONES => decode(body).map(|body: ReapTombstonesBody| Self::ReapTombstones { index: body.index }),
            SESSION_CREATE => decode(body).map(Self::SessionCreate),
            SESSION_DESTROY => decode(body).map(|body: SessionDestroyBody| Self::SessionDestroy { id: body.id }),
            REAP_LOCK_DELAYS => decode(body).map(|body: ReapLockDelaysBody| Self::ReapLockDelays { index: body.index }),
            KV_COPY => decode(body).map(Self::KvCopy),
            KV_EXPIRE => decode(body).map(|KvExpireBody { until, max }| Self::KvExpire { until, max }),
            KV_HISTORY => decode(body).map(Self::KvHistory),
            TXN => decode(body).map(|body: TxnBody| Self::Txn(body.operations)),
            AUTOPILOT => decode(body).map(Self::Autopilot),
            RESTORE => decode(body).map(Self::Restore),
            _ if AclCommand::is_kind(kind) => AclCommand::decode(kind, body).map(Self::Acl),
            PUT_CONFIG_ENTRY => decode(body).map(Self::PutConfigEntry),
            DELETE_CONFIG_ENTRY => decode(body).map(Self::DeleteConfigEntry),
            PUT_INTENTION => decode(body).map(Self::PutIntention),
            DELETE_INTENTION => decode(body).map(Self::DeleteIntention),
            PUT_MESH_CA => decode(body).map(Self::PutMeshCa),
            COORDINATES => decode(body).map(|body: CoordinatesBody| Self::Coordinates(body.coordinates)),
            PREPARED_QUERY => decode(body).map(Self::PreparedQuery),
            PREPARED_QUERY_DELETION => {
                decode(body).map(|body: PreparedQueryDeletionBody| Self::PreparedQueryDeletion { id: body.id })
            }
            _ if kind & IGNORABLE != 0 => return Err(CommandError::Ignorable(kind)),
            _ => return Err(CommandError::UnknownType(kind)),
        };
        command.map_err(|source| CommandError::Malformed { kind, source })
    }
}

#[derive(Serialize)]
struct RegisterAllRef<'a> {
    registrations: &'a [Registration],
}

#[derive(Serialize)]
struct TxnRef<'a> {
    operations: &'a [TxnOp],
}

#[derive(Serialize)]
struct CoordinatesRef<'a> {
    coordinates: &'a [NodeCoordinate],
}

pub(crate) fn encode(kind: u8, body: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION, kind];
    rmp_serde::encode::write_named(&mut bytes, body).expect("the model serializes into memory without failing");
    bytes
}

pub(crate) fn decode<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    deserializer.set_max_depth(NESTING_MAX);
    T::deserialize(&mut deserializer)
}
