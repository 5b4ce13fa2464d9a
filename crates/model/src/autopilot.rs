//! Autopilot: how the servers of a datacenter are looked after, and how they are.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::{as_text, from_nanos_or_text};
use crate::{NodeName, ServerId};

/// The settings, in the shape of `/v1/operator/autopilot/configuration`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AutopilotConfig {
    /// Whether failed servers are taken out of the Raft configuration.
    pub cleanup_dead_servers: bool,
    /// A server that the leader has not heard from for this time is not healthy.
    #[serde(serialize_with = "as_text", deserialize_with = "from_nanos_or_text")]
    pub last_contact_threshold: Duration,
    /// A server that lacks more log entries is not healthy.
    pub max_trailing_logs: u64,
    /// Never fewer voters than this are left; 0 sets no limit.
    pub min_quorum: u64,
    /// A new server must have been healthy for this time before it votes.
    #[serde(serialize_with = "as_text", deserialize_with = "from_nanos_or_text")]
    pub server_stabilization_time: Duration,
    /// Name of the node metadata that tells the redundancy zone of a server: one server of each votes. Empty for none.
    pub redundancy_zone_tag: String,
    /// Kept for Consul's clients; there are no upgrade migrations.
    pub disable_upgrade_migration: bool,
    /// Kept for Consul's clients; there are no upgrade migrations.
    pub upgrade_version_tag: String,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

impl Default for AutopilotConfig {
    /// What is left out when the settings are replaced is nothing, not what a new cluster has.
    fn default() -> Self {
        Self {
            cleanup_dead_servers: false,
            last_contact_threshold: Duration::ZERO,
            max_trailing_logs: 0,
            min_quorum: 0,
            server_stabilization_time: Duration::ZERO,
            redundancy_zone_tag: String::new(),
            disable_upgrade_migration: false,
            upgrade_version_tag: String::new(),
            create_index: 0,
            modify_index: 0,
        }
    }
}

impl AutopilotConfig {
    /// What a new cluster has unless its configuration says otherwise.
    #[must_use]
    pub fn initial() -> Self {
        Self {
            cleanup_dead_servers: true,
            last_contact_threshold: Duration::from_millis(200),
            max_trailing_logs: 250,
            server_stabilization_time: Duration::from_secs(10),
            ..Self::default()
        }
    }
}

/// A change of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutopilotChange {
    /// The new settings; they replace the old ones as a whole.
    pub config: AutopilotConfig,
    /// Only when the settings have this `ModifyIndex`.
    pub cas: Option<u64>,
    /// Only when there are none yet.
    #[serde(default)]
    pub is_initial: bool,
}

/// How a server is, in the shape of `/v1/operator/autopilot/health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServerHealth {
    /// UUID of the server.
    #[serde(rename = "ID")]
    pub id: ServerId,
    /// Node name.
    pub name: NodeName,
    /// RPC address.
    pub address: String,
    /// What gossip thinks of it: `alive`, `failed`, `left`, or `none`.
    pub serf_status: String,
    /// Its version.
    pub version: String,
    /// Whether it leads.
    pub leader: bool,
    /// Time since the leader heard from it; Go duration text, empty when it never did.
    pub last_contact: String,
    /// Term of the last entry it is known to hold.
    pub last_term: u64,
    /// Index of the last entry it is known to hold.
    pub last_index: u64,
    /// Whether all is well with it.
    pub healthy: bool,
    /// Whether it votes.
    pub voter: bool,
    /// Since when `Healthy` is what it is; RFC 3339.
    pub stable_since: String,
}

/// How all servers are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AutopilotHealth {
    /// Whether all servers are healthy.
    pub healthy: bool,
    /// How many healthy voters may fail before there is no majority.
    pub failure_tolerance: u64,
    /// The servers; `null` when this server knows of none yet.
    pub servers: Option<Vec<ServerHealth>>,
}

/// A server as `/v1/operator/autopilot/state` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServerState {
    /// UUID of the server.
    #[serde(rename = "ID")]
    pub id: ServerId,
    /// Node name.
    pub name: NodeName,
    /// RPC address.
    pub address: String,
    /// What gossip thinks of it.
    pub node_status: String,
    /// Its version.
    pub version: String,
    /// Time since the leader heard from it.
    pub last_contact: String,
    /// Term of the last entry it is known to hold.
    pub last_term: u64,
    /// Index of the last entry it is known to hold.
    pub last_index: u64,
    /// Whether all is well with it.
    pub healthy: bool,
    /// Since when.
    pub stable_since: String,
    /// Its redundancy zone; left out when there are none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub redundancy_zone: String,
    /// Whether it was told never to vote.
    pub read_replica: bool,
    /// `leader`, `voter`, `non-voter` or `none`.
    pub status: String,
    /// Node metadata.
    pub meta: Option<BTreeMap<String, String>>,
    /// `voter`, `read-replica`, `zone-standby` and the like.
    pub node_type: String,
}

/// The whole picture, in the shape of `/v1/operator/autopilot/state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AutopilotState {
    /// Whether all servers are healthy.
    pub healthy: bool,
    /// How many healthy voters may fail before there is no majority.
    pub failure_tolerance: u64,
    /// The same, if each failed voter is replaced in time by a standby.
    pub optimistic_failure_tolerance: u64,
    /// The servers by id.
    pub servers: BTreeMap<ServerId, ServerState>,
    /// Id of the leader.
    pub leader: ServerId,
    /// Ids of the voters.
    pub voters: Vec<ServerId>,
    /// Ids of the servers that never vote.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_replicas: Vec<ServerId>,
}

/// How much is registered in a datacenter, in the shape of `/v1/operator/usage`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceUsage {
    /// Nodes.
    pub nodes: u64,
    /// Names of services.
    pub services: u64,
    /// Instances of services.
    pub service_instances: u64,
    /// Instances that belong to the mesh, by kind; `connect-native` counts those that are their own proxy.
    pub connect_service_instances: BTreeMap<String, u64>,
    /// Instances that are neither the servers themselves nor of the mesh.
    pub billable_service_instances: u64,
}
