//! Shapes of the bodies of `/v1/catalog/register` and `deregister`, and of what they share with other bodies.

use std::time::Duration;

use model::format_duration;
use serde_json::{Map, Value};

use super::decode::{Shape, Struct, Unknown, alias, field};

/// `/v1/catalog/register`
pub static REGISTRATION: Struct = Struct {
    type_name: "structs.RegisterRequest",
    fields: &[
        field("Datacenter", Shape::TEXT),
        field("ID", Shape::Text("types.NodeID")),
        field("Node", Shape::TEXT),
        field("Address", Shape::TEXT),
        field("TaggedAddresses", Shape::TEXT_MAP),
        field("NodeMeta", Shape::TEXT_MAP),
        field("Service", Shape::Struct(&SERVICE)),
        field("Check", Shape::Struct(&CHECK)),
        field("Checks", Shape::List("structs.HealthChecks", &Shape::Struct(&CHECK))),
        field("SkipNodeUpdate", Shape::Bool),
        field("Token", Shape::TEXT),
    ],
    unknown: Unknown::Refuse,
    opaque: false,
    finish: None,
};

/// `/v1/catalog/deregister`
pub static DEREGISTRATION: Struct = Struct {
    type_name: "struct",
    fields: &[
        field("Datacenter", Shape::TEXT),
        field("Node", Shape::TEXT),
        field("Address", Shape::TEXT),
        field("ServiceID", Shape::TEXT),
        field("CheckID", Shape::Text("types.CheckID")),
        field("Token", Shape::TEXT),
    ],
    unknown: Unknown::Refuse,
    opaque: false,
    finish: None,
};

static SERVICE: Struct = Struct {
    type_name: "structs.NodeService",
    fields: &[
        field("Kind", Shape::Text("structs.ServiceKind")),
        field("ID", Shape::TEXT),
        field("Service", Shape::TEXT),
        field("Tags", Shape::TEXTS),
        field("Address", Shape::TEXT),
        field("TaggedAddresses", TAGGED_ADDRESSES),
        field("Meta", Shape::TEXT_MAP),
        field("Port", Shape::INT),
        field("Weights", Shape::Struct(&WEIGHTS)),
        field("EnableTagOverride", Shape::Bool),
        field("Proxy", Shape::Struct(&PROXY)),
        field("Connect", Shape::Struct(&CONNECT)),
        field("CreateIndex", Shape::Uint("uint64")),
        field("ModifyIndex", Shape::Uint("uint64")),
    ],
    unknown: Unknown::Refuse,
    opaque: false,
    finish: None,
};

/// Addresses of a service by tag.
pub const TAGGED_ADDRESSES: Shape = Shape::Map("map[string]structs.ServiceAddress", &Shape::Struct(&SERVICE_ADDRESS));

static SERVICE_ADDRESS: Struct = Struct {
    type_name: "structs.ServiceAddress",
    fields: &[field("Address", Shape::TEXT), field("Port", Shape::INT)],
    unknown: Unknown::Refuse,
    opaque: false,
    finish: None,
};

/// SRV weights: a part that is not given is 0, and 0 in both parts means the default.
pub static WEIGHTS: Struct = Struct {
    type_name: "structs.Weights",
    fields: &[field("Passing", Shape::INT), field("Warning", Shape::INT)],
    unknown: Unknown::Refuse,
    opaque: false,
    finish: Some(|weights| {
        let given = |name: &str| weights.get(name).and_then(Value::as_i64).unwrap_or(0);
        let (passing, warning) = match (given("Passing"), given("Warning")) {
            (0, 0) => (1, 1),
            other => other,
        };
        weights.insert("Passing".to_owned(), passing.into());
        weights.insert("Warning".to_owned(), warning.into());
    }),
};

