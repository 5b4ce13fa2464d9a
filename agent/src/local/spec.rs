//! What users write to register a service or a check: the bodies of `/v1/agent/service/register` and
//! `/v1/agent/check/register`, and the definitions in configuration files.
//!
//! Field names are the canonical ones; other spellings are brought to these before. The same shape is kept on disk.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::{CheckId, Json, ServiceAddress, ServiceId, ServiceName, Status, TextMap, Token, Weights};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A duration in nanoseconds: a number, or text as Go writes it (`10s`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub i64);

impl Nanos {
    /// The duration; negative ones are zero.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// The duration if it is above zero, else the default.
    #[must_use]
    pub fn or(self, default: Duration) -> Duration {
        if self.0 > 0 { self.duration() } else { default }
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Nanos;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"10s\", or a number of nanoseconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Nanos, E> {
                model::parse_nanos(text).map(Nanos).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, nanos: i64) -> Result<Nanos, E> {
                Ok(Nanos(nanos))
            }
            fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Nanos, E> {
                Ok(Nanos(i64::try_from(nanos).unwrap_or(i64::MAX)))
            }
            fn visit_f64<E: de::Error>(self, nanos: f64) -> Result<Nanos, E> {
                Ok(Nanos(nanos as i64))
            }
            // Consul takes anything else for "not given".
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Nanos, E> {
                Ok(Nanos(0))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Nanos, E> {
                Ok(Nanos(0))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// A service as users register it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceSpec {
    /// Empty for ordinary services, else `connect-proxy`, `mesh-gateway`, ...
    #[serde(deserialize_with = "null_as_default")]
    pub kind: String,
    /// Identity; the name when empty.
    #[serde(rename = "ID", deserialize_with = "null_as_default")]
    pub id: ServiceId,
    /// Name; required.
    #[serde(deserialize_with = "null_as_default")]
    pub name: ServiceName,
    /// Tags.
    #[serde(deserialize_with = "null_as_default")]
    pub tags: Vec<String>,
    /// Address of the instance; empty means the node's.
    #[serde(deserialize_with = "null_as_default")]
    pub address: String,
    /// Addresses by tag.
    #[serde(deserialize_with = "null_as_default")]
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    /// Metadata.
    pub meta: Option<TextMap>,
    /// Port.
    #[serde(deserialize_with = "null_as_default")]
    pub port: i64,
    /// Whether the catalog's tags win over these.
    #[serde(deserialize_with = "null_as_default")]
    pub enable_tag_override: bool,
    /// SRV weights; what is not given in a given object is 0, which is refused for `Passing`.
    pub weights: Option<WeightsSpec>,
    /// Token to register with; the agent's own when empty.
    #[serde(deserialize_with = "null_as_default")]
    pub token: Token,
    /// One check.
    pub check: Option<CheckSpec>,
    /// More checks.
    #[serde(deserialize_with = "null_as_default")]
    pub checks: Vec<CheckSpec>,
    /// Proxy settings, kept as given.
    pub proxy: Option<Json>,
    /// Part in the mesh.
    pub connect: Option<ConnectSpec>,
}

/// What part a service takes in the mesh.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConnectSpec {
    /// Whether it speaks the mesh's protocol itself.
    #[serde(deserialize_with = "null_as_default")]
    pub native: bool,
    /// The proxy to register beside it.
    pub sidecar_service: Option<Box<ServiceSpec>>,
}

impl ServiceSpec {
    /// The sidecar that is asked for.
    #[must_use]
    pub fn sidecar(&self) -> Option<&Self> {
        self.connect.as_ref()?.sidecar_service.as_deref()
    }
}

/// Weights as given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WeightsSpec {
    /// Weight while passing.
    pub passing: i64,
    /// Weight while warning.
    pub warning: i64,
}

impl From<WeightsSpec> for Weights {
    fn from(given: WeightsSpec) -> Self {
        Self { passing: given.passing, warning: given.warning }
    }
}

