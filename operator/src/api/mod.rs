//! The `ConsulCluster` resource: what a user may ask for, with its defaults and its rules.
//!
//! Rules written in CEL stand beside the types and are checked by the Kubernetes API server before anything is stored. Every field here
//! changes something; there is none that is only accepted.

pub mod extra_config;
pub mod resources;
pub mod status;

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use extra_config::ExtraConfig;
pub use resources::{Resources, Toleration};
pub use status::{Condition, ConsulClusterStatus, ServerStatus};

/// Longest name of a cluster: pod and revision labels made from it must fit in 63 characters.
pub const NAME_LENGTH_MAX: usize = 40;
/// Most voting servers: beyond seven, each more costs speed and adds no safety worth it.
pub const SERVERS_MAX: i32 = 7;

/// A Consul-compatible cluster: servers that keep the data, and a client agent on each node.
#[derive(CustomResource, JsonSchema, Clone, Debug, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "concord.dev",
    version = "v1alpha1",
    kind = "ConsulCluster",
    namespaced,
    status = "ConsulClusterStatus",
    derive = "PartialEq",
    derive = "Default",
    shortname = "cc",
    category = "consul",
    cel,
    doc = "A Consul-compatible cluster: servers that keep the data, and a client agent on each node.",
    validation = kube::core::Rule::new("size(self.metadata.name) <= 40").message("metadata.name must have at most 40 characters"),
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name": "Servers", "type": "string", "jsonPath": ".status.serversReady"}"#,
    printcolumn = r#"{"name": "Leader", "type": "string", "jsonPath": ".status.leader"}"#,
    printcolumn = r#"{"name": "Clients", "type": "string", "jsonPath": ".status.clientsReady"}"#,
    printcolumn = r#"{"name": "Version", "type": "string", "jsonPath": ".status.version"}"#,
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("self.datacenter == oldSelf.datacenter", "spec.datacenter cannot be changed"),
])))]
pub struct ConsulClusterSpec {
    /// Version of the agents, used as the image's tag. Default: the operator's own version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which image to run.
    pub image: Image,
    /// Name of the datacenter. Cannot be changed later.
    #[schemars(regex(pattern = r"^[a-z0-9_-]{1,63}$"))]
    pub datacenter: String,
    /// DNS domain that the agents answer for.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"))]
    pub domain: String,
    /// How much the agents log.
    pub log_level: LogLevel,
    /// The servers.
    pub server: Server,
    /// The client agents, one on each node.
    pub client: ClientAgent,
    /// Services in front of the agents.
    pub services: Services,
    /// How names under the domain are resolved.
    pub dns: Dns,
}

/// Where the agents' image comes from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Image {
    /// Repository without a tag. Default: that of the operator's own image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Digest such as `sha256:...`; when given, it is used instead of the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When the nodes pull the image.
    pub pull_policy: PullPolicy,
    /// Names of Secrets with registry credentials, in the cluster's namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull_secrets: Vec<String>,
}

/// When a node pulls an image.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub enum PullPolicy {
    /// Only when the node does not have it.
    #[default]
    IfNotPresent,
    /// For each new pod.
    Always,
    /// The node must have it already.
    Never,
}

/// Least severity that is logged.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For finding faults.
    Debug,
    /// Changes of state.
    #[default]
    Info,
    /// What may need attention.
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    /// The level's name in an agent's configuration.
    pub fn config_name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERR",
        }
    }
}

/// The servers.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("self.replicas % 2 == 1 || self.allowEvenReplicas", "spec.server.replicas must be odd: an even number of servers survives no more failures than one less; set spec.server.allowEvenReplicas to have it anyway"),
    ("self.replicas >= oldSelf.replicas", "spec.server.replicas can only be raised: removing servers is not supported yet"),
])))]
pub struct Server {
    /// How many servers: 1, 3, 5 or 7.
    #[schemars(range(min = 1, max = 7))]
    pub replicas: i32,
    /// Allows 2, 4 or 6 servers.
    pub allow_even_replicas: bool,
    /// Where each server keeps its data.
    pub storage: Storage,
    /// CPU and memory of each server.
    pub resources: Resources,
    /// How servers spread over nodes.
    pub spread: Spread,
    /// More settings for the servers, in the agent's configuration language.
    pub extra_config: ExtraConfig,
}

