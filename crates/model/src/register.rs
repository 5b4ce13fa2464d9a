//! What enters and leaves the catalog: the bodies of `/v1/catalog/register` and `/v1/catalog/deregister`.

use serde::{Deserialize, Serialize};

use crate::{CheckId, HealthCheck, NodeId, NodeName, NodeService, ServiceId, TextMap};

/// A node with, optionally, one service and any number of checks; applied as one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Registration {
    /// UUID of the node, or empty.
    #[serde(rename = "ID")]
    pub id: NodeId,
    /// Node name.
    pub node: NodeName,
    /// Node address.
    pub address: String,
    /// Datacenter; empty means the server's own.
    pub datacenter: String,
    /// Node addresses by tag.
    pub tagged_addresses: Option<TextMap>,
    /// Node metadata.
    pub node_meta: Option<TextMap>,
    /// Service to add to the node.
    pub service: Option<NodeService>,
    /// One check (kept apart from `checks` because the API has both).
    pub check: Option<HealthCheck>,
    /// Checks to add to the node or its service.
    pub checks: Vec<HealthCheck>,
    /// Leave the node's own record as it is when it exists.
    pub skip_node_update: bool,
}

/// What to remove: the check, else the service, else the whole node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Deregistration {
    /// Node name.
    pub node: NodeName,
    /// Service instance to remove.
    #[serde(rename = "ServiceID")]
    pub service_id: ServiceId,
    /// Check to remove.
    #[serde(rename = "CheckID")]
    pub check_id: CheckId,
    /// Datacenter; empty means the server's own.
    pub datacenter: String,
}
