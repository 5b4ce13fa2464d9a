//! The hash of a service that `?hash` waits on, equal to Consul's, so that a client may move between the two programs.
//!
//! Consul hashes the object of its Go client with FNV-1 of 64 bits: a list folds the hashes of its members in order, a map or
//! structure takes the exclusive or over its (name, value) pairs, a structure adds the hash of its type's name, and what is
//! absent counts as the number 0. Checked against the value that the Go client's own tests expect.

use model::{Json, NodeService};
use serde_json::json;

/// A structure's type name with its fields and what they are when absent.
type Shape = (&'static str, &'static [(&'static str, Kind)]);

/// Kinds of value, as far as services have them.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    /// Anything that JSON has: the free settings of a proxy.
    Free,
    List(&'static Kind),
    Map(&'static Kind),
    Struct(&'static Shape),
    /// A structure that may be absent.
    Pointer(&'static Shape),
}

use Kind::{Flag, Free, List, Map, Number, Pointer, Struct, Text};

const ADDRESS: Shape = ("ServiceAddress", &[("Address", Text), ("Port", Number)]);
const WEIGHTS: Shape = ("AgentWeights", &[("Passing", Number), ("Warning", Number)]);
const MESH_GATEWAY: Shape = ("MeshGatewayConfig", &[("Mode", Text)]);
const PATH: Shape = (
    "ExposePath",
    &[
        ("ListenerPort", Number),
        ("Path", Text),
        ("LocalPathPort", Number),
        ("Protocol", Text),
        ("ParsedFromCheck", Flag),
    ],
);
const EXPOSE: Shape = ("ExposeConfig", &[("Checks", Flag), ("Paths", List(&Struct(&PATH)))]);
const UPSTREAM: Shape = (
    "Upstream",
    &[
        ("DestinationType", Text),
        ("DestinationNamespace", Text),
        ("DestinationName", Text),
        ("Datacenter", Text),
        ("LocalBindAddress", Text),
        ("LocalBindPort", Number),
        ("Config", Map(&Free)),
        ("MeshGateway", Struct(&MESH_GATEWAY)),
    ],
);
const PROXY: Shape = (
    "AgentServiceConnectProxyConfig",
    &[
        ("DestinationServiceName", Text),
        ("DestinationServiceID", Text),
        ("LocalServiceAddress", Text),
        ("LocalServicePort", Number),
        ("Config", Map(&Free)),
        ("Upstreams", List(&Struct(&UPSTREAM))),
        ("MeshGateway", Struct(&MESH_GATEWAY)),
        ("Expose", Struct(&EXPOSE)),
    ],
);
const CONNECT: Shape = ("AgentServiceConnect", &[("Native", Flag), ("SidecarService", Free)]);
const SERVICE: Shape = (
    "AgentService",
    &[
        ("Kind", Text),
        ("ID", Text),
        ("Service", Text),
        ("Tags", List(&Text)),
        ("Meta", Map(&Text)),
        ("Port", Number),
        ("Address", Text),
        ("TaggedAddresses", Map(&Struct(&ADDRESS))),
        ("Weights", Struct(&WEIGHTS)),
        ("EnableTagOverride", Flag),
        ("CreateIndex", Number),
        ("ModifyIndex", Number),
        ("ContentHash", Text),
        ("Proxy", Pointer(&PROXY)),
        ("Connect", Pointer(&CONNECT)),
    ],
);

/// The hash as Consul writes it: hexadecimal without leading zeros. `proxy` and `connect` are what the agent shows.
#[must_use]
pub fn content_hash(service: &NodeService, proxy: Option<&Json>, connect: Option<&Json>) -> String {
    let shown = json!({
        "Kind": service.kind,
        "ID": service.id,
        "Service": service.service,
        "Tags": service.tags,
        "Meta": service.meta,
        "Port": service.port,
        "Address": service.address,
        "TaggedAddresses": service.tagged_addresses,
        "Weights": service.weights,
        "EnableTagOverride": service.enable_tag_override,
        "Proxy": proxy,
        "Connect": connect,
    });
    format!("{:x}", of(Struct(&SERVICE), &shown))
}

/// FNV-1, 64 bits (Fowler, Noll, Vo).
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte))
}

fn folded(first: u64, second: u64) -> u64 {
    fnv(&[first.to_le_bytes(), second.to_le_bytes()].concat())
}

fn text(text: &str) -> u64 {
    fnv(text.as_bytes())
}

fn number(number: i64) -> u64 {
    fnv(&number.to_le_bytes())
}

fn of(kind: Kind, value: &Json) -> u64 {
    match kind {
        Text => text(value.as_str().unwrap_or_default()),
        Number => number(value.as_i64().unwrap_or_default()),
        Flag => fnv(&[u8::from(value.as_bool().unwrap_or_default())]),
        Free => free(value),
        List(of_member) => {
            let members = value.as_array().into_iter().flatten();
            members.fold(0, |hash, member| folded(hash, of(*of_member, member)))
        }
        Map(of_value) => {
            let pairs = value.as_object().into_iter().flatten();
            pairs.fold(0, |hash, (key, value)| hash ^ folded(text(key), of(*of_value, value)))
        }
        Pointer(_) if value.is_null() => number(0),
        Struct((name, fields)) | Pointer((name, fields)) => {
            let pair = |(name, kind): &(&str, Kind)| folded(text(name), of(*kind, &value[*name]));
            fields.iter().fold(text(name), |hash, field| hash ^ pair(field))
        }
    }
}

/// A value whose type is only known from the JSON, where every number is a float.
fn free(value: &Json) -> u64 {
    match value {
        Json::Null => number(0),
        Json::Bool(flag) => fnv(&[u8::from(*flag)]),
        Json::Number(number) => fnv(&number.as_f64().unwrap_or_default().to_le_bytes()),
        Json::String(word) => text(word),
        Json::Array(_) => of(List(&Free), value),
        Json::Object(_) => of(Map(&Free), value),
    }
}

#[cfg(test)]
mod tests {
    use model::TextMap;

    use super::*;

    fn foo() -> NodeService {
        NodeService {
            id: "foo".into(),
            service: "foo".into(),
            tags: vec!["bar".to_owned(), "baz".to_owned()],
            port: 8000,
            meta: Some(TextMap::new()),
            ..NodeService::default()
        }
    }

    #[test]
    fn the_hash_is_consuls() {
        assert_eq!(content_hash(&foo(), None, None), "6b13684bfe179e67");
    }

    #[test]
    fn every_part_counts() {
        let mut hashes = vec![content_hash(&foo(), None, None)];
        let mut other = foo();
        other.tags.reverse();
        hashes.push(content_hash(&other, None, None));
        other.meta = Some(TextMap::from([("a".to_owned(), "1".to_owned())]));
        hashes.push(content_hash(&other, None, None));
        hashes.push(content_hash(&other, Some(&json!({"DestinationServiceName": "web"})), None));
        hashes.push(content_hash(&other, Some(&json!({"Config": {"a": 1}})), None));
        hashes.push(content_hash(&other, None, Some(&json!({"Native": true}))));
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
