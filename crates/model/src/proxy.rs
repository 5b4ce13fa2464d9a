//! The settings of proxies and gateways, and the rules that services of these kinds must follow.
//!
//! The catalog keeps the settings as JSON ([`NodeService::proxy`]); these types read them where they matter.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Map;

use crate::service::null_as_default;
use crate::{Json, NodeService, ServiceName};

/// Kind of a service that proxies for one other.
pub const CONNECT_PROXY: &str = "connect-proxy";
/// Kind of a service that leads out of the mesh.
pub const TERMINATING_GATEWAY: &str = "terminating-gateway";
/// Kind of a service that leads into the mesh.
pub const INGRESS_GATEWAY: &str = "ingress-gateway";
/// Kind of a service that leads to other datacenters.
pub const MESH_GATEWAY: &str = "mesh-gateway";

/// Where an upstream without an address listens.
const LOCAL_ADDRESS: &str = "127.0.0.1";

/// The settings of a proxy as far as anything here acts on them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProxySettings {
    /// Service that it proxies for.
    #[serde(deserialize_with = "null_as_default")]
    pub destination_service_name: String,
    /// Instance that it proxies for.
    #[serde(rename = "DestinationServiceID", deserialize_with = "null_as_default")]
    pub destination_service_id: String,
    /// Where that instance listens.
    #[serde(deserialize_with = "null_as_default")]
    pub local_service_address: String,
    /// Port of that instance.
    #[serde(deserialize_with = "null_as_default")]
    pub local_service_port: i64,
    /// Services that the proxy makes reachable.
    #[serde(deserialize_with = "null_as_default")]
    pub upstreams: Vec<Upstream>,
    /// Paths that are reachable without the mesh.
    #[serde(deserialize_with = "null_as_default")]
    pub expose: Expose,
}

/// A service that a proxy makes reachable on a local port.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Upstream {
    /// `service` or `prepared_query`.
    pub destination_type: String,
    /// Namespace of the service.
    pub destination_namespace: String,
    /// Name of the service or query.
    pub destination_name: String,
    /// Datacenter of the service.
    pub datacenter: String,
    /// Address to listen on; local when empty.
    pub local_bind_address: String,
    /// Port to listen on.
    pub local_bind_port: i64,
}

/// What a proxy lets through without the mesh.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Expose {
    /// HTTP paths.
    #[serde(deserialize_with = "null_as_default")]
    pub paths: Vec<ExposedPath>,
}

/// A path that is reachable without the mesh.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ExposedPath {
    /// Port that the proxy listens on for it.
    #[serde(skip_serializing_if = "is_zero")]
    pub listener_port: i64,
    /// The path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Port of the service.
    #[serde(skip_serializing_if = "is_zero")]
    pub local_path_port: i64,
    /// `http` or `http2`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Whether a health check asked for it.
    pub parsed_from_check: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl NodeService {
    /// The proxy settings; what cannot be read is as if it were absent.
    #[must_use]
    pub fn proxy_settings(&self) -> ProxySettings {
        ProxySettings::deserialize(&self.proxy).unwrap_or_default()
    }

    /// Whether it is any kind of gateway.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        matches!(self.kind.as_str(), MESH_GATEWAY | TERMINATING_GATEWAY | INGRESS_GATEWAY)
    }

    /// Whether it speaks the mesh's protocol by itself.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.connect.get("Native").and_then(Json::as_bool).unwrap_or(false)
    }

    /// The service that the mesh reaches through this instance: what a proxy stands for, or a native service itself.
    #[must_use]
    pub fn mesh_destination(&self) -> Option<ServiceName> {
        if self.kind == CONNECT_PROXY {
            let name = self.proxy.get("DestinationServiceName").and_then(Json::as_str).unwrap_or_default();
            return (!name.is_empty()).then(|| ServiceName::new(name));
        }
        self.is_native().then(|| self.service.clone())
    }

    /// The rules that a proxy or gateway breaks, one sentence each; `has_sidecar` tells whether it asks for a sidecar.
    #[must_use]
    pub fn mesh_problems(&self, has_sidecar: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let proxy = self.proxy_settings();
        if self.kind == CONNECT_PROXY {
            self.proxy_problems(&proxy, &mut problems);
        }
        if self.is_gateway() {
            self.gateway_problems(&proxy, has_sidecar, &mut problems);
        }
        problems
    }

    fn proxy_problems(&self, proxy: &ProxySettings, problems: &mut Vec<String>) {
        if proxy.destination_service_name.trim().is_empty() {
            problems.push("Proxy.DestinationServiceName must be non-empty for Connect proxy services".to_owned());
        }
        if self.port == 0 {
            problems.push("Port must be set for a Connect proxy".to_owned());
        }
        if self.is_native() {
            problems.push("A Proxy cannot also be Connect Native, only typical services".to_owned());
        }
        upstream_problems(&proxy.upstreams, problems);
        path_problems(&proxy.expose.paths, problems);
    }

    fn gateway_problems(&self, proxy: &ProxySettings, has_sidecar: bool, problems: &mut Vec<String>) {
        let kind = &self.kind;
        if self.port == 0 && kind != INGRESS_GATEWAY {
            problems.push(format!("Port must be non-zero for a {kind}"));
        }
        if has_sidecar {
            problems.push(format!("A {kind} cannot have a sidecar service defined"));
        }
        let given = [
            ("DestinationServiceName", !proxy.destination_service_name.is_empty()),
            ("DestinationServiceID", !proxy.destination_service_id.is_empty()),
            ("LocalServiceAddress", !proxy.local_service_address.is_empty()),
            ("LocalServicePort", proxy.local_service_port != 0),
            ("Upstreams", !proxy.upstreams.is_empty()),
        ];
        for (field, _) in given.iter().filter(|(_, is_given)| *is_given) {
            problems.push(format!("The Proxy.{field} configuration is invalid for a {kind}"));
        }
    }
}

