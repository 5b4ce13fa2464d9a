//! A service instance on a node.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Json, ServiceId, ServiceName, TextMap};

/// DNS SRV weights of an instance by health; both default to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Weights {
    /// Weight while passing, 1 to 65535.
    pub passing: i64,
    /// Weight while any check warns, 0 to 65535.
    pub warning: i64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1, warning: 1 }
    }
}

/// An address and port of an instance under a tag such as `lan` or `wan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceAddress {
    /// IP address or host name.
    pub address: String,
    /// Port, 0 when none.
    pub port: i64,
}

/// A service instance as one node has it, in the shape of `/v1/catalog/node/:node`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeService {
    /// Empty for ordinary services, else `connect-proxy`, `mesh-gateway`, ...
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Identity on the node.
    #[serde(rename = "ID")]
    pub id: ServiceId,
    /// Service name.
    pub service: ServiceName,
    /// Tags in the order given; `null` reads as none.
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// Address of the instance; empty means the node's address.
    pub address: String,
    /// Addresses by tag.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    /// Metadata pairs; `null` when none were ever given.
    pub meta: Option<TextMap>,
    /// Port, 0 when none.
    pub port: i64,
    /// SRV weights.
    pub weights: Weights,
    /// When set, the catalog's tags win over the agent's in anti-entropy.
    pub enable_tag_override: bool,
    /// Proxy settings, kept as given.
    pub proxy: Json,
    /// Connect settings, kept as given.
    pub connect: Json,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

impl Default for NodeService {
    fn default() -> Self {
        Self {
            kind: String::new(),
            id: ServiceId::default(),
            service: ServiceName::default(),
            tags: Vec::new(),
            address: String::new(),
            tagged_addresses: BTreeMap::new(),
            meta: None,
            port: 0,
            weights: Weights::default(),
            enable_tag_override: false,
            proxy: serde_json::json!({"MeshGateway": {}, "Expose": {}}),
            connect: serde_json::json!({}),
            create_index: 0,
            modify_index: 0,
        }
    }
}

impl NodeService {
    /// Whether both describe the same instance, whatever their indexes.
    #[must_use]
    pub fn is_same_definition(&self, other: &Self) -> bool {
        let with_indexes = Self { create_index: other.create_index, modify_index: other.modify_index, ..self.clone() };
        with_indexes == *other
    }
}

pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
