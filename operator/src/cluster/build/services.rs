//! The Services of a cluster.

use serde_json::{Value, json};

use crate::api::ConsulClusterSpec;
use crate::cluster::names::{Names, PORT_DNS, PORT_HTTP, PORT_RPC, PORT_SERF_LAN};

/// The headless Service: finds every server pod, also those that are not ready, because servers need each
/// other before any of them can be ready.
pub fn headless(names: &Names) -> Value {
    service(
        names,
        &names.server(),
        "server",
        &json!({
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": names.component_selector("server"),
            "ports": [
                port("http", PORT_HTTP, PORT_HTTP, "TCP"),
                port("rpc", PORT_RPC, PORT_RPC, "TCP"),
                port("serf-lan-tcp", PORT_SERF_LAN, PORT_SERF_LAN, "TCP"),
                port("serf-lan-udp", PORT_SERF_LAN, PORT_SERF_LAN, "UDP"),
            ],
        }),
    )
}

/// The Service with the cluster's name: the HTTP API of the servers.
pub fn http(names: &Names, spec: &ConsulClusterSpec) -> Value {
    let wanted = &spec.services.http;
    let mut object = service(
        names,
        &names.http_service(),
        "server",
        &json!({
            "type": wanted.type_,
            "selector": names.component_selector("server"),
            "ports": [port("http", PORT_HTTP, PORT_HTTP, "TCP")],
        }),
    );
    if !wanted.annotations.is_empty() {
        object["metadata"]["annotations"] = json!(wanted.annotations);
    }
    object
}

/// The Service that reaches the client agent on the caller's own node, and no other.
pub fn agent(names: &Names) -> Value {
    service(
        names,
        &names.agent_service(),
        "client",
        &json!({
            "internalTrafficPolicy": "Local",
            "selector": names.component_selector("client"),
            "ports": [
                port("http", PORT_HTTP, PORT_HTTP, "TCP"),
                port("dns", PORT_DNS, PORT_DNS, "UDP"),
                port("dns-tcp", PORT_DNS, PORT_DNS, "TCP"),
            ],
        }),
    )
}

/// DNS on its usual port, answered by every agent.
pub fn dns(names: &Names) -> Value {
    service(
        names,
        &names.dns_service(),
        "dns",
        &json!({
            "selector": names.selector(),
            "ports": [port("dns", 53, PORT_DNS, "UDP"), port("dns-tcp", 53, PORT_DNS, "TCP")],
        }),
    )
}

fn service(names: &Names, name: &str, component: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": names.labels(component)},
        "spec": spec,
    })
}

fn port(name: &str, port: u16, target: u16, protocol: &str) -> Value {
    json!({"name": name, "port": port, "targetPort": target, "protocol": protocol})
}