fn upstream_problems(upstreams: &[Upstream], problems: &mut Vec<String>) {
    let (mut addresses, mut destinations) = (BTreeSet::new(), BTreeSet::new());
    for upstream in upstreams {
        if let Some(problem) = upstream.problem() {
            problems.push(problem);
            continue;
        }
        let address = upstream.bind_address();
        if !addresses.insert(address.clone()) {
            problems.push(format!(
                "upstreams cannot contain duplicates by local bind address and port; \"{address}\" is specified twice"
            ));
        }
        let destination = upstream.destination();
        if !destinations.insert(destination.clone()) {
            problems.push(format!("upstreams cannot contain duplicates of {destination}"));
        }
    }
}

fn path_problems(paths: &[ExposedPath], problems: &mut Vec<String>) {
    let (mut known, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for path in paths {
        if path.path.is_empty() {
            problems.push("expose.paths: empty path exposed".to_owned());
        }
        if !known.insert(&path.path) {
            problems.push("expose.paths: duplicate paths exposed".to_owned());
        }
        if !ports.insert(path.listener_port) {
            problems.push("expose.paths: duplicate listener ports exposed".to_owned());
        }
        if !(1..=65_535).contains(&path.listener_port) {
            problems.push(format!("expose.paths: invalid listener port: {}", path.listener_port));
        }
        if !matches!(path.protocol.to_lowercase().as_str(), "" | "http" | "http2") {
            let (protocol, path) = (path.protocol.to_lowercase(), &path.path);
            problems.push(format!("protocol '{protocol}' not supported for path: {path}, must be in: [http http2]"));
        }
    }
}

impl Upstream {
    fn problem(&self) -> Option<String> {
        if !matches!(self.destination_type.as_str(), "" | "service" | "prepared_query") {
            return Some(format!("unknown upstream destination type: \"{}\"", self.destination_type));
        }
        if self.destination_name.is_empty() {
            return Some("upstream destination name cannot be empty".to_owned());
        }
        (self.local_bind_port == 0).then(|| "upstream local bind port cannot be zero".to_owned())
    }

    fn bind_address(&self) -> String {
        let address = if self.local_bind_address.is_empty() { LOCAL_ADDRESS } else { &self.local_bind_address };
        match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => format!("[{address}]:{}", self.local_bind_port),
            _ => format!("{address}:{}", self.local_bind_port),
        }
    }

    fn destination(&self) -> String {
        let kind = if self.destination_type.is_empty() { "service" } else { &self.destination_type };
        format!(
            "[type=\"{kind}\", name=\"{}\", namespace=\"{}\", datacenter=\"{}\"]",
            self.destination_name, self.destination_namespace, self.datacenter
        )
    }
}

/// Proxy settings as the catalog shows them: fields in their order, empty ones left out, some always there.
#[must_use]
pub fn shown_proxy(proxy: Json) -> Json {
    const FIELDS: [&str; 8] = [
        "DestinationServiceName",
        "DestinationServiceID",
        "LocalServiceAddress",
        "LocalServicePort",
        "Config",
        "Upstreams",
        "MeshGateway",
        "Expose",
    ];
    let Json::Object(mut given) = proxy else { return shown_proxy(Json::Object(Map::new())) };
    if let Some(Json::Array(upstreams)) = given.get_mut("Upstreams") {
        upstreams.iter_mut().for_each(|upstream| *upstream = shown_upstream(upstream.take()));
    }
    let expose = shown_expose(given.remove("Expose").unwrap_or_default());
    given.insert("Expose".to_owned(), expose);
    Json::Object(shown(given, &FIELDS, &["MeshGateway", "Expose"]))
}