static CHECK: Struct = Struct {
    type_name: "structs.HealthCheck",
    fields: &[
        field("Node", Shape::TEXT),
        field("CheckID", Shape::Text("types.CheckID")),
        field("Name", Shape::TEXT),
        field("Status", Shape::TEXT),
        field("Notes", Shape::TEXT),
        field("Output", Shape::TEXT),
        field("ServiceID", Shape::TEXT),
        field("ServiceName", Shape::TEXT),
        field("ServiceTags", Shape::TEXTS),
        field("Type", Shape::TEXT),
        field("Definition", Shape::Struct(&DEFINITION)),
        field("CreateIndex", Shape::Uint("uint64")),
        field("ModifyIndex", Shape::Uint("uint64")),
    ],
    unknown: Unknown::Refuse,
    opaque: false,
    finish: Some(|check| {
        let kind = check.get("Definition").map_or("", check_kind);
        if !kind.is_empty() && check.get("Type").and_then(Value::as_str).unwrap_or_default().is_empty() {
            check.insert("Type".to_owned(), kind.into());
        }
    }),
};

/// How a check is run. The order of the fields is the one of answers.
pub static DEFINITION: Struct = Struct {
    type_name: "structs.HealthCheckDefinition",
    fields: &[
        field("Interval", Shape::Duration),
        field("OutputMaxSize", Shape::Uint("uint")),
        field("Timeout", Shape::Duration),
        field("DeregisterCriticalServiceAfter", Shape::Duration),
        field("HTTP", Shape::TEXT),
        field("TLSSkipVerify", Shape::Bool),
        field("Header", Shape::Map("map[string][]string", &Shape::TEXTS)),
        field("Method", Shape::TEXT),
        field("Body", Shape::TEXT),
        field("TCP", Shape::TEXT),
        field("ScriptArgs", Shape::TEXTS),
        field("DockerContainerID", Shape::TEXT),
        field("Shell", Shape::TEXT),
        field("GRPC", Shape::TEXT),
        field("GRPCUseTLS", Shape::Bool),
        field("AliasNode", Shape::TEXT),
        field("AliasService", Shape::TEXT),
        field("TTL", Shape::Duration),
    ],
    unknown: Unknown::Drop,
    opaque: true,
    finish: Some(|definition| {
        let mut shown = Map::new();
        for field in DEFINITION.fields {
            let Some(value) = definition.remove(field.name).filter(|value| !is_zero(value)) else { continue };
            let is_text = matches!(field.name, "Interval" | "Timeout" | "DeregisterCriticalServiceAfter");
            let value = match value.as_u64() {
                Some(nanos) if is_text => format_duration(Duration::from_nanos(nanos)).into(),
                _ => value,
            };
            shown.insert(field.name.to_owned(), value);
        }
        *definition = shown;
    }),
};

/// The kind of check that a definition describes; empty when it describes none.
fn check_kind(definition: &Value) -> &'static str {
    let has = |name: &str| definition.get(name).is_some();
    let runs = has("Interval");
    match () {
        () if has("GRPC") && runs => "grpc",
        () if has("HTTP") && runs => "http",
        () if has("TTL") => "ttl",
        () if has("TCP") && runs => "tcp",
        () if has("AliasNode") || has("AliasService") => "alias",
        () if has("DockerContainerID") && has("ScriptArgs") && runs => "docker",
        () if has("ScriptArgs") && runs => "script",
        () => "",
    }
}

/// Settings of a proxy.
pub static PROXY: Struct = Struct {
    type_name: "structs.ConnectProxyConfig",
    fields: &[
        alias("DestinationServiceName", &["destination_service_name"], Shape::TEXT),
        alias("DestinationServiceID", &["destination_service_id"], Shape::TEXT),
        alias("LocalServiceAddress", &["local_service_address"], Shape::TEXT),
        alias("LocalServicePort", &["local_service_port"], Shape::INT),
        field("Config", Shape::Map("map[string]interface {}", &Shape::Any)),
        field("Upstreams", Shape::List("structs.Upstreams", &Shape::Struct(&UPSTREAM))),
        alias("MeshGateway", &["mesh_gateway"], Shape::Struct(&MESH_GATEWAY)),
        field("Expose", Shape::Struct(&EXPOSE)),
    ],
    unknown: Unknown::Refuse,
    opaque: true,
    finish: Some(|proxy| {
        if let Value::Object(shown) = model::shown_proxy(Value::Object(std::mem::take(proxy))) {
            *proxy = shown;
        }
    }),
};

