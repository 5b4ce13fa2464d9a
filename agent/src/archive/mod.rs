//! Snapshot archives: a gzipped tar of `meta.json`, `state.bin` and `SHA256SUMS`, as Consul lays them out.
//!
//! Written and read as streams: only the state itself is ever in memory. What is in `state.bin` is for the state crate,
//! which reads Consul's too. An archive comes from anywhere, so every size, name and sum in it is checked.

mod read;
mod tar;
mod write;

use serde::{Deserialize, Serialize};

pub use read::{Opened, read, read_meta};
pub use write::write;
pub(crate) use write::{end, put as add_file};

const META: &str = "meta.json";
const STATE: &str = "state.bin";
const SUMS: &str = "SHA256SUMS";

/// Largest `meta.json` or `SHA256SUMS`, bytes.
const SMALL_BYTES_MAX: u64 = 1024 * 1024;

/// The content type of an archive.
pub const CONTENT_TYPE: &str = "application/x-gzip";

/// `meta.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Meta {
    /// Version of the archive; 1.
    pub version: u64,
    /// `TERM-INDEX-MILLISECONDS`.
    #[serde(rename = "ID")]
    pub id: String,
    /// Index of the last change in the state.
    pub index: u64,
    /// Term of the leader at that time.
    pub term: u64,
    /// RPC addresses of the servers, MessagePack in base64.
    pub peers: String,
    /// The servers.
    pub configuration: Servers,
    /// Log index of the configuration.
    pub configuration_index: u64,
    /// Bytes of `state.bin`.
    pub size: u64,
}

/// The Raft configuration in [`Meta`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Servers {
    /// The servers.
    pub servers: Vec<Server>,
}

/// A server in [`Servers`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Server {
    /// 0 for a voter, 1 for a server that does not vote.
    pub suffrage: u64,
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Where its RPC was.
    pub address: String,
}

/// What the maker of an archive knows besides the state.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Term of the leader.
    pub term: u64,
    /// The servers.
    pub servers: Vec<Server>,
    /// Log index of their configuration.
    pub configuration_index: u64,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// Why an archive is refused. The texts are those that Consul's users know.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It does not begin as gzip does.
    #[error("failed to decompress snapshot: {0}")]
    Gzip(String),
    /// What the gzip holds is not the right tar, or its sums do not match.
    #[error("failed to read snapshot file: {0}")]
    Content(String),
    /// The state in it cannot be used.
    #[error("failed to read snapshot file: {0}")]
    State(#[from] state::SnapshotError),
}

fn content(text: impl Into<String>) -> ArchiveError {
    ArchiveError::Content(text.into())
}

#[cfg(test)]
mod tests;
