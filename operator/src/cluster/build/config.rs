//! The agents' configuration files, in ConfigMaps.

use serde_json::{Map, Value, json};

use crate::api::{ConsulClusterSpec, ExtraConfig};
use crate::cluster::names::{Names, PORT_DNS, PORT_HTTP, PORT_RPC, PORT_SERF_LAN};
use crate::coredns;

/// File with everything that needs a restart.
const AGENT_FILE: &str = "agent.json";
/// File with what only matters to a server that starts without data; changing it restarts nothing.
const BOOTSTRAP_FILE: &str = "bootstrap.json";

/// The servers' ConfigMap.
pub fn server(names: &Names, spec: &ConsulClusterSpec) -> Value {
    let bootstrap = json!({"bootstrap_expect": spec.server.replicas});
    config_map(names, "server", &[(AGENT_FILE, &server_settings(names, spec)), (BOOTSTRAP_FILE, &bootstrap)])
}

/// The client agents' ConfigMap.
pub fn client(names: &Names, spec: &ConsulClusterSpec) -> Value {
    config_map(names, "client", &[(AGENT_FILE, &client_settings(names, spec))])
}

/// What a server must be restarted for when it changes.
pub fn server_settings(names: &Names, spec: &ConsulClusterSpec) -> Value {
    let mut settings = common(names, spec);
    settings.insert("server".to_owned(), true.into());
    // A server that stops keeps its vote: it hands leadership over and comes back, perhaps at a new address.
    settings.insert("leave_on_terminate".to_owned(), false.into());
    settings.insert("performance".to_owned(), json!({"raft_multiplier": 1}));
    merged(settings, &spec.server.extra_config)
}

/// What a client agent must be restarted for when it changes.
pub fn client_settings(names: &Names, spec: &ConsulClusterSpec) -> Value {
    let mut settings = common(names, spec);
    settings.insert("server".to_owned(), false.into());
    // A client agent that stops is not coming back at this address: without leaving it would count as failed.
    settings.insert("leave_on_terminate".to_owned(), true.into());
    merged(settings, &spec.client.extra_config)
}

/// The ConfigMap with the block that a person may insert into CoreDNS's configuration.
pub fn snippet(names: &Names, domain: &str, address: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": names.snippet(), "labels": names.labels("dns")},
        "data": {"Corefile": coredns::server_block(domain, address)},
    })
}

fn common(names: &Names, spec: &ConsulClusterSpec) -> Map<String, Value> {
    let settings = json!({
        "datacenter": spec.datacenter,
        "domain": spec.domain,
        "log_level": spec.log_level.config_name(),
        "data_dir": "/consul/data",
        "bind_addr": "0.0.0.0",
        "client_addr": "0.0.0.0",
        "ports": {"http": PORT_HTTP, "dns": PORT_DNS, "server": PORT_RPC, "serf_lan": PORT_SERF_LAN},
        "retry_join": [names.join()],
        // Each try asks DNS again; the first ones come before the other pods have addresses.
        "retry_interval": "500ms",
    });
    match settings {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Settings of the user win over ours; those that must not be set are refused before.
fn merged(mut settings: Map<String, Value>, extra: &ExtraConfig) -> Value {
    for (key, value) in &extra.0 {
        settings.insert(key.clone(), value.clone());
    }
    Value::Object(settings)
}

fn config_map(names: &Names, component: &str, files: &[(&str, &Value)]) -> Value {
    let data: Map<String, Value> =
        files.iter().map(|(name, value)| ((*name).to_owned(), pretty(value).into())).collect();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": format!("{}-{component}", names.cluster), "labels": names.labels(component)},
        "data": data,
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
