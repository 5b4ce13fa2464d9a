//! The vocabulary of a restore through the log: a snapshot comes in chunks, between other commands, and replaces
//! everything when the last step is applied.
//!
//! The chunks are part of the state until then, so that a server that is brought up to date by a snapshot of Raft in the
//! middle of it has them too.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};

/// One step of a restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RestoreChange {
    /// Which restore; chosen at random by the leader. A new one replaces an unfinished one.
    pub id: u64,
    /// What to do.
    pub step: RestoreStep,
}

/// What a [`RestoreChange`] does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RestoreStep {
    /// Expect chunks.
    Begin,
    /// Part of the bytes of a snapshot.
    Chunk {
        /// Its place, counted from 0.
        number: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// All chunks are there: replace the state.
    Finish,
    /// Forget the chunks.
    Abort,
}

/// The chunks of a restore that is under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Staged {
    pub(crate) id: u64,
    pub(crate) chunks: Vec<Bytes>,
}

/// What earlier restores did to the indexes. An index is that of the log plus an offset, which a restore from a cluster
/// with higher indexes raises, so that indexes only ever grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restored {
    /// What indexes are ahead of those of the log.
    pub(crate) offset: u64,
    /// Index of the last restore; 0 when there was none. No answer has a lower one, so every waiting query wakes.
    pub(crate) index: u64,
}

/// Reads chunks one after the other.
pub(crate) struct Chunks(VecDeque<Bytes>);

impl Chunks {
    pub(crate) fn new(chunks: &[Bytes]) -> Self {
        Self(chunks.iter().cloned().collect())
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(first) = self.0.front_mut() {
            if first.is_empty() {
                self.0.pop_front();
                continue;
            }
            let count = first.len().min(buffer.len());
            first.copy_to_slice(&mut buffer[..count]);
            return Ok(count);
        }
        Ok(0)
    }
}
