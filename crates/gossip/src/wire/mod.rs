//! Bytes on the wire and the messages they mean, both ways. Nothing here knows a cluster: a
//! function of this module takes bytes and gives a message or an error, or the reverse.

pub mod msgpack;
pub mod packet;
pub mod serf;
pub mod stream;
pub mod swim;
pub mod tags;

/// Why bytes from a peer were refused. Nothing was changed by refused bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A value goes on after the last byte.
    #[error("message ends too early")]
    Truncated,
    /// A msgpack value of another type than its field has.
    #[error("expected {expected}, found msgpack byte 0x{found:02x}")]
    Type {
        /// What the field holds.
        expected: &'static str,
        /// The first byte of the value.
        found: u8,
    },
    /// A number that does not fit its field.
    #[error("number out of range")]
    Range,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// More than the limit of this crate.
    #[error("{what} is longer than {max}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The limit, in bytes or entries.
        max: usize,
    },
    /// A message type this crate does not know, or not in this place.
    #[error("unknown message type {0}")]
    UnknownMessage(u8),
    /// An address that is neither 4 nor 16 bytes.
    #[error("address has {0} bytes")]
    Address(usize),
    /// Six version bytes are missing, or are no valid range, or exclude ours.
    #[error("protocol versions are missing or not understood")]
    Version,
    /// A name that is empty where one is needed.
    #[error("name is empty")]
    EmptyName,
    /// Envelopes within envelopes beyond the limit.
    #[error("envelopes nested too deeply")]
    Depth,
    /// A compound message with an empty part.
    #[error("compound message with an empty part")]
    EmptyPart,
    /// A cluster label, and this pool has none.
    #[error("packet carries a cluster label, this pool has none")]
    Label,
    /// An encrypted message without a keyring.
    #[error("message is encrypted, this pool has no key")]
    Encrypted,
    /// A plain message in a pool that demands encryption.
    #[error("message is not encrypted, this pool demands it")]
    NotEncrypted,
    /// No key opens an encrypted message.
    #[error("no key of this pool's keyring decrypts the message")]
    Undecipherable,
    /// The checksum differs.
    #[error("checksum does not match")]
    Checksum,
    /// Compressed data that does not decompress.
    #[error("compressed data is damaged")]
    Compression,
}