fn shown_upstream(upstream: Json) -> Json {
    const FIELDS: [&str; 8] = [
        "DestinationType",
        "DestinationNamespace",
        "DestinationName",
        "Datacenter",
        "LocalBindAddress",
        "LocalBindPort",
        "Config",
        "MeshGateway",
    ];
    let Json::Object(mut given) = upstream else { return shown_upstream(Json::Object(Map::new())) };
    for name in ["DestinationType", "DestinationName", "Datacenter"] {
        given.entry(name).or_insert_with(|| Json::from(""));
    }
    given.entry("LocalBindPort").or_insert_with(|| Json::from(0));
    given.entry("Config").or_insert(Json::Null);
    let always = ["DestinationType", "DestinationName", "Datacenter", "LocalBindPort", "Config", "MeshGateway"];
    Json::Object(shown(given, &FIELDS, &always))
}

/// What a proxy exposes, as the catalog shows it.
#[must_use]
pub fn shown_expose(expose: Json) -> Json {
    let Json::Object(mut given) = expose else { return Json::Object(Map::new()) };
    if let Some(Json::Array(paths)) = given.get_mut("Paths") {
        for path in paths {
            let typed = ExposedPath::deserialize(&*path).unwrap_or_default();
            *path = serde_json::to_value(typed).unwrap_or_default();
        }
    }
    Json::Object(shown(given, &["Checks", "Paths"], &[]))
}

/// The fields in order; empty ones are left out, except those that are always shown (as `{}` if absent).
fn shown(mut given: Map<String, Json>, fields: &[&str], always: &[&str]) -> Map<String, Json> {
    let mut shown = Map::new();
    for field in fields {
        let value = given.remove(*field);
        if always.contains(field) {
            shown.insert((*field).to_owned(), value.unwrap_or_else(|| Json::Object(Map::new())));
        } else if let Some(value) = value.filter(|value| !is_empty(value)) {
            shown.insert((*field).to_owned(), value);
        }
    }
    shown
}

/// Whether a value says nothing: null, false, zero, or empty.
fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Bool(true) => false,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(pairs) => pairs.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(kind: &str, port: i64, proxy: Json) -> Vec<String> {
        let service = NodeService { kind: kind.to_owned(), port, proxy, ..NodeService::default() };
        service.mesh_problems(false)
    }

    #[test]
    fn proxies_are_held_to_their_rules() {
        assert_eq!(problems("", 0, json!({"Upstreams": [{}]})), Vec::<String>::new());
        assert_eq!(problems(CONNECT_PROXY, 0, json!({})).len(), 2);
        let upstreams = json!([
            {"DestinationName": "a", "LocalBindPort": 1}, {"DestinationName": "b", "LocalBindPort": 1},
            {"DestinationName": "a", "LocalBindPort": 2}, {"LocalBindPort": 1}, {"DestinationName": "c"},
        ]);
        let found = problems(CONNECT_PROXY, 1, json!({"DestinationServiceName": "x", "Upstreams": upstreams}));
        let bound =
            "upstreams cannot contain duplicates by local bind address and port; \"127.0.0.1:1\" is specified twice";
        let named = r#"upstreams cannot contain duplicates of [type="service", name="a", namespace="", datacenter=""]"#;
        let empty = "upstream destination name cannot be empty";
        assert_eq!(found, [bound, named, empty, "upstream local bind port cannot be zero"]);
        let paths = json!({"Paths": [{"Path": "/a", "ListenerPort": 1}, {"Path": "/a", "Protocol": "tcp"}]});
        let found = problems(CONNECT_PROXY, 1, json!({"DestinationServiceName": "x", "Expose": paths}));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn gateways_have_no_destination() {
        assert!(problems(INGRESS_GATEWAY, 0, json!({})).is_empty());
        assert_eq!(problems(MESH_GATEWAY, 0, json!({})), ["Port must be non-zero for a mesh-gateway"]);
        let wrong = problems(MESH_GATEWAY, 1, json!({"DestinationServiceName": "x", "LocalServicePort": 1}));
        assert_eq!(wrong.len(), 2);
    }
}