/// Where a server keeps its data.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("isQuantity(self.size) && quantity(self.size).isGreaterThan(quantity('0'))", "spec.server.storage.size must be a quantity such as 10Gi"),
    ("self.size == oldSelf.size", "spec.server.storage.size cannot be changed yet"),
    ("self.ephemeral == oldSelf.ephemeral", "spec.server.storage.ephemeral cannot be changed"),
    ("has(self.className) == has(oldSelf.className) && (!has(self.className) || self.className == oldSelf.className)", "spec.server.storage.className cannot be changed"),
])))]
pub struct Storage {
    /// Size of each server's volume.
    pub size: String,
    /// Storage class of the volumes. Default: the Kubernetes cluster's default class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_name: Option<String>,
    /// Keeps data only as long as the pod lives. For tests: a lost majority loses the data.
    pub ephemeral: bool,
}

/// How servers spread over nodes.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub enum Spread {
    /// Anywhere.
    None,
    /// On different nodes as long as there are enough.
    #[default]
    Preferred,
    /// Never two on one node; a server without a node of its own waits.
    Required,
}

/// The client agents.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ClientAgent {
    /// Runs a client agent on each node.
    pub enabled: bool,
    /// CPU and memory of each client agent.
    pub resources: Resources,
    /// Only nodes with these labels get a client agent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that a client agent tolerates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// More settings for the client agents, in the agent's configuration language.
    pub extra_config: ExtraConfig,
}

/// Services in front of the agents.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Services {
    /// The Service with the cluster's name: port 8500 of the servers.
    pub http: HttpService,
}

/// The Service in front of the servers' HTTP API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HttpService {
    /// How the Service is reached.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// Annotations of the Service, for example for a cloud's load balancer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// How a Service is reached.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub enum ServiceType {
    /// From inside the Kubernetes cluster.
    #[default]
    ClusterIP,
    /// At a port of every node.
    NodePort,
    /// Through a load balancer of the cloud.
    LoadBalancer,
}

/// How names under the domain are resolved.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Dns {
    /// The DNS Service.
    pub service: DnsService,
    /// What happens to the Kubernetes cluster's own DNS.
    #[serde(rename = "coreDNS")]
    pub core_dns: CoreDns,
}

/// The DNS Service `<name>-dns` on port 53.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DnsService {
    /// Makes the Service.
    pub enabled: bool,
}

/// How the Kubernetes cluster's DNS learns about the domain.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CoreDns {
    /// `Patch` keeps a marked block in CoreDNS's configuration, so that every pod resolves the domain;
    /// `Manual` only writes that block to the ConfigMap `<name>-coredns-snippet`; `None` does nothing.
    pub mode: CoreDnsMode,
    /// Namespace of CoreDNS's ConfigMap.
    #[schemars(length(min = 1))]
    pub namespace: String,
    /// Name of CoreDNS's ConfigMap.
    #[schemars(length(min = 1))]
    pub config_map: String,
}

/// See [`CoreDns::mode`].
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub enum CoreDnsMode {
    /// Writes the block for a person to insert.
    #[default]
    Manual,
    /// Inserts the block, keeps it right, removes it with the cluster.
    Patch,
    /// Leaves DNS alone.
    None,
}

/// Rules of a schema, from expressions and messages. `self` is the object that the schema describes.
fn rules(rules: &[(&str, &str)]) -> serde_json::Value {
    rules.iter().map(|(rule, message)| serde_json::json!({"rule": rule, "message": message})).collect()
}

impl Default for ConsulClusterSpec {
    fn default() -> Self {
        Self {
            version: None,
            image: Image::default(),
            datacenter: "dc1".to_owned(),
            domain: "consul".to_owned(),
            log_level: LogLevel::default(),
            server: Server::default(),
            client: ClientAgent::default(),
            services: Services::default(),
            dns: Dns::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            replicas: 3,
            allow_even_replicas: false,
            storage: Storage::default(),
            resources: Resources::new("100m", "128Mi", "512Mi"),
            spread: Spread::default(),
            extra_config: ExtraConfig::default(),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { size: "10Gi".to_owned(), class_name: None, ephemeral: false }
    }
}

impl Default for ClientAgent {
    fn default() -> Self {
        Self {
            enabled: true,
            resources: Resources::new("20m", "32Mi", "256Mi"),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            extra_config: ExtraConfig::default(),
        }
    }
}

impl Default for DnsService {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for CoreDns {
    fn default() -> Self {
        Self { mode: CoreDnsMode::default(), namespace: "kube-system".to_owned(), config_map: "coredns".to_owned() }
    }
}