static UPSTREAM: Struct = Struct {
    type_name: "structs.Upstream",
    fields: &[
        alias("DestinationType", &["destination_type"], Shape::TEXT),
        alias("DestinationNamespace", &["destination_namespace"], Shape::TEXT),
        alias("DestinationName", &["destination_name"], Shape::TEXT),
        field("Datacenter", Shape::TEXT),
        alias("LocalBindAddress", &["local_bind_address"], Shape::TEXT),
        alias("LocalBindPort", &["local_bind_port"], Shape::INT),
        field("Config", Shape::Map("map[string]interface {}", &Shape::Any)),
        alias("MeshGateway", &["mesh_gateway"], Shape::Struct(&MESH_GATEWAY)),
    ],
    unknown: Unknown::Refuse,
    opaque: true,
    finish: None,
};

static MESH_GATEWAY: Struct = Struct {
    type_name: "structs.MeshGatewayConfig",
    fields: &[field("Mode", Shape::TEXT)],
    unknown: Unknown::Refuse,
    opaque: true,
    finish: Some(|gateway| keep_shown(gateway, MESH_GATEWAY.fields)),
};

static EXPOSE: Struct = Struct {
    type_name: "structs.ExposeConfig",
    fields: &[
        field("Checks", Shape::Bool),
        field("Paths", Shape::List("[]structs.ExposePath", &Shape::Struct(&EXPOSED_PATH))),
    ],
    unknown: Unknown::Refuse,
    opaque: true,
    finish: None,
};

static EXPOSED_PATH: Struct = Struct {
    type_name: "structs.ExposePath",
    fields: &[
        alias("ListenerPort", &["listener_port"], Shape::INT),
        field("Path", Shape::TEXT),
        alias("LocalPathPort", &["local_path_port"], Shape::INT),
        field("Protocol", Shape::TEXT),
        field("ParsedFromCheck", Shape::Bool),
    ],
    unknown: Unknown::Refuse,
    opaque: true,
    finish: None,
};

/// Connect settings of a service in the catalog.
pub static CONNECT: Struct = Struct {
    type_name: "structs.ServiceConnect",
    fields: &[field("Native", Shape::Bool), alias("SidecarService", &["sidecar_service"], Shape::Any)],
    unknown: Unknown::Drop,
    opaque: true,
    finish: Some(|connect| keep_shown(connect, CONNECT.fields)),
};

