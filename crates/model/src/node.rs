//! A node: a machine or pod that services run on.

use serde::{Deserialize, Serialize};

use crate::{NodeId, NodeName, TextMap};

/// A catalog node, in the shape of `/v1/catalog/nodes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    /// UUID of the agent; empty for nodes registered without one.
    #[serde(rename = "ID")]
    pub id: NodeId,
    /// Name of the node.
    pub node: NodeName,
    /// Address as given; Consul does not insist on an IP here.
    pub address: String,
    /// Datacenter of the node.
    pub datacenter: String,
    /// `lan`, `wan`, `lan_ipv4`, ... addresses; absent until someone sends them.
    pub tagged_addresses: Option<TextMap>,
    /// Metadata pairs; absent until someone sends them.
    pub meta: Option<TextMap>,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}