/// A check as users register it, apart from which service it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckSpec {
    /// Identity; made from the service or the name when empty.
    #[serde(rename = "CheckID", deserialize_with = "null_as_default")]
    pub check_id: CheckId,
    /// Name for people.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// First status; critical when empty.
    #[serde(deserialize_with = "null_as_default")]
    pub status: String,
    /// Free text.
    #[serde(deserialize_with = "null_as_default")]
    pub notes: String,
    /// Command and arguments of a script check.
    #[serde(alias = "Args", deserialize_with = "null_as_default")]
    pub script_args: Vec<String>,
    /// URL of an HTTP check.
    #[serde(rename = "HTTP", deserialize_with = "null_as_default")]
    pub http: String,
    /// Headers to send.
    #[serde(deserialize_with = "null_as_default")]
    pub header: BTreeMap<String, Vec<String>>,
    /// Method; GET when empty.
    #[serde(deserialize_with = "null_as_default")]
    pub method: String,
    /// Body to send.
    #[serde(deserialize_with = "null_as_default")]
    pub body: String,
    /// Whether redirects are not followed. They are only where this is given as `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_redirects: Option<bool>,
    /// `host:port` of a TCP check.
    #[serde(rename = "TCP", deserialize_with = "null_as_default")]
    pub tcp: String,
    /// `host:port` of a UDP check.
    #[serde(rename = "UDP", deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub udp: String,
    /// Time between runs.
    pub interval: Nanos,
    /// Node whose health an alias check takes over; this node when empty.
    #[serde(deserialize_with = "null_as_default")]
    pub alias_node: String,
    /// Service instance whose health an alias check takes over.
    #[serde(deserialize_with = "null_as_default")]
    pub alias_service: String,
    /// Container that a script runs in.
    #[serde(rename = "DockerContainerID", deserialize_with = "null_as_default")]
    pub docker_container_id: String,
    /// Shell in the container.
    #[serde(deserialize_with = "null_as_default")]
    pub shell: String,
    /// `host:port/service` of a gRPC check.
    #[serde(rename = "GRPC", deserialize_with = "null_as_default")]
    pub grpc: String,
    /// Whether gRPC goes over TLS.
    #[serde(rename = "GRPCUseTLS", deserialize_with = "null_as_default")]
    pub grpc_use_tls: bool,
    /// `host:port` of an HTTP/2 ping.
    #[serde(rename = "H2PING", deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub h2ping: String,
    /// Whether the ping goes over TLS; it does unless this is given as `false`.
    #[serde(rename = "H2PingUseTLS", skip_serializing_if = "Option::is_none")]
    pub h2ping_use_tls: Option<bool>,
    /// Name of a service of the operating system.
    #[serde(rename = "OSService", deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub os_service: String,
    /// Name that the certificate must have; the host's when empty.
    #[serde(rename = "TLSServerName", deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub tls_server_name: String,
    /// Whether certificates are not verified.
    #[serde(rename = "TLSSkipVerify", deserialize_with = "null_as_default")]
    pub tls_skip_verify: bool,
    /// Longest time of one run.
    pub timeout: Nanos,
    /// Time after which a TTL check that was not updated is critical.
    #[serde(rename = "TTL")]
    pub ttl: Nanos,
    /// Good results in a row before the check passes.
    #[serde(deserialize_with = "null_as_default")]
    pub success_before_passing: i64,
    /// Bad results in a row before the check warns; as many as for critical when 0.
    #[serde(deserialize_with = "null_as_default")]
    pub failures_before_warning: i64,
    /// Bad results in a row before the check is critical.
    #[serde(deserialize_with = "null_as_default")]
    pub failures_before_critical: i64,
    /// Time in critical state after which the service is deregistered; zero for never.
    pub deregister_critical_service_after: Nanos,
    /// Longest output kept, bytes; 0 for the agent's limit.
    #[serde(deserialize_with = "null_as_default")]
    pub output_max_size: i64,
}

/// A check with the service it belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StandaloneCheckSpec {
    /// Service instance; empty for a check of the node.
    pub service_id: ServiceId,
    /// Token to register with.
    pub token: Token,
    /// The check itself.
    pub check: CheckSpec,
}

impl CheckSpec {
    /// Whether nothing was given that makes it a check (Consul ignores such a `Check` in a service).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the first status is one that a check may have (or is not given).
    #[must_use]
    pub fn has_valid_status(&self) -> bool {
        self.status.is_empty() || self.status.parse::<Status>().is_ok()
    }
}

pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> CheckSpec {
        serde_json::from_str(json).expect("a test's own JSON")
    }

    #[test]
    fn durations_are_text_or_nanoseconds() {
        assert_eq!(check(r#"{"TTL":"10s"}"#).ttl, Nanos(10_000_000_000));
        assert_eq!(check(r#"{"TTL":1500}"#).ttl, Nanos(1500));
        assert_eq!(check(r#"{"TTL":1.5}"#).ttl, Nanos(1));
        assert_eq!(check(r#"{"TTL":true}"#).ttl, Nanos(0));
        let error = serde_json::from_str::<CheckSpec>(r#"{"TTL":"60"}"#).unwrap_err().to_string();
        assert!(error.starts_with("time: missing unit in duration \"60\""), "{error}");
    }

    #[test]
    fn an_empty_check_in_a_service_is_no_check() {
        assert!(check("{}").is_empty());
        assert!(!check(r#"{"Name":"x"}"#).is_empty());
    }

    #[test]
    fn configuration_files_and_kept_files_name_the_command_differently() {
        let from_file = check(r#"{"Args":["/bin/true"],"Interval":"1s"}"#);
        assert_eq!(from_file, check(r#"{"ScriptArgs":["/bin/true"],"Interval":"1s"}"#));
        assert!(from_file.is_script());
    }

    #[test]
    fn kept_definitions_read_back() {
        let spec =
            check(r#"{"CheckID":"c","HTTP":"http://x","Header":{"A":["b"]},"Interval":"2s","Status":"passing"}"#);
        let text = serde_json::to_string(&spec).expect("specs serialize");
        assert_eq!(check(&text), spec);
    }
}
