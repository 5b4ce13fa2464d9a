//! Names, labels and ports of everything that belongs to a cluster.

use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::ConsulCluster;

/// Field manager of everything the operator applies.
pub const MANAGER: &str = "concord-operator";
/// Annotation of a pod template: changes when a setting that needs a restart changes.
pub const CONFIG_HASH: &str = "concord.dev/config-hash";
/// Annotation of every applied object: names what was applied, so that an unchanged object is left alone.
pub const APPLIED_HASH: &str = "concord.dev/applied-hash";
/// HTTP API of an agent.
pub const PORT_HTTP: u16 = 8500;
/// DNS of an agent.
pub const PORT_DNS: u16 = 8600;
/// RPC between agents.
pub const PORT_RPC: u16 = 8300;
/// Gossip between agents of a datacenter.
pub const PORT_SERF_LAN: u16 = 8301;
/// User and group of the agents; the image's own user.
pub const USER: i64 = 65532;

/// Names derived from a cluster's name.
#[derive(Clone, Debug)]
pub struct Names {
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's namespace.
    pub namespace: String,
}

impl Names {
    /// Names for a cluster.
    pub fn of(cluster: &ConsulCluster) -> Self {
        Self { cluster: cluster.name_any(), namespace: cluster.namespace().unwrap_or_else(|| "default".to_owned()) }
    }

    /// StatefulSet, headless Service, ConfigMap, ServiceAccount and PodDisruptionBudget of the servers.
    pub fn server(&self) -> String {
        format!("{}-server", self.cluster)
    }

    /// DaemonSet, ConfigMap and ServiceAccount of the client agents.
    pub fn client(&self) -> String {
        format!("{}-client", self.cluster)
    }

    /// Service in front of the servers' HTTP API.
    pub fn http_service(&self) -> String {
        self.cluster.clone()
    }

    /// Service in front of the client agent on the caller's node.
    pub fn agent_service(&self) -> String {
        format!("{}-agent", self.cluster)
    }

    /// Service for DNS on port 53.
    pub fn dns_service(&self) -> String {
        format!("{}-dns", self.cluster)
    }

    /// ConfigMap with the block for CoreDNS.
    pub fn snippet(&self) -> String {
        format!("{}-coredns-snippet", self.cluster)
    }

    /// The name under which agents find the servers: the headless Service.
    pub fn join(&self) -> String {
        format!("{}.{}.svc", self.server(), self.namespace)
    }

    /// Labels that select every pod of the cluster.
    pub fn selector(&self) -> Value {
        json!({"app.kubernetes.io/name": "concord", "app.kubernetes.io/instance": self.cluster})
    }

    /// Labels that select the pods of one component: `server` or `client`.
    pub fn component_selector(&self, component: &str) -> Value {
        let mut labels = self.selector();
        labels["app.kubernetes.io/component"] = component.into();
        labels
    }

    /// Labels of an object that belongs to a component.
    pub fn labels(&self, component: &str) -> Value {
        let mut labels = self.component_selector(component);
        labels["app.kubernetes.io/managed-by"] = MANAGER.into();
        labels
    }

    /// The label query that finds the server pods.
    pub fn server_query(&self) -> String {
        format!(
            "app.kubernetes.io/name=concord,app.kubernetes.io/instance={},app.kubernetes.io/component=server",
            self.cluster
        )
    }
}
