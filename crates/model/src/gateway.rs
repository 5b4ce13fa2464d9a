//! What gateways lead to: rows made from their config entries.

use serde::{Deserialize, Serialize};

use crate::service::null_as_default;

/// A name in an object of its own, as `/v1/catalog/gateway-services` shows names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Named {
    /// The name.
    pub name: String,
}

/// A service that a gateway leads to: the row of `/v1/catalog/gateway-services/:gateway`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GatewayLink {
    /// The gateway.
    pub gateway: Named,
    /// The service.
    pub service: Named,
    /// Kind of the gateway.
    pub gateway_kind: String,
    /// Port of the listener, 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub port: i64,
    /// Protocol of the listener.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Host names that lead to the service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Authority that the service's certificate is checked with.
    #[serde(rename = "CAFile", skip_serializing_if = "String::is_empty")]
    pub ca_file: String,
    /// Certificate to show to the service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_file: String,
    /// Its key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_file: String,
    /// Name to ask for in TLS.
    #[serde(rename = "SNI", skip_serializing_if = "String::is_empty")]
    pub sni: String,
    /// Whether a wildcard stands for the service.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub from_wildcard: bool,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// The fields of a terminating gateway's config entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TerminatingFields {
    /// Services behind it.
    #[serde(deserialize_with = "null_as_default")]
    pub services: Vec<TerminatingService>,
}

/// A service behind a terminating gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TerminatingService {
    /// Its name, or `*`.
    pub name: String,
    /// As in [`GatewayLink`].
    #[serde(rename = "CAFile")]
    pub ca_file: String,
    /// As in [`GatewayLink`].
    pub cert_file: String,
    /// As in [`GatewayLink`].
    pub key_file: String,
    /// As in [`GatewayLink`].
    #[serde(rename = "SNI")]
    pub sni: String,
}

/// The fields of an ingress gateway's config entry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IngressFields {
    /// Where it listens.
    #[serde(deserialize_with = "null_as_default")]
    pub listeners: Vec<IngressListener>,
}

/// A listener of an ingress gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IngressListener {
    /// Its port.
    pub port: i64,
    /// `tcp`, `http`, `http2` or `grpc`.
    pub protocol: String,
    /// Services that it leads to.
    #[serde(deserialize_with = "null_as_default")]
    pub services: Vec<IngressService>,
}

/// A service that a listener leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct IngressService {
    /// Its name, or `*`.
    pub name: String,
    /// Host names that lead to it.
    #[serde(deserialize_with = "null_as_default")]
    pub hosts: Vec<String>,
}
