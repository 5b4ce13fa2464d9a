//! Methods and their payloads: MessagePack maps, except for what `raft` encodes itself.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::request::{Action, ErrorKind, Request, RequestError, Response};

use super::limits;

/// Most that a blocking query may wait (Consul caps `?wait` at ten minutes), and what it waits by default.
const WAIT_MAX: Duration = Duration::from_secs(600);
const WAIT_DEFAULT: Duration = Duration::from_secs(300);

/// What can be called. Numbers are only ever added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `Request` to `Result<Response, RequestError>`.
    Request = 1,
    /// `Offer` to begin a cluster, to `Result<OfferAnswer, RequestError>`.
    Offer = 2,
    /// As `Request`, from another server to the one it holds for the leader, which must not send it on.
    Forwarded = 3,
    /// Raft: append entries.
    Append = 16,
    /// Raft: vote.
    Vote = 17,
    /// Raft: would you vote.
    PreVote = 18,
    /// Raft: take over leadership.
    TransferLeader = 19,
    /// Raft: one piece of a snapshot.
    SnapshotPiece = 20,
    /// `Pull` of a transfer to the next `Result<Piece, RequestError>` of it.
    Pull = 32,
    /// `Push` of a piece to `Result<(), RequestError>`.
    Push = 33,
}

impl Method {
    /// The method of a number, if there is one.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        use Method::{Append, Forwarded, Offer, PreVote, Pull, Push, Request, SnapshotPiece, TransferLeader, Vote};
        [Request, Offer, Forwarded, Append, Vote, PreVote, TransferLeader, SnapshotPiece, Pull, Push]
            .into_iter()
            .find(|method| *method as u8 == byte)
    }

    /// Whether only servers call it.
    #[must_use]
    pub fn is_for_servers(self) -> bool {
        match self {
            Self::Request | Self::Pull | Self::Push => false,
            Self::Offer
            | Self::Forwarded
            | Self::Append
            | Self::Vote
            | Self::PreVote
            | Self::TransferLeader
            | Self::SnapshotPiece => true,
        }
    }
}

/// Encodes a payload.
///
/// # Panics
/// Never for the types of this project: they hold no value that MessagePack cannot express.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Bytes {
    rmp_serde::to_vec_named(value).expect("our messages contain only what MessagePack can express").into()
}

/// Decodes a payload.
///
/// # Errors
/// When the bytes are not such a message.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(payload)
}

/// Reads the answer to [`Method::Request`]; an error gets the prefix of the hop.
///
/// # Errors
/// What the server answered, or that its answer cannot be read.
pub fn decode_answer(payload: &[u8]) -> Result<Response, RequestError> {
    match decode::<Result<Response, RequestError>>(payload) {
        Ok(answer) => answer.map_err(RequestError::over_rpc),
        Err(error) => {
            Err(RequestError::new(ErrorKind::Unknown, format!("cannot read the answer of the server: {error}"))
                .over_rpc())
        }
    }
}

/// How long the answer to a request may take: a blocking query may use all its wait, plus the jitter of a sixteenth.
#[must_use]
pub fn time_limit(request: &Request) -> Duration {
    match &request.action {
        Action::Read(options, _) if options.min_index > 0 => {
            let wait = match options.wait_ms {
                0 => WAIT_DEFAULT,
                wait => Duration::from_millis(wait).min(WAIT_MAX),
            };
            wait + wait / 16 + limits::BLOCKING_CALL_EXTRA
        }
        _ => limits::CALL_TIMEOUT,
    }
}

/// Whether a request only asks, so that it may be asked again when the answer was lost.
#[must_use]
pub fn is_read(request: &Request) -> bool {
    use server::request::Cluster;
    match &request.action {
        Action::Read(..) => true,
        Action::Write(_) => false,
        Action::Cluster(it) => !matches!(it, Cluster::RemovePeer { .. } | Cluster::TransferLeader { .. }),
    }
}
