//! Keeping a cluster's block in CoreDNS's ConfigMap, for `spec.dns.coreDNS.mode: Patch`.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, PostParams};
use thiserror::Error;

use crate::api::ConsulCluster;
use crate::cluster::build::display_name;
use crate::coredns::{self, CorefileError};

/// The key of CoreDNS's configuration in its ConfigMap.
const COREFILE: &str = "Corefile";
/// How often a write is tried again after somebody else wrote meanwhile.
const CONFLICTS_MAX: usize = 5;

/// Why CoreDNS was not changed.
#[derive(Debug, Error)]
pub enum DnsError {
    /// No such ConfigMap, or it is not CoreDNS's.
    #[error("ConfigMap {namespace}/{name} has no {COREFILE}; set spec.dns.coreDNS, or its mode to Manual")]
    NoCorefile {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The text does not allow it.
    #[error(transparent)]
    Corefile(#[from] CorefileError),
    /// Others keep writing.
    #[error("CoreDNS's ConfigMap changed during each of {CONFLICTS_MAX} tries")]
    Conflicts,
    /// The API server refused.
    #[error("cannot change CoreDNS's ConfigMap: {0}")]
    Kube(#[from] kube::Error),
}

/// Puts the block there or brings it up to date.
pub async fn insert(client: &Client, cluster: &ConsulCluster, address: &str) -> Result<bool, DnsError> {
    let name = display_name(cluster);
    edit(client, cluster, |corefile| coredns::with_block(corefile, &name, &cluster.spec.domain, address)).await
}

/// Takes the block out; a ConfigMap that is gone needs nothing.
pub async fn remove(client: &Client, cluster: &ConsulCluster) -> Result<bool, DnsError> {
    let name = display_name(cluster);
    match edit(client, cluster, |corefile| coredns::without_block(corefile, &name)).await {
        Err(DnsError::NoCorefile { .. }) => Ok(false),
        other => other,
    }
}

/// Reads, edits and writes; true when it wrote.
async fn edit(
    client: &Client,
    cluster: &ConsulCluster,
    change: impl Fn(&str) -> Result<String, CorefileError>,
) -> Result<bool, DnsError> {
    let target = &cluster.spec.dns.core_dns;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &target.namespace);
    for _ in 0..CONFLICTS_MAX {
        let missing = || DnsError::NoCorefile { namespace: target.namespace.clone(), name: target.config_map.clone() };
        let mut map = api.get_opt(&target.config_map).await?.ok_or_else(missing)?;
        let corefile = map.data.as_mut().and_then(|data| data.get_mut(COREFILE)).ok_or_else(missing)?;
        let changed = change(corefile)?;
        if changed == *corefile {
            return Ok(false);
        }
        *corefile = changed;
        // The resource version read above makes this fail when somebody else wrote meanwhile.
        match api.replace(&target.config_map, &PostParams::default(), &map).await {
            Ok(_) => return Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(DnsError::Conflicts)
}
