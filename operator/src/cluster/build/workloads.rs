//! StatefulSet of the servers, DaemonSet of the client agents, and the servers' disruption budget.

use serde_json::{Value, json};

use super::{Defaults, config, pods};
use crate::api::ConsulClusterSpec;
use crate::cluster::names::Names;

/// The servers. Pods start all at once, because none is ready before a majority runs, and are replaced only
/// when the operator deletes them, because the order matters to the quorum.
pub fn servers(names: &Names, spec: &ConsulClusterSpec, defaults: &Defaults) -> Value {
    let settings = config::server_settings(names, spec);
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": names.server(), "labels": names.labels("server")},
        "spec": {
            "serviceName": names.server(),
            "replicas": spec.server.replicas,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": names.component_selector("server")},
            "template": pods::server(names, spec, defaults, &settings),
        },
    });
    let storage = &spec.server.storage;
    if !storage.ephemeral {
        let mut claim = json!({
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": storage.size}},
        });
        if let Some(class) = &storage.class_name {
            claim["storageClassName"] = class.clone().into();
        }
        object["spec"]["volumeClaimTemplates"] = json!([{
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "labels": names.component_selector("server")},
            "spec": claim,
        }]);
        // Data outlives the cluster object: deleting that by mistake must not delete it.
        object["spec"]["persistentVolumeClaimRetentionPolicy"] =
            json!({"whenDeleted": "Retain", "whenScaled": "Delete"});
    }
    object
}

/// The client agents, one on each node.
pub fn clients(names: &Names, spec: &ConsulClusterSpec, defaults: &Defaults) -> Value {
    let settings = config::client_settings(names, spec);
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": names.client(), "labels": names.labels("client")},
        "spec": {
            "selector": {"matchLabels": names.component_selector("client")},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": pods::client(names, spec, defaults, &settings),
        },
    })
}

/// At most one server may be evicted at a time.
pub fn disruption_budget(names: &Names) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": names.server(), "labels": names.labels("server")},
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": names.component_selector("server")},
        },
    })
}
