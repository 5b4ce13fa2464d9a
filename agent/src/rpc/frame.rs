//! The greeting and the frames on the wire, without any socket.
//!
//! Greeting of the caller: protocol byte, version, lane, 0, then the 16 bytes of the server id it wants (zeros: any).
//! Answer: protocol byte, [`Welcome`], 0, 0. Frame: length u32 of what follows, kind u8, method u8, call u64, payload;
//! all numbers little-endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

/// First byte of a connection of ours. Consul uses 0 to 8 and, for TLS, 0x16.
pub const PROTOCOL_BYTE: u8 = 0xC0;

/// Version of the frames and methods.
pub const VERSION: u8 = 1;

/// Bytes of the caller's greeting.
pub const GREETING_BYTES: usize = 20;

/// Bytes of the answer to it.
pub const WELCOME_BYTES: usize = 4;

/// Bytes between the length and the payload.
pub const HEADER_BYTES: usize = 10;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Requests of clients and of other servers.
    Requests,
    /// Raft entries.
    Entries,
    /// Raft heartbeats, votes and leadership transfers.
    Heartbeats,
    /// Raft snapshots.
    Snapshots,
}

impl Lane {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Requests, Self::Entries, Self::Heartbeats, Self::Snapshots].into_iter().find(|lane| *lane as u8 == byte)
    }
}

/// The caller's greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// What the connection is for.
    pub lane: Lane,
    /// The server that is meant; an address may meanwhile belong to another one. `None` is any server.
    pub server: Option<Uuid>,
}

/// How the called side answers a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// Go on.
    Yes,
    /// Another server than the one that was meant.
    WrongServer,
    /// The version is not known.
    WrongVersion,
    /// Too many connections.
    Full,
    /// What was asked for is for servers, and the caller did not prove to be one.
    NotAServer,
    /// Only TLS is taken.
    WantsTls,
}

impl Welcome {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Yes, Self::WrongServer, Self::WrongVersion, Self::Full, Self::NotAServer, Self::WantsTls]
            .into_iter()
            .find(|it| *it as u8 == byte)
    }

    /// The bytes of the answer.
    #[must_use]
    pub fn encode(self) -> [u8; WELCOME_BYTES] {
        [PROTOCOL_BYTE, self as u8, 0, 0]
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// When the bytes are not an answer of ours.
    pub fn decode(bytes: [u8; WELCOME_BYTES]) -> Result<Self, FrameError> {
        match bytes {
            [PROTOCOL_BYTE, code, ..] => Self::from_byte(code).ok_or(FrameError::Greeting),
            _ => Err(FrameError::Greeting),
        }
    }
}

impl Greeting {
    /// The bytes of the greeting.
    #[must_use]
    pub fn encode(self) -> [u8; GREETING_BYTES] {
        let mut bytes = [0; GREETING_BYTES];
        bytes[..4].copy_from_slice(&[PROTOCOL_BYTE, VERSION, self.lane as u8, 0]);
        bytes[4..].copy_from_slice(self.server.unwrap_or(Uuid::nil()).as_bytes());
        bytes
    }

    /// Reads what follows the protocol byte.
    ///
    /// # Errors
    /// When version or lane are unknown.
    pub fn decode_after_first(bytes: [u8; GREETING_BYTES - 1]) -> Result<Self, FrameError> {
        if bytes[0] != VERSION {
            return Err(FrameError::Version(bytes[0]));
        }
        let lane = Lane::from_byte(bytes[1]).ok_or(FrameError::Greeting)?;
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[3..]);
        let id = Uuid::from_bytes(id);
        Ok(Self { lane, server: (!id.is_nil()).then_some(id) })
    }
}

/// Why bytes from a peer are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not a greeting of ours.
    #[error("the peer did not greet as a Concord agent does")]
    Greeting,
    /// A version that is not known.
    #[error("the peer speaks version {0} of the protocol, this agent speaks {VERSION}")]
    Version(u8),
    /// A frame longer than allowed, or shorter than its header.
    #[error("the peer announced a frame of {0} bytes")]
    Length(usize),
    /// A kind of frame that is not known.
    #[error("the peer sent a frame of the unknown kind {0}")]
    Kind(u8),
}

