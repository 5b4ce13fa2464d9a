//! Shapes of the bodies of the agent family.
//!
//! Error texts name the place of a wrong value as Consul does, where the outermost type has no name.

use model::{ServiceId, Token};
use serde::Deserialize;

use crate::http::catalog_shapes::{PROXY, TAGGED_ADDRESSES};
use crate::http::decode::{Shape, Struct, Unknown, alias, field};
use crate::local::{CheckSpec, StandaloneCheckSpec};

/// `/v1/agent/service/register`
pub static SERVICE: Struct = Struct {
    type_name: "",
    fields: &[
        field("Kind", Shape::Text("structs.ServiceKind")),
        field("ID", Shape::TEXT),
        field("Name", Shape::TEXT),
        field("Tags", Shape::TEXTS),
        field("Address", Shape::TEXT),
        alias("TaggedAddresses", &["tagged_addresses"], TAGGED_ADDRESSES),
        field("Meta", Shape::TEXT_MAP),
        field("Port", Shape::INT),
        field("Check", Shape::Struct(&CHECK)),
        field("Checks", Shape::List("structs.CheckTypes", &Shape::Struct(&CHECK))),
        field("Weights", Shape::Struct(&WEIGHTS)),
        field("Token", Shape::TEXT),
        alias("EnableTagOverride", &["enable_tag_override"], Shape::Bool),
        field("Proxy", Shape::Struct(&PROXY)),
        field("Connect", Shape::Struct(&CONNECT)),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

static WEIGHTS: Struct = Struct {
    type_name: "structs.Weights",
    fields: &[field("Passing", Shape::INT), field("Warning", Shape::INT)],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

static CONNECT: Struct = Struct {
    type_name: "structs.ServiceConnect",
    fields: &[field("Native", Shape::Bool), alias("SidecarService", &["sidecar_service"], Shape::Struct(&SERVICE))],
    unknown: Unknown::RefusePlainly,
    opaque: true,
    finish: None,
};

/// The fields that name a check, then those that all checks have in common.
macro_rules! check_fields {
    ($($name:expr),* $(,)?) => {
        &[
            $($name,)*
            field("Name", Shape::TEXT),
            field("Status", Shape::TEXT),
            field("Notes", Shape::TEXT),
            alias("ScriptArgs", &["Args", "script_args"], Shape::TEXTS),
            field("HTTP", Shape::TEXT),
            field("Header", Shape::Map("map[string][]string", &Shape::TEXTS)),
            field("Method", Shape::TEXT),
            field("Body", Shape::TEXT),
            field("TCP", Shape::TEXT),
            field("Interval", Shape::Duration),
            field("AliasNode", Shape::TEXT),
            field("AliasService", Shape::TEXT),
            alias("DockerContainerID", &["docker_container_id"], Shape::TEXT),
            field("Shell", Shape::TEXT),
            field("GRPC", Shape::TEXT),
            field("GRPCUseTLS", Shape::Bool),
            alias("TLSSkipVerify", &["tls_skip_verify"], Shape::Bool),
            field("Timeout", Shape::Duration),
            field("TTL", Shape::Duration),
            field("SuccessBeforePassing", Shape::INT),
            field("FailuresBeforeCritical", Shape::INT),
            alias("DeregisterCriticalServiceAfter", &["deregister_critical_service_after"], Shape::Duration),
            field("OutputMaxSize", Shape::INT),
            // Younger than 1.8.7.
            alias("TLSServerName", &["tls_server_name"], Shape::TEXT),
            alias("DisableRedirects", &["disable_redirects"], Shape::Bool),
            field("UDP", Shape::TEXT),
            field("H2PING", Shape::TEXT),
            alias("H2PingUseTLS", &["h2ping_use_tls"], Shape::Bool),
            alias("OSService", &["os_service"], Shape::TEXT),
            alias("FailuresBeforeWarning", &["failures_before_warning"], Shape::INT),
        ]
    };
}

/// A check inside a service.
static CHECK: Struct = Struct {
    type_name: "structs.CheckType",
    fields: check_fields![field("CheckID", Shape::Text("types.CheckID"))],
    unknown: Unknown::RefusePlainly,
    opaque: true,
    finish: None,
};

/// `/v1/agent/check/register`
pub static STANDALONE_CHECK: Struct = Struct {
    type_name: "",
    fields: check_fields![
        field("ID", Shape::Text("types.CheckID")),
        alias("ServiceID", &["service_id"], Shape::TEXT),
        field("Token", Shape::TEXT),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

/// `/v1/agent/check/update/:id`
pub static UPDATE: Struct = Struct {
    type_name: "agent.checkUpdate",
    fields: &[field("Status", Shape::TEXT), field("Output", Shape::TEXT)],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

/// The body of `/v1/agent/check/update/:id`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Update {
    /// New status.
    pub status: String,
    /// New output.
    pub output: String,
}

/// The body of `/v1/agent/check/register`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckBody {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "ServiceID")]
    service_id: ServiceId,
    token: Token,
    #[serde(flatten)]
    check: CheckSpec,
}

impl From<CheckBody> for StandaloneCheckSpec {
    fn from(body: CheckBody) -> Self {
        let check = CheckSpec { check_id: body.id.into(), ..body.check };
        Self { service_id: body.service_id, token: body.token, check }
    }
}