/// Puts fields into their order and leaves out empty ones.
fn keep_shown(object: &mut Map<String, Value>, fields: &[super::decode::Field]) {
    let mut shown = Map::new();
    for field in fields {
        if let Some(value) = object.remove(field.name).filter(|value| !is_zero(value)) {
            shown.insert(field.name.to_owned(), value);
        }
    }
    *object = shown;
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(pairs) => pairs.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use model::Registration;

    use super::super::decode::decode;
    use super::*;

    fn refused(body: &str) -> String {
        decode::<Registration>(body.as_bytes(), &REGISTRATION).expect_err(body).to_string()
    }

    fn taken(body: &str) -> Registration {
        decode(body.as_bytes(), &REGISTRATION).expect(body)
    }

    #[test]
    fn errors_name_the_field() {
        let kind = "json: cannot unmarshal";
        let cases = [
            ("[]", format!("{kind} array into Go value of type structs.RegisterRequest")),
            (r#"{"Node":1}"#, format!("{kind} number into Go struct field RegisterRequest.Node of type string")),
            (r#"{"Bogus":1}"#, "json: unknown field \"Bogus\"".to_owned()),
            (
                r#"{"Service":{"Port":1.5}}"#,
                format!("{kind} number 1.5 into Go struct field NodeService.Service.Port of type int"),
            ),
            (
                r#"{"Service":{"Weights":{"Passing":"x"}}}"#,
                format!("{kind} string into Go struct field Weights.Service.Weights.Passing of type int"),
            ),
            (
                r#"{"Service":{"TaggedAddresses":{"lan":{"Port":"x"}}}}"#,
                format!("{kind} string into Go struct field ServiceAddress.Service.TaggedAddresses.Port of type int"),
            ),
            (
                r#"{"Checks":[{"Status":1}]}"#,
                format!("{kind} number into Go struct field HealthCheck.Checks.Status of type string"),
            ),
            (
                r#"{"Checks":[1]}"#,
                format!("{kind} number into Go struct field RegisterRequest.Checks of type structs.HealthCheck"),
            ),
            (
                r#"{"Check":{"Definition":{"HTTP":5}}}"#,
                format!("{kind} number into Go struct field HealthCheck.Check.Definition of type string"),
            ),
            (r#"{"Check":{"Definition":{"Interval":"abc"}}}"#, "time: invalid duration \"abc\"".to_owned()),
            (
                r#"{"Service":{"Proxy":{"Upstreams":[{"LocalBindPort":"x"}]}}}"#,
                format!("{kind} string into Go struct field NodeService.Service.Proxy of type int"),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(refused(body), expected, "{body}");
        }
    }

    #[test]
    fn names_match_in_any_case_and_nulls_are_absent() {
        let registration = taken(r#"{"node":"x","ADDRESS":"1","Service":null,"checks":null,"NodeMeta":{"a":"b"}}"#);
        assert_eq!((&*registration.node, &*registration.address), ("x", "1"));
        assert!(registration.service.is_none() && registration.checks.is_empty());
    }

    #[test]
    fn weights_follow_the_rule_of_zeros() {
        let weights = |text: &str| {
            let body = format!(r#"{{"Service":{{"Service":"w","Weights":{text}}}}}"#);
            let service = taken(&body).service.expect("given");
            (service.weights.passing, service.weights.warning)
        };
        assert_eq!(weights("null"), (1, 1));
        assert_eq!(weights(r#"{"Passing":10}"#), (10, 0));
        assert_eq!(weights(r#"{"Passing":0,"Warning":0}"#), (1, 1));
    }

    #[test]
    fn definitions_are_kept_as_answers_show_them() {
        let body = r#"{"Check":{"Definition":{"tcp":"x:1","Timeout":"90s","Interval":10000000000,"TTL":"5s","Bogus":1,
            "HTTP":"","Header":{}}}}"#;
        let check = taken(body).check.expect("given");
        let expected = r#"{"Interval":"10s","Timeout":"1m30s","TCP":"x:1","TTL":5000000000}"#;
        assert_eq!(check.definition.to_string(), expected);
        assert_eq!(check.kind, "ttl");
    }

    #[test]
    fn proxies_are_kept_as_answers_show_them() {
        let body = r#"{"Service":{"Service":"w","Connect":{"Native":true,"Bogus":1},
            "Proxy":{"upstreams":[{"destination_name":"z","local_bind_port":3}],"destination_service_name":"x"}}}"#;
        let service = taken(body).service.expect("given");
        let expected = concat!(
            r#"{"DestinationServiceName":"x","Upstreams":[{"DestinationType":"","DestinationName":"z","Datacenter":"","#,
            r#""LocalBindPort":3,"Config":null,"MeshGateway":{}}],"MeshGateway":{},"Expose":{}}"#
        );
        assert_eq!(service.proxy.to_string(), expected);
        assert_eq!(service.connect.to_string(), r#"{"Native":true}"#);
    }
}
