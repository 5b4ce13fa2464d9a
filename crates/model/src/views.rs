//! Rows that join several nouns, as the catalog and health endpoints return them.
//!
//! They share the stored objects instead of copying them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::{HealthCheck, Node, NodeService};

/// One healthy-or-not instance: the row of `/v1/health/service/:service`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CheckServiceNode {
    /// The node.
    pub node: Arc<Node>,
    /// The instance.
    pub service: Arc<NodeService>,
    /// Checks of the node, then of the instance.
    pub checks: Vec<Arc<HealthCheck>>,
}

/// A node and its instances: the answer of `/v1/catalog/node/:node`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeServices {
    /// The node.
    pub node: Arc<Node>,
    /// Its instances by id.
    pub services: BTreeMap<String, Arc<NodeService>>,
}

/// One instance flattened with its node: the row of `/v1/catalog/service/:service`. In JSON the fields of the service
/// carry the prefix `Service`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceInstance {
    /// The node.
    pub node: Arc<Node>,
    /// The instance.
    pub service: Arc<NodeService>,
}

impl Serialize for ServiceInstance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            let mut row = serializer.serialize_struct("ServiceInstance", 2)?;
            row.serialize_field("Node", &self.node)?;
            row.serialize_field("Service", &self.service)?;
            return row.end();
        }
        let (node, service) = (&*self.node, &*self.service);
        let mut row = serializer.serialize_struct("ServiceInstance", 20)?;
        row.serialize_field("ID", &node.id)?;
        row.serialize_field("Node", &node.node)?;
        row.serialize_field("Address", &node.address)?;
        row.serialize_field("Datacenter", &node.datacenter)?;
        row.serialize_field("TaggedAddresses", &node.tagged_addresses)?;
        row.serialize_field("NodeMeta", &node.meta)?;
        row.serialize_field("ServiceKind", &service.kind)?;
        row.serialize_field("ServiceID", &service.id)?;
        row.serialize_field("ServiceName", &service.service)?;
        row.serialize_field("ServiceTags", &service.tags)?;
        row.serialize_field("ServiceAddress", &service.address)?;
        if !service.tagged_addresses.is_empty() {
            row.serialize_field("ServiceTaggedAddresses", &service.tagged_addresses)?;
        }
        row.serialize_field("ServiceWeights", &service.weights)?;
        // Unlike everywhere else, metadata that was never given is an empty map here.
        match &service.meta {
            Some(meta) => row.serialize_field("ServiceMeta", meta)?,
            None => row.serialize_field("ServiceMeta", &BTreeMap::<(), ()>::new())?,
        }
        row.serialize_field("ServicePort", &service.port)?;
        row.serialize_field("ServiceEnableTagOverride", &service.enable_tag_override)?;
        row.serialize_field("ServiceProxy", &service.proxy)?;
        row.serialize_field("ServiceConnect", &service.connect)?;
        row.serialize_field("CreateIndex", &service.create_index)?;
        row.serialize_field("ModifyIndex", &service.modify_index)?;
        row.end()
    }
}
