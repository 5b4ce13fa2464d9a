//! Where packets and streams of an encrypted pool are sealed and opened, and what happens to those that are not as they
//! should be. Two switches let a running pool change over: first nobody checks and nobody encrypts, then all encrypt,
//! then all check.

use super::{GossipCore, Output};
use crate::keyring::{Keyring, SEAL_OVERHEAD};
use crate::limits::DATAGRAM_BYTES_MAX;
use crate::time::Time;
use crate::wire::WireError;
use crate::wire::stream::{Frame, SEAL_HEAD, seal_head};
use crate::wire::swim::Message;
use std::borrow::Cow;
use std::time::Duration;

/// Refused packets and streams are told in the log at most this often: who sends them decides how many there are.
const COMPLAINT_PAUSE: Duration = Duration::from_secs(10);

/// How a pool is encrypted.
#[derive(Debug)]
pub struct Encryption {
    /// The keys.
    pub keyring: Keyring,
    /// Refuse what is not encrypted.
    pub verify_incoming: bool,
    /// Encrypt what is sent.
    pub verify_outgoing: bool,
}

impl GossipCore {
    /// Bytes that a datagram has room for.
    pub(super) fn datagram_room(&self) -> usize {
        let seals = self.encryption.as_ref().is_some_and(|encryption| encryption.verify_outgoing);
        DATAGRAM_BYTES_MAX - if seals { SEAL_OVERHEAD } else { 0 }
    }

    /// The plain bytes of a datagram.
    pub(super) fn open_datagram<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, WireError> {
        let Some(encryption) = &self.encryption else { return Ok(Cow::Borrowed(bytes)) };
        match encryption.keyring.open(&[], bytes) {
            Ok(plain) => Ok(Cow::Owned(plain)),
            Err(_) if !encryption.verify_incoming => Ok(Cow::Borrowed(bytes)),
            Err(error) => Err(error),
        }
    }

    /// The plain frame of a stream.
    pub(super) fn open_frame(&self, frame: Frame) -> Result<Frame, WireError> {
        match (&self.encryption, frame) {
            (None, Frame::Sealed(_)) => Err(WireError::Encrypted),
            (Some(encryption), Frame::Sealed(bytes)) => {
                let (head, body) = bytes.split_at_checked(SEAL_HEAD).ok_or(WireError::Truncated)?;
                Frame::decode(&encryption.keyring.open(head, body)?)
            }
            (Some(encryption), _) if encryption.verify_incoming => Err(WireError::NotEncrypted),
            (_, plain) => Ok(plain),
        }
    }

    /// The bytes of a frame as they go on a stream.
    pub(super) fn seal_frame(&mut self, plain: Vec<u8>) -> Vec<u8> {
        match &mut self.encryption {
            Some(encryption) if encryption.verify_outgoing => {
                let mut bytes = seal_head(plain.len() + SEAL_OVERHEAD).to_vec();
                let sealed = encryption.keyring.seal(&bytes, &plain);
                bytes.extend_from_slice(&sealed);
                bytes
            }
            _ => plain,
        }
    }

    /// Queues one datagram, sealed if need be.
    pub(super) fn put_datagram(&mut self, to: std::net::SocketAddr, plain: Vec<u8>) {
        let bytes = match &mut self.encryption {
            Some(encryption) if encryption.verify_outgoing => encryption.keyring.seal(&[], &plain),
            _ => plain,
        };
        self.out.push(Output::Datagram { to, bytes });
    }

    /// Refuses a stream: tells the log, and the peer why.
    pub(super) fn refuse(&mut self, error: &dyn std::fmt::Display) -> Vec<u8> {
        self.complain(error);
        let answer = Message::Error(error.to_string()).encode();
        self.seal_frame(answer)
    }

    /// Tells the log about a peer that does not fit into this pool.
    pub(super) fn complain(&mut self, what: &dyn std::fmt::Display) {
        if self.complained.is_none_or(|told: Time| self.now - told >= COMPLAINT_PAUSE) {
            self.complained = Some(self.now);
            tracing::warn!("refused a gossip peer: {what}");
        } else {
            tracing::debug!("refused a gossip peer: {what}");
        }
    }
}
