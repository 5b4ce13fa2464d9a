//! Health checks as the catalog keeps them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::service::null_as_default;
use crate::{CheckId, Json, NodeName, ServiceId, ServiceName};

/// Check that mirrors a member's state in the gossip pool.
pub const SERF_CHECK_ID: &str = "serfHealth";
/// Name of the check [`SERF_CHECK_ID`].
pub const SERF_CHECK_NAME: &str = "Serf Health Status";

/// The three states that a check can report. The catalog itself accepts any text, as Consul does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Passing,
    /// Usable, but something needs attention.
    Warning,
    /// Not usable.
    Critical,
}

/// The text is none of the three states.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown check status {0:?}; use passing, warning or critical")]
pub struct UnknownStatus(pub String);

impl Status {
    /// The text used on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "passing" => Ok(Self::Passing),
            "warning" => Ok(Self::Warning),
            "critical" => Ok(Self::Critical),
            _ => Err(UnknownStatus(text.to_owned())),
        }
    }
}

/// How a check is run, kept as given; `{}` when nothing is known.
pub type CheckDefinition = Json;

/// A health check, in the shape of `/v1/health/node/:node`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthCheck {
    /// Node that the check belongs to.
    pub node: NodeName,
    /// Identity, unique on the node.
    #[serde(rename = "CheckID")]
    pub check_id: CheckId,
    /// Name for people.
    pub name: String,
    /// `passing`, `warning` or `critical`; any other text is kept and counts as neither passing nor critical.
    pub status: String,
    /// Free text from the definition.
    pub notes: String,
    /// Output of the last run.
    pub output: String,
    /// Service instance it belongs to; empty for node checks.
    #[serde(rename = "ServiceID")]
    pub service_id: ServiceId,
    /// Name of that service.
    pub service_name: ServiceName,
    /// Tags of that service; `null` reads as none.
    #[serde(deserialize_with = "null_as_default")]
    pub service_tags: Vec<String>,
    /// Kind: `ttl`, `http`, ...; empty when unknown.
    #[serde(rename = "Type")]
    pub kind: String,
    /// How it is run.
    pub definition: CheckDefinition,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            node: NodeName::default(),
            check_id: CheckId::default(),
            name: String::new(),
            status: String::new(),
            notes: String::new(),
            output: String::new(),
            service_id: ServiceId::default(),
            service_name: ServiceName::default(),
            service_tags: Vec::new(),
            kind: String::new(),
            definition: serde_json::json!({}),
            create_index: 0,
            modify_index: 0,
        }
    }
}

impl HealthCheck {
    /// Whether the check keeps an instance out of every answer.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.status == "critical"
    }

    /// Whether the check is entirely well.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.status == "passing"
    }

    /// Whether both say the same, whatever their indexes.
    #[must_use]
    pub fn is_same_definition(&self, other: &Self) -> bool {
        let with_indexes = Self { create_index: other.create_index, modify_index: other.modify_index, ..self.clone() };
        with_indexes == *other
    }
}
