//! The Kubernetes objects of a cluster, from its spec alone: no IO, so golden files can show them all.

pub mod config;
pub mod pods;
pub mod services;
pub mod workloads;

use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::names::{APPLIED_HASH, Names};
use crate::api::{ConsulCluster, CoreDnsMode};

/// What building needs beside the spec.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The operator's own image, `repository:tag` or `repository@digest`.
    pub image: String,
    /// The operator's own version.
    pub version: String,
}

/// All objects the cluster should have, in the order to apply them, and those it must not have.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// To apply.
    pub wanted: Vec<Value>,
    /// To delete when they exist, as (apiVersion, kind, name): switched off by the spec.
    pub unwanted: Vec<(&'static str, &'static str, String)>,
}

/// Builds every object of a cluster; `dns_address` is that of its DNS Service once Kubernetes chose one.
pub fn build(cluster: &ConsulCluster, defaults: &Defaults, dns_address: Option<&str>) -> Objects {
    let names = Names::of(cluster);
    let spec = &cluster.spec;
    let mut objects = Objects::default();
    objects.want(service_account(&names, "server"));
    objects.want(config::server(&names, spec));
    objects.want(services::headless(&names));
    objects.want(services::http(&names, spec));
    objects.want_if(spec.dns.service.enabled, services::dns(&names));
    objects.want_if(spec.client.enabled, services::agent(&names));
    objects.want_if(spec.client.enabled, service_account(&names, "client"));
    objects.want_if(spec.client.enabled, config::client(&names, spec));
    objects.want_if(spec.server.replicas >= 3, workloads::disruption_budget(&names));
    objects.want(workloads::servers(&names, spec, defaults));
    objects.want_if(spec.client.enabled, workloads::clients(&names, spec, defaults));
    let manual = spec.dns.service.enabled && spec.dns.core_dns.mode == CoreDnsMode::Manual;
    match dns_address {
        Some(address) if manual => objects.want(config::snippet(&names, &spec.domain, address)),
        _ if manual => {}
        _ => objects.unwanted.push(("v1", "ConfigMap", names.snippet())),
    }
    let owner = cluster.controller_owner_ref(&());
    for object in &mut objects.wanted {
        object["metadata"]["namespace"] = names.namespace.clone().into();
        object["metadata"]["ownerReferences"] = json!([owner]);
        let applied = hash(object);
        object["metadata"]["annotations"][APPLIED_HASH] = applied.into();
    }
    objects
}

impl Objects {
    fn want(&mut self, object: Value) {
        self.wanted.push(object);
    }

    fn want_if(&mut self, wanted: bool, object: Value) {
        if wanted {
            self.wanted.push(object);
            return;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = match text(&object["kind"]).as_str() {
            "Service" => ("v1", "Service"),
            "ServiceAccount" => ("v1", "ServiceAccount"),
            "DaemonSet" => ("apps/v1", "DaemonSet"),
            "PodDisruptionBudget" => ("policy/v1", "PodDisruptionBudget"),
            _ => ("v1", "ConfigMap"),
        };
        self.unwanted.push((kind.0, kind.1, text(&object["metadata"]["name"])));
    }
}

/// The image that a cluster's agents run.
pub fn image(cluster: &ConsulCluster, defaults: &Defaults) -> String {
    pods::image(&cluster.spec, defaults)
}

/// The version that a cluster's agents have.
pub fn version(cluster: &ConsulCluster, defaults: &Defaults) -> String {
    cluster.spec.version.clone().unwrap_or_else(|| defaults.version.clone())
}

/// The pods' identity; it has no rights, and its token is not mounted.
fn service_account(names: &Names, component: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": format!("{}-{component}", names.cluster), "labels": names.labels(component)},
        "automountServiceAccountToken": false,
    })
}

/// The cluster's name for messages: `namespace/name`.
pub fn display_name(cluster: &ConsulCluster) -> String {
    format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any())
}

/// A short name for a value, the same in every build (FNV-1a). Not a safeguard: it only has to differ when the
/// value does.
pub fn hash(value: &Value) -> String {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = value.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    format!("{hash:016x}")
}
