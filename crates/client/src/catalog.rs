//! `/v1/catalog`.

use std::collections::BTreeMap;

use model::{Deregistration, Node, NodeServices, Registration, TextMap};
use serde::Deserialize;

use crate::error::Error;
use crate::query::{Answer, QueryOptions, Target};
use crate::transport::{Client, Method};

/// One instance with its node: the row of `/v1/catalog/service/:service`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CatalogInstance {
    /// UUID of the node.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the node.
    pub node: String,
    /// Address of the node.
    pub address: String,
    /// Datacenter of the node.
    pub datacenter: String,
    /// Addresses of the node by tag.
    pub tagged_addresses: Option<TextMap>,
    /// Metadata of the node.
    pub node_meta: Option<TextMap>,
    /// Identity of the instance.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    /// Name of the service.
    pub service_name: String,
    /// Tags of the instance.
    pub service_tags: Option<Vec<String>>,
    /// Address of the instance; empty means the node's.
    pub service_address: String,
    /// Port of the instance.
    pub service_port: i64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

impl Client {
    /// Names of the known datacenters.
    pub async fn datacenters(&self) -> Result<Vec<String>, Error> {
        Ok(self.get_json(Target::new("/v1/catalog/datacenters"), &QueryOptions::default()).await?.rows)
    }

    /// All nodes.
    pub async fn nodes(&self, options: &QueryOptions) -> Result<Answer<Vec<Node>>, Error> {
        let found: Answer<Option<Vec<Node>>> = self.get_json(Target::new("/v1/catalog/nodes"), options).await?;
        Ok(found.or_empty())
    }

    /// Names of all services with their tags.
    pub async fn services(&self, options: &QueryOptions) -> Result<Answer<BTreeMap<String, Vec<String>>>, Error> {
        self.get_json(Target::new("/v1/catalog/services"), options).await
    }

    /// Instances of a service, with a tag if one is given.
    pub async fn service(
        &self,
        name: &str,
        tag: Option<&str>,
        options: &QueryOptions,
    ) -> Result<Answer<Vec<CatalogInstance>>, Error> {
        let to = Target::new("/v1/catalog/service").below(name.as_bytes()).optional("tag", tag.unwrap_or_default());
        let found: Answer<Option<Vec<CatalogInstance>>> = self.get_json(to, options).await?;
        Ok(found.or_empty())
    }

    /// A node with its instances; `None` where there is no such node.
    pub async fn node(&self, name: &str, options: &QueryOptions) -> Result<Answer<Option<NodeServices>>, Error> {
        self.get_json(Target::new("/v1/catalog/node").below(name.as_bytes()), options).await
    }

    /// Puts a node, service and checks into the catalog, past any agent.
    pub async fn catalog_register(&self, registration: &Registration) -> Result<bool, Error> {
        let body = serde_json::to_vec(registration)
            .map_err(|error| Error::Decode { url: "/v1/catalog/register".to_owned(), cause: error.to_string() })?;
        self.change(Method::Put, &Target::new("/v1/catalog/register"), body).await
    }

    /// Takes a check, a service or a node out of the catalog, past any agent.
    pub async fn catalog_deregister(&self, deregistration: &Deregistration) -> Result<bool, Error> {
        let body = serde_json::to_vec(deregistration)
            .map_err(|error| Error::Decode { url: "/v1/catalog/deregister".to_owned(), cause: error.to_string() })?;
        self.change(Method::Put, &Target::new("/v1/catalog/deregister"), body).await
    }
}
