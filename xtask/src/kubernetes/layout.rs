//! Names and addresses of the test cluster, in one place.
//!
//! Node 1 also runs the control plane. All addresses exist only inside the network namespaces.

use std::path::PathBuf;

use anyhow::Result;

use crate::tools;

/// Nodes of a cluster.
pub const NODES: usize = 3;
/// Range of the Services' addresses.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The API server's Service.
pub const SERVICE_KUBERNETES: &str = "10.96.0.1";
/// The cluster DNS Service.
pub const SERVICE_DNS: &str = "10.96.0.10";
/// Range of all pods.
pub const POD_RANGE: &str = "10.244.0.0/16";
/// The namespace that holds the bridge between the nodes.
pub const FABRIC: &str = "concord-fabric";

/// Where the cluster keeps what.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Built programs and images; survives `down`.
    pub cache: PathBuf,
    /// State of the running cluster; removed by `down`.
    pub run: PathBuf,
}

impl Layout {
    /// The layout under this user's cache.
    pub fn new() -> Result<Self> {
        let cache = tools::cache()?;
        Ok(Self { run: cache.join("run"), cache })
    }

    /// The administrator's credentials; valid inside the node namespaces.
    pub fn kubeconfig(&self) -> PathBuf {
        self.run.join("admin.kubeconfig")
    }

    /// A script that runs kubectl inside the cluster's network.
    pub fn kubectl(&self) -> PathBuf {
        self.run.join("kubectl")
    }

    /// A script that runs helm inside the cluster's network.
    pub fn helm(&self) -> PathBuf {
        self.run.join("helm")
    }

    /// Output and process ids of everything started.
    pub fn log(&self) -> PathBuf {
        self.run.join("log")
    }

    /// A file below the certificates' folder.
    pub fn pki(&self, name: &str) -> PathBuf {
        self.run.join("pki").join(name)
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> Vec<Node> {
        (1..=NODES).map(|number| Node { number, folder: self.run.join(format!("node{number}")) }).collect()
    }
}

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Counts from 1.
    pub number: usize,
    /// Its files in the run directory.
    pub folder: PathBuf,
}

impl Node {
    /// The node's name in Kubernetes.
    pub fn name(&self) -> String {
        format!("node{}", self.number)
    }

    /// The node's network namespace and cgroup.
    pub fn namespace(&self) -> String {
        format!("concord-node{}", self.number)
    }

    /// The node's address.
    pub fn address(&self) -> String {
        format!("10.10.0.1{}", self.number)
    }

    /// The range of the pods on this node.
    pub fn pod_range(&self) -> String {
        format!("10.244.{}.0/24", self.number)
    }

    /// containerd's socket.
    pub fn containerd(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }
}
