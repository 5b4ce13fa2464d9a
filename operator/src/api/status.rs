//! What the operator says about a cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The observed state of a cluster.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsulClusterStatus {
    /// The generation of the spec that this status tells about.
    pub observed_generation: i64,
    /// One word for people: Pending, Bootstrapping, Running, Degraded, Updating, Failed or Deleting.
    pub phase: String,
    /// Pod that leads the servers; absent while there is no leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// How many servers vote.
    pub voters: i32,
    /// Ready and desired servers, such as `3/3`.
    pub servers_ready: String,
    /// Ready and desired client agents, such as `5/5`.
    pub clients_ready: String,
    /// Version of the agents that the spec asks for.
    pub version: String,
    /// The image that the agents run.
    pub image: String,
    /// Each server.
    pub servers: Vec<ServerStatus>,
    /// Where to reach the cluster from inside Kubernetes.
    pub endpoints: Endpoints,
    /// ConfigMap with the block for CoreDNS, when it is not inserted by the operator.
    #[serde(rename = "coreDNSSnippet", skip_serializing_if = "Option::is_none")]
    pub core_dns_snippet: Option<String>,
    /// Ready, Available, Reconciling, Stalled and DNSReady.
    pub conditions: Vec<Condition>,
}

/// One server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerStatus {
    /// Its pod.
    pub name: String,
    /// Its id in the servers' configuration; empty until it has joined.
    pub id: String,
    /// The pod's address; empty until it has one.
    pub address: String,
    /// Whether it leads.
    pub leader: bool,
    /// Whether it votes.
    pub voter: bool,
    /// Whether its pod is ready.
    pub ready: bool,
}

/// Addresses inside Kubernetes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// HTTP API of the servers.
    pub http: String,
    /// HTTP API of the client agent on the caller's node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Address of the DNS Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
}

/// One aspect of the state, in the shape all Kubernetes tools know.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word why.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The generation of the spec that was looked at.
    #[serde(default)]
    pub observed_generation: i64,
    /// When the status last changed, as RFC 3339.
    #[serde(default)]
    pub last_transition_time: String,
}
