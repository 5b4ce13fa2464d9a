//! Entries as bytes, the same in the log file and on the network: a command is copied as it is, never encoded again.
//!
//! Entry: term u64, index u64, kind u8 (0 blank, 1 command, 2 membership), then the payload to the end. The envelope of
//! an append request is MessagePack; its entries follow, each behind its length. All numbers little-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::EntryPayload;
use openraft::raft::AppendEntriesRequest;
use serde::{Deserialize, Serialize};

use super::types::{Command, Entry, LogId, Membership, TypeConfig, Vote, log_id};
use crate::rpc::message;

/// Bytes of an entry before its payload.
pub const ENTRY_HEADER_BYTES: usize = 17;

/// Why bytes are not an entry or an append request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Fewer bytes than announced.
    #[error("the bytes end too early")]
    Short,
    /// A kind of entry that is not known.
    #[error("entry of the unknown kind {0}; it was written by a newer version")]
    Kind(u8),
    /// A part in MessagePack that cannot be read.
    #[error("unreadable message: {0}")]
    Message(String),
}

/// Appends the bytes of an entry.
pub fn put_entry(out: &mut impl BufMut, entry: &Entry) {
    out.put_u64_le(entry.log_id.leader_id.term);
    out.put_u64_le(entry.log_id.index);
    match &entry.payload {
        EntryPayload::Blank => out.put_u8(0),
        EntryPayload::Normal(Command(bytes)) => {
            out.put_u8(1);
            out.put_slice(bytes);
        }
        EntryPayload::Membership(membership) => {
            out.put_u8(2);
            out.put_slice(&message::encode(membership));
        }
    }
}

/// Bytes that an entry holds in memory, about.
#[must_use]
pub fn entry_size(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        EntryPayload::Blank => 0,
        EntryPayload::Normal(Command(bytes)) => bytes.len(),
        EntryPayload::Membership(_) => 512,
    };
    ENTRY_HEADER_BYTES + payload + 64
}

/// Reads an entry; a command shares the bytes.
///
/// # Errors
/// See [`CodecError`].
pub fn get_entry(mut bytes: Bytes) -> Result<Entry, CodecError> {
    if bytes.len() < ENTRY_HEADER_BYTES {
        return Err(CodecError::Short);
    }
    let (term, index, kind) = (bytes.get_u64_le(), bytes.get_u64_le(), bytes.get_u8());
    let payload = match kind {
        0 => EntryPayload::Blank,
        1 => EntryPayload::Normal(Command(bytes)),
        2 => {
            let membership: Membership =
                message::decode(&bytes).map_err(|error| CodecError::Message(error.to_string()))?;
            EntryPayload::Membership(membership)
        }
        kind => return Err(CodecError::Kind(kind)),
    };
    Ok(Entry { log_id: log_id(term, index), payload })
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    vote: Vote,
    prev_log_id: Option<LogId>,
    leader_commit: Option<LogId>,
}

/// The bytes of an append request.
#[must_use]
pub fn put_append(request: &AppendEntriesRequest<TypeConfig>) -> Bytes {
    let envelope = message::encode(&Envelope {
        vote: request.vote,
        prev_log_id: request.prev_log_id,
        leader_commit: request.leader_commit,
    });
    let size: usize = request.entries.iter().map(entry_size).sum();
    let mut out = BytesMut::with_capacity(8 + envelope.len() + size);
    out.put_u32_le(envelope.len() as u32);
    out.put_slice(&envelope);
    out.put_u32_le(request.entries.len() as u32);
    for entry in &request.entries {
        let at = out.len();
        out.put_u32_le(0);
        put_entry(&mut out, entry);
        let length = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&length.to_le_bytes());
    }
    out.freeze()
}

/// Reads an append request.
///
/// # Errors
/// See [`CodecError`].
pub fn get_append(mut bytes: Bytes) -> Result<AppendEntriesRequest<TypeConfig>, CodecError> {
    let envelope = take(&mut bytes)?;
    let envelope: Envelope = message::decode(&envelope).map_err(|error| CodecError::Message(error.to_string()))?;
    if bytes.len() < 4 {
        return Err(CodecError::Short);
    }
    let count = bytes.get_u32_le() as usize;
    // Each entry has at least a length and a header, so a lying count cannot reserve more than came.
    let mut entries = Vec::with_capacity(count.min(bytes.len() / (4 + ENTRY_HEADER_BYTES)));
    for _ in 0..count {
        entries.push(get_entry(take(&mut bytes)?)?);
    }
    let Envelope { vote, prev_log_id, leader_commit } = envelope;
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

/// Takes a part with its length in front.
fn take(bytes: &mut Bytes) -> Result<Bytes, CodecError> {
    if bytes.len() < 4 {
        return Err(CodecError::Short);
    }
    let length = bytes.get_u32_le() as usize;
    if bytes.len() < length {
        return Err(CodecError::Short);
    }
    Ok(bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::super::types::{Peer, PeerId};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn append_requests_round_trip() {
        let voters = std::collections::BTreeSet::from([PeerId::from(1)]);
        let nodes = std::collections::BTreeMap::from([(PeerId::from(1), Peer::default())]);
        let membership = Membership::new(vec![voters], nodes).unwrap();
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: Vote::new_committed(3, PeerId::from(1)),
            prev_log_id: Some(log_id(2, 9)),
            entries: vec![
                Entry { log_id: log_id(3, 10), payload: EntryPayload::Blank },
                Entry { log_id: log_id(3, 11), payload: EntryPayload::Normal(Command(Bytes::from_static(b"x"))) },
                Entry { log_id: log_id(3, 12), payload: EntryPayload::Membership(membership) },
            ],
            leader_commit: None,
        };
        let back = get_append(put_append(&request)).unwrap();
        assert_eq!(
            (back.vote, back.prev_log_id, back.entries, back.leader_commit),
            (request.vote, request.prev_log_id, request.entries, request.leader_commit)
        );
    }

    proptest! {
        #[test]
        fn garbage_is_an_error(bytes: Vec<u8>) {
            // Neither panics nor reserves for what was only announced.
            let _ = get_entry(bytes.clone().into());
            let _ = get_append(bytes.into());
        }
    }
}
