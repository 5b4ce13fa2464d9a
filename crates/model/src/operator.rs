//! The Raft configuration as `/v1/operator/raft/configuration` shows it.

use serde::{Deserialize, Serialize};

use crate::ServerId;

/// One server of the Raft configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftServer {
    /// UUID of the server.
    #[serde(rename = "ID")]
    pub id: ServerId,
    /// Node name, `(unknown)` when gossip does not know it.
    pub node: String,
    /// RPC address, `ip:port`.
    pub address: String,
    /// Whether it leads.
    pub leader: bool,
    /// Always `3`.
    pub protocol_version: String,
    /// Whether it votes.
    pub voter: bool,
    /// Last log index it is known to hold (newer Consul shows it too).
    pub last_index: u64,
}

/// All servers, in the shape of `/v1/operator/raft/configuration`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RaftConfiguration {
    /// The servers.
    pub servers: Vec<RaftServer>,
    /// Log index of the configuration.
    pub index: u64,
}
