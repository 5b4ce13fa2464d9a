//! Records and segment headers as bytes. No files here.
//!
//! Header (32 bytes): magic 8, sequence u64, nonce u64, zeros 4, checksum u32 of what is before.
//! Record: length u32 of kind and body, checksum u32 of nonce, length, kind and body; kind u8; body. Little-endian.

use bytes::{Buf, Bytes};
use openraft::LogIdOptionExt;
use serde::{Deserialize, Serialize};

use crate::raft::codec;
use crate::raft::types::{Entry, LogId, Vote, log_id};
use crate::rpc::message;

const MAGIC: [u8; 8] = *b"CNRDWAL1";

/// Bytes of a segment header.
pub const HEADER_BYTES: usize = 32;

/// Bytes of a record before its body.
pub const PREFIX_BYTES: usize = 9;

/// Beginning of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Position of the segment in the log; also its file name.
    pub sequence: u64,
    /// Random number of this use of the file.
    pub nonce: u64,
}

impl Header {
    /// The bytes.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.nonce.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` when the bytes are none.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let whole = bytes.get(..HEADER_BYTES)?;
        bytes = whole;
        if bytes[..8] != MAGIC || crc32fast::hash(&whole[..28]).to_le_bytes() != whole[28..] {
            return None;
        }
        bytes.advance(8);
        Some(Self { sequence: bytes.get_u64_le(), nonce: bytes.get_u64_le() })
    }
}

/// What the log holds besides entries; repeated at the beginning of each segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marks {
    /// The last vote.
    pub vote: Option<Vote>,
    /// The last known committed position; it may lag behind.
    pub committed: Option<LogId>,
    /// The last purged entry.
    pub purged: Option<LogId>,
    /// Index of the entry that would come next.
    pub next: u64,
}

impl Marks {
    /// Index of the first entry that is not purged.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.purged.next_index()
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// An entry at the end of the log.
    Entry(Entry),
    /// All marks.
    Marks(Marks),
    /// Entries from this index on are gone.
    Truncate(u64),
    /// A later committed position.
    Committed(LogId),
    /// The segment ends here, complete.
    Seal,
}

const ENTRY: u8 = 1;
const MARKS: u8 = 2;
const TRUNCATE: u8 = 3;
const SEAL: u8 = 4;
const COMMITTED: u8 = 5;

fn checksum(nonce: u64, covered: [&[u8]; 2]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&nonce.to_le_bytes());
    for part in covered {
        hasher.update(part);
    }
    hasher.finalize()
}

/// Appends the bytes of a record.
pub fn put(out: &mut Vec<u8>, nonce: u64, record: &Record) {
    let at = out.len();
    out.extend_from_slice(&[0; 8]);
    match record {
        Record::Entry(entry) => put_body(out, ENTRY, |out| codec::put_entry(out, entry)),
        Record::Marks(marks) => put_body(out, MARKS, |out| out.extend_from_slice(&message::encode(marks))),
        Record::Truncate(index) => put_body(out, TRUNCATE, |out| out.extend_from_slice(&index.to_le_bytes())),
        Record::Seal => out.push(SEAL),
        Record::Committed(LogId { leader_id, index }) => put_body(out, COMMITTED, |out| {
            out.extend_from_slice(&leader_id.term.to_le_bytes());
            out.extend_from_slice(&index.to_le_bytes());
        }),
    }
    let length = ((out.len() - at - 8) as u32).to_le_bytes();
    let sum = checksum(nonce, [&length, &out[at + 8..]]).to_le_bytes();
    out[at..at + 4].copy_from_slice(&length);
    out[at + 4..at + 8].copy_from_slice(&sum);
}

fn put_body(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    body(out);
}

/// Why bytes are no record. `Torn` is what an interrupted write leaves, or bytes of an earlier use of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRecord {
    /// Incomplete, or the checksum does not fit.
    Torn,
    /// The checksum fits, and yet the content cannot be read.
    Unreadable(String),
}

/// Reads the record at the front of `bytes` and tells its length.
///
/// # Errors
/// See [`BadRecord`].
pub fn get(bytes: &Bytes, nonce: u64) -> Result<(Record, usize), BadRecord> {
    let Some(prefix) = bytes.get(..PREFIX_BYTES) else { return Err(BadRecord::Torn) };
    let length: [u8; 4] = [prefix[0], prefix[1], prefix[2], prefix[3]];
    let end = 8 + u32::from_le_bytes(length) as usize;
    if end < PREFIX_BYTES || end > bytes.len() {
        return Err(BadRecord::Torn);
    }
    if checksum(nonce, [&length, &bytes[8..end]]).to_le_bytes() != prefix[4..8] {
        return Err(BadRecord::Torn);
    }
    // Copied, so that an entry that stays in memory does not keep the whole segment there.
    let body = Bytes::copy_from_slice(&bytes[PREFIX_BYTES..end]);
    let unreadable = |cause: String| BadRecord::Unreadable(cause);
    let record = match prefix[8] {
        ENTRY => Record::Entry(codec::get_entry(body).map_err(|error| unreadable(error.to_string()))?),
        MARKS => Record::Marks(message::decode(&body).map_err(|error| unreadable(error.to_string()))?),
        TRUNCATE => match body.as_ref().try_into() {
            Ok(index) => Record::Truncate(u64::from_le_bytes(index)),
            Err(_) => return Err(unreadable("a truncation without its index".to_owned())),
        },
        SEAL => Record::Seal,
        COMMITTED if body.len() == 16 => {
            let mut body = body;
            Record::Committed(log_id(body.get_u64_le(), body.get_u64_le()))
        }
        kind => return Err(unreadable(format!("record of the unknown kind {kind}; a newer version wrote it"))),
    };
    Ok((record, end))
}
