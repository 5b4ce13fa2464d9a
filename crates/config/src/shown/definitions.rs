//! Service and check definitions as the configuration in force shows them: every field, zero where nothing is set.

use model::{format_duration, parse_nanos};
use serde_json::{Map, Value, json};

use super::HIDDEN;
use crate::config::Config;

/// What a check keeps of its output where it does not say, bytes. The agent's own limit is applied beside it.
const OUTPUT_MAX_SIZE: usize = 4096;

/// All services.
pub(super) fn services(config: &Config) -> Value {
    config.services.iter().map(shown_service).collect()
}

/// All checks of the node, and those that name a service.
pub(super) fn checks(config: &Config) -> Value {
    let shown = config.checks.iter().map(|check| {
        let mut shown = common_check(check, OUTPUT_MAX_SIZE);
        for field in ["ID", "ServiceID"] {
            shown.insert(field.to_owned(), field_or(check, field, ""));
        }
        shown.insert("EnterpriseMeta".to_owned(), json!({}));
        shown.insert("Token".to_owned(), HIDDEN.into());
        Value::Object(shown)
    });
    shown.collect()
}

fn field_or(given: &Value, field: &str, default: impl Into<Value>) -> Value {
    given.get(field).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| default.into())
}

fn shown_service(service: &Value) -> Value {
    let checks = service["Checks"].as_array().into_iter().flatten().chain(service.get("Check"));
    let checks: Vec<Value> = checks.map(|check| service_check(check, OUTPUT_MAX_SIZE)).collect();
    let connect = service.get("Connect").map_or(Value::Null, |connect| {
        let sidecar = connect.get("SidecarService").map_or(Value::Null, shown_service);
        json!({"Native": field_or(connect, "Native", false), "SidecarService": sidecar})
    });
    let weights = &service["Weights"];
    let mut shown = json!({
        "Check": service_check(&Value::Null, 0),
        "Checks": checks,
        "Connect": connect,
        "EnableTagOverride": field_or(service, "EnableTagOverride", false),
        "EnterpriseMeta": {},
        "Meta": field_or(service, "Meta", json!({})),
        "Port": field_or(service, "Port", 0),
        "Proxy": service.get("Proxy").map_or(Value::Null, proxy),
        "TaggedAddresses": tagged(service),
        "Tags": field_or(service, "Tags", json!([])),
        "Token": HIDDEN,
        "Weights": {"Passing": field_or(weights, "Passing", 1), "Warning": field_or(weights, "Warning", 1)},
    });
    for field in ["Address", "ID", "Kind", "Name"] {
        shown[field] = field_or(service, field, "");
    }
    shown
}

fn tagged(service: &Value) -> Value {
    let Some(given) = service["TaggedAddresses"].as_object() else { return json!({}) };
    let address =
        |address: &Value| json!({"Address": field_or(address, "Address", ""), "Port": field_or(address, "Port", 0)});
    Value::Object(given.iter().map(|(name, given)| (name.clone(), address(given))).collect())
}

fn proxy(proxy: &Value) -> Value {
    let upstreams = proxy["Upstreams"].as_array().into_iter().flatten().map(upstream);
    let paths = proxy["Expose"]["Paths"].as_array().into_iter().flatten().map(|path| {
        json!({
            "ListenerPort": field_or(path, "ListenerPort", 0),
            "LocalPathPort": field_or(path, "LocalPathPort", 0),
            "ParsedFromCheck": false,
            "Path": field_or(path, "Path", ""),
            "Protocol": field_or(path, "Protocol", ""),
        })
    });
    json!({
        "Config": field_or(proxy, "Config", json!({})),
        "DestinationServiceID": field_or(proxy, "DestinationServiceID", ""),
        "DestinationServiceName": field_or(proxy, "DestinationServiceName", ""),
        "Expose": {"Checks": field_or(&proxy["Expose"], "Checks", false), "Paths": paths.collect::<Vec<_>>()},
        "LocalServiceAddress": field_or(proxy, "LocalServiceAddress", ""),
        "LocalServicePort": field_or(proxy, "LocalServicePort", 0),
        "MeshGateway": {"Mode": field_or(&proxy["MeshGateway"], "Mode", "")},
        "Upstreams": upstreams.collect::<Vec<_>>(),
    })
}

fn upstream(upstream: &Value) -> Value {
    json!({
        "Config": field_or(upstream, "Config", json!({})),
        "Datacenter": field_or(upstream, "Datacenter", ""),
        "DestinationName": field_or(upstream, "DestinationName", ""),
        "DestinationNamespace": field_or(upstream, "DestinationNamespace", ""),
        "DestinationType": field_or(upstream, "DestinationType", "service"),
        "IngressHosts": [],
        "LocalBindAddress": field_or(upstream, "LocalBindAddress", ""),
        "LocalBindPort": field_or(upstream, "LocalBindPort", 0),
        "MeshGateway": {"Mode": field_or(&upstream["MeshGateway"], "Mode", "")},
    })
}

fn service_check(check: &Value, output_max_size: usize) -> Value {
    let mut shown = common_check(check, output_max_size);
    shown.insert("CheckID".to_owned(), field_or(check, "CheckID", ""));
    for field in ["ProxyGRPC", "ProxyHTTP"] {
        shown.insert(field.to_owned(), "".into());
    }
    Value::Object(shown)
}

/// What checks of a service and of the node have in common.
fn common_check(check: &Value, output_max_size: usize) -> Map<String, Value> {
    const TEXTS: [&str; 12] = [
        "AliasNode",
        "AliasService",
        "Body",
        "DockerContainerID",
        "GRPC",
        "HTTP",
        "Method",
        "Name",
        "Notes",
        "Shell",
        "Status",
        "TCP",
    ];
    let mut shown: Map<String, Value> =
        TEXTS.iter().map(|field| ((*field).to_owned(), field_or(check, field, ""))).collect();
    for field in ["DeregisterCriticalServiceAfter", "Interval", "TTL", "Timeout"] {
        let nanos = check[field].as_str().and_then(|text| parse_nanos(text).ok());
        let nanos = nanos.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or_default();
        shown.insert(field.to_owned(), format_duration(std::time::Duration::from_nanos(nanos)).into());
    }
    for field in ["GRPCUseTLS", "TLSSkipVerify"] {
        shown.insert(field.to_owned(), field_or(check, field, false));
    }
    for field in ["FailuresBeforeCritical", "SuccessBeforePassing"] {
        shown.insert(field.to_owned(), field_or(check, field, 0));
    }
    shown.insert("Header".to_owned(), field_or(check, "Header", json!({})));
    shown.insert("OutputMaxSize".to_owned(), field_or(check, "OutputMaxSize", output_max_size));
    shown.insert("ScriptArgs".to_owned(), field_or(check, "Args", json!([])));
    shown
}
