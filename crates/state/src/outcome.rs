//! What applying a command came to.

use model::TxnAnswer;
use serde::{Deserialize, Serialize};

/// The result of one applied command. The same on every server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// Done; `false` where a compare-and-set did not match and nothing changed.
    Bool(bool),
    /// A session holds the lock now, or still.
    Locked {
        /// Raft index at which it took the lock: the fencing token.
        token: u64,
    },
    /// Refused, nothing changed (of a batch: this part of it). The text is what the client sees.
    Error(String),
    /// What a transaction came to.
    Txn(TxnAnswer),
    /// The command is unknown here and marked as one that may be skipped.
    Skipped,
}

impl Outcome {
    pub(crate) fn from_result(result: Result<bool, String>) -> Self {
        match result {
            Ok(done) => Self::Bool(done),
            Err(text) => Self::Error(text),
        }
    }
}