/// Kinds of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call; the payload is the argument.
    Call,
    /// The answer to the call of the same number.
    Reply,
    /// The caller no longer waits for the answer.
    Cancel,
    /// The call was not begun: too many are in work.
    Refused,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Call, Self::Reply, Self::Cancel, Self::Refused].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Which method is called; repeated in the answer.
    pub method: u8,
    /// Number of the call, chosen by the caller, unique on the connection.
    pub call: u64,
    /// Argument or result.
    pub payload: Bytes,
}

impl Frame {
    /// Appends the bytes of the frame.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(4 + HEADER_BYTES + self.payload.len());
        out.put_u32_le((HEADER_BYTES + self.payload.len()) as u32);
        out.put_u8(self.kind as u8);
        out.put_u8(self.method);
        out.put_u64_le(self.call);
        out.put_slice(&self.payload);
    }

    /// Takes one frame from the front of `buffer`, or nothing while it is incomplete. The payload shares the buffer.
    ///
    /// # Errors
    /// When the length is above `max` or below the header's, or the kind is unknown. The connection is then useless.
    pub fn decode(buffer: &mut BytesMut, max: usize) -> Result<Option<Self>, FrameError> {
        let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length < HEADER_BYTES || length > max {
            return Err(FrameError::Length(length));
        }
        if buffer.len() < 4 + length {
            return Ok(None);
        }
        buffer.advance(4);
        let mut body = buffer.split_to(length).freeze();
        let kind = body.get_u8();
        let kind = Kind::from_byte(kind).ok_or(FrameError::Kind(kind))?;
        Ok(Some(Self { kind, method: body.get_u8(), call: body.get_u64_le(), payload: body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn greeting_round_trips() {
        for server in [None, Some(Uuid::from_u128(7))] {
            let greeting = Greeting { lane: Lane::Snapshots, server };
            let bytes = greeting.encode();
            assert_eq!(bytes[0], PROTOCOL_BYTE);
            let rest: [u8; GREETING_BYTES - 1] = bytes[1..].try_into().unwrap();
            assert_eq!(Greeting::decode_after_first(rest), Ok(greeting));
        }
        assert_eq!(Welcome::decode(Welcome::Full.encode()), Ok(Welcome::Full));
        assert_eq!(Welcome::decode(*b"HTTP"), Err(FrameError::Greeting));
    }

    #[test]
    fn lying_lengths_are_refused_before_memory_is_taken() {
        let mut buffer = BytesMut::from(&u32::MAX.to_le_bytes()[..]);
        assert_eq!(Frame::decode(&mut buffer, 1000), Err(FrameError::Length(u32::MAX as usize)));
        let mut buffer = BytesMut::from(&3u32.to_le_bytes()[..]);
        assert_eq!(Frame::decode(&mut buffer, 1000), Err(FrameError::Length(3)));
    }

    proptest! {
        #[test]
        fn frames_survive_any_cut(method: u8, call: u64, payload: Vec<u8>, cut in 0usize..64) {
            let frame = Frame { kind: Kind::Call, method, call, payload: payload.into() };
            let mut bytes = BytesMut::new();
            frame.encode(&mut bytes);
            frame.encode(&mut bytes);
            let cut = cut.min(bytes.len());
            let mut buffer = BytesMut::from(&bytes[..cut]);
            let mut found = Vec::new();
            while let Some(frame) = Frame::decode(&mut buffer, 1 << 20).unwrap() {
                found.push(frame);
            }
            buffer.extend_from_slice(&bytes[cut..]);
            while let Some(frame) = Frame::decode(&mut buffer, 1 << 20).unwrap() {
                found.push(frame);
            }
            prop_assert_eq!(found, vec![frame.clone(), frame]);
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = Frame::decode(&mut buffer, 1 << 10) {}
        }
    }
}
