//! What the pods of servers and client agents have in common, and what not.

use serde_json::{Map, Value, json};

use super::{Defaults, hash};
use crate::api::{ConsulClusterSpec, Resources, Spread};
use crate::cluster::names::{CONFIG_HASH, Names, PORT_DNS, PORT_HTTP, PORT_RPC, PORT_SERF_LAN, USER};

/// How long a stopping server keeps answering before it hands over, in seconds. Meanwhile the Services stop
/// sending it new requests.
const SERVER_DRAIN_SECONDS: i64 = 2;
/// How long an agent may take to stop, in seconds.
const GRACE_SECONDS: i64 = 30;

/// The pod template of the servers.
pub fn server(names: &Names, spec: &ConsulClusterSpec, defaults: &Defaults, settings: &Value) -> Value {
    let mut container = container(spec, defaults, &spec.server.resources, "metadata.name");
    container["lifecycle"] = json!({"preStop": {"sleep": {"seconds": SERVER_DRAIN_SECONDS}}});
    let mut pod = pod(names, spec, "server", &container);
    if let Some(affinity) = anti_affinity(names, spec.server.spread) {
        pod["affinity"] = affinity;
    }
    if spec.server.spread != Spread::None {
        pod["topologySpreadConstraints"] = json!([{
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": names.component_selector("server")},
        }]);
    }
    if spec.server.storage.ephemeral {
        push(&mut pod["volumes"], json!({"name": "data", "emptyDir": {}}));
    }
    template(names, "server", settings, &pod)
}

/// The pod template of the client agents; each takes the name of its Kubernetes node, which is the node that
/// services on it appear under in the catalog.
pub fn client(names: &Names, spec: &ConsulClusterSpec, defaults: &Defaults, settings: &Value) -> Value {
    let container = container(spec, defaults, &spec.client.resources, "spec.nodeName");
    let mut pod = pod(names, spec, "client", &container);
    push(&mut pod["volumes"], json!({"name": "data", "emptyDir": {}}));
    if !spec.client.node_selector.is_empty() {
        pod["nodeSelector"] = json!(spec.client.node_selector);
    }
    if !spec.client.tolerations.is_empty() {
        pod["tolerations"] = json!(spec.client.tolerations);
    }
    template(names, "client", settings, &pod)
}

/// The image of the agents: what the spec names, else what the operator runs itself.
pub fn image(spec: &ConsulClusterSpec, defaults: &Defaults) -> String {
    let own_repository = match defaults.image.split_once('@') {
        Some((repository, _)) => repository,
        None => {
            defaults.image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(&*defaults.image, |(r, _)| r)
        }
    };
    let repository = spec.image.repository.as_deref().unwrap_or(own_repository);
    match (&spec.image.digest, &spec.version) {
        (Some(digest), _) => format!("{repository}@{digest}"),
        (None, Some(version)) => format!("{repository}:{version}"),
        (None, None) if spec.image.repository.is_none() => defaults.image.clone(),
        (None, None) => format!("{repository}:{}", defaults.version),
    }
}

fn container(spec: &ConsulClusterSpec, defaults: &Defaults, resources: &Resources, node_name_field: &str) -> Value {
    let from_field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    json!({
        "name": "consul",
        "image": image(spec, defaults),
        "imagePullPolicy": spec.image.pull_policy,
        "args": ["agent", "-config-dir=/consul/config", "-node=$(NODE_NAME)", "-advertise=$(POD_IP)"],
        "env": [
            {"name": "NODE_NAME", "valueFrom": from_field(node_name_field)},
            {"name": "POD_IP", "valueFrom": from_field("status.podIP")},
        ],
        "ports": [
            {"name": "http", "containerPort": PORT_HTTP, "protocol": "TCP"},
            {"name": "dns", "containerPort": PORT_DNS, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": PORT_DNS, "protocol": "TCP"},
            {"name": "serf-lan-tcp", "containerPort": PORT_SERF_LAN, "protocol": "TCP"},
            {"name": "serf-lan-udp", "containerPort": PORT_SERF_LAN, "protocol": "UDP"},
            {"name": "rpc", "containerPort": PORT_RPC, "protocol": "TCP"},
        ],
        // Ready means: knows a leader, so that a request can be answered.
        "readinessProbe": {
            "httpGet": {"path": "/v1/agent/ready", "port": "http"},
            "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 5,
        },
        // Alive means: answers at all. Losing the leader is no reason to be restarted.
        "livenessProbe": {
            "httpGet": {"path": "/v1/agent/self", "port": "http"},
            "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6,
        },
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/consul/config", "readOnly": true},
            {"name": "data", "mountPath": "/consul/data"},
        ],
    })
}

fn pod(names: &Names, spec: &ConsulClusterSpec, component: &str, container: &Value) -> Value {
    let name = format!("{}-{component}", names.cluster);
    let mut pod = json!({
        "serviceAccountName": name,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": name}}],
    });
    if !spec.image.pull_secrets.is_empty() {
        pod["imagePullSecrets"] = spec.image.pull_secrets.iter().map(|name| json!({"name": name})).collect();
    }
    pod
}

fn template(names: &Names, component: &str, settings: &Value, pod: &Value) -> Value {
    let mut annotations = Map::new();
    annotations.insert(CONFIG_HASH.to_owned(), hash(settings).into());
    json!({
        "metadata": {"labels": names.labels(component), "annotations": annotations},
        "spec": pod,
    })
}

fn anti_affinity(names: &Names, spread: Spread) -> Option<Value> {
    let term = json!({
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": names.component_selector("server")},
    });
    let rule = match spread {
        Spread::None => return None,
        Spread::Preferred => json!({
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}],
        }),
        Spread::Required => json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]}),
    };
    Some(json!({"podAntiAffinity": rule}))
}

fn push(list: &mut Value, item: Value) {
    if let Value::Array(items) = list {
        items.push(item);
    }
}
