//! A compiled chain as `/v1/discovery-chain` shows it.

use std::time::Duration;

use model::{DEFAULT_NAMESPACE, Json, format_duration};
use serde_json::{Map, json};

use super::chain::{Chain, Node, Overrides, Target};

/// The answer's `Chain`.
pub(super) fn document(chain: Chain, trust_domain: &str) -> Json {
    let mut shown = Map::new();
    shown.insert("ServiceName".to_owned(), chain.service.into());
    shown.insert("Namespace".to_owned(), DEFAULT_NAMESPACE.into());
    shown.insert("Datacenter".to_owned(), chain.datacenter.into());
    if chain.customized != Overrides::default() {
        shown.insert("CustomizationHash".to_owned(), customization_hash(&chain.customized).into());
    }
    shown.insert("Protocol".to_owned(), chain.protocol.into());
    shown.insert("StartNode".to_owned(), chain.start.into());
    let nodes = chain.nodes.iter().map(|(key, shown)| (key.clone(), node(key, shown)));
    shown.insert("Nodes".to_owned(), Json::Object(nodes.collect()));
    let targets = chain.targets.iter().map(|(id, shown)| (id.clone(), target(id, shown, trust_domain)));
    shown.insert("Targets".to_owned(), Json::Object(targets.collect()));
    Json::Object(shown)
}

fn node(key: &str, node: &Node) -> Json {
    let name = key.split_once(':').map_or(key, |(_, name)| name);
    match node {
        Node::Router(routes) => {
            let route = |(definition, next): &(Json, String)| json!({"Definition": definition, "NextNode": next});
            json!({"Type": "router", "Name": name, "Routes": routes.iter().map(route).collect::<Vec<_>>()})
        }
        Node::Splitter(splits) => {
            let split = |(weight, next): &(i64, String)| json!({"Weight": percent(*weight), "NextNode": next});
            json!({"Type": "splitter", "Name": name, "Splits": splits.iter().map(split).collect::<Vec<_>>()})
        }
        Node::Resolver(resolver) => {
            let timeout = Duration::from_nanos(resolver.connect_timeout.unsigned_abs());
            let mut shown = Map::new();
            shown.insert("ConnectTimeout".to_owned(), format_duration(timeout).into());
            if resolver.is_default {
                shown.insert("Default".to_owned(), true.into());
            }
            shown.insert("Target".to_owned(), resolver.target.clone().into());
            if !resolver.failover.is_empty() {
                shown.insert("Failover".to_owned(), json!({"Targets": resolver.failover}));
            }
            json!({"Type": "resolver", "Name": name, "Resolver": shown})
        }
    }
}

/// Hundredths of a percent as percent, whole where they are.
fn percent(weight: i64) -> Json {
    if weight % 100 == 0 { json!(weight / 100) } else { json!(weight as f64 / 100.0) }
}

fn target(id: &str, target: &Target, trust_domain: &str) -> Json {
    let name = format!("{id}.internal.{trust_domain}");
    let mut shown = Map::new();
    shown.insert("ID".to_owned(), id.into());
    shown.insert("Service".to_owned(), target.service.clone().into());
    if !target.subset.is_empty() {
        shown.insert("ServiceSubset".to_owned(), target.subset.clone().into());
    }
    shown.insert("Namespace".to_owned(), target.namespace.clone().into());
    shown.insert("Datacenter".to_owned(), target.datacenter.clone().into());
    let gateway = if target.mesh_gateway.is_empty() { json!({}) } else { json!({"Mode": target.mesh_gateway}) };
    shown.insert("MeshGateway".to_owned(), gateway);
    shown.insert("Subset".to_owned(), target.subset_definition.clone());
    if !target.external_sni.is_empty() {
        shown.insert("External".to_owned(), true.into());
    }
    let sni = if target.external_sni.is_empty() { &name } else { &target.external_sni };
    shown.insert("SNI".to_owned(), sni.clone().into());
    shown.insert("Name".to_owned(), name.into());
    Json::Object(shown)
}

/// The first eight digits of the hash that Consul makes of the overrides (structural, over FNV-1 of 64 bits), so that
/// proxies which are configured by either see the same names.
fn customization_hash(overrides: &Overrides) -> String {
    let field = |name: &str, value: u64| ordered(text(name), value);
    let gateway = text("MeshGatewayConfig") ^ field("Mode", text(&overrides.mesh_gateway));
    let whole = text("")
        ^ field("OverrideMeshGateway", gateway)
        ^ field("OverrideProtocol", text(&overrides.protocol))
        ^ field("OverrideConnectTimeout", fnv(&overrides.connect_timeout.to_le_bytes()));
    let digits = format!("{whole:x}");
    digits.chars().take(8).collect()
}

fn text(text: &str) -> u64 {
    fnv(text.as_bytes())
}

fn ordered(first: u64, second: u64) -> u64 {
    let bytes: Vec<u8> = first.to_le_bytes().into_iter().chain(second.to_le_bytes()).collect();
    fnv(&bytes)
}

fn fnv(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| hash.wrapping_mul(PRIME) ^ u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_overrides_is_consuls() {
        let overrides = Overrides {
            protocol: "grpc".to_owned(),
            connect_timeout: 22_000_000_000,
            mesh_gateway: "local".to_owned(),
        };
        assert_eq!(customization_hash(&overrides), "98809527");
    }
}
