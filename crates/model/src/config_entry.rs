//! Config entries: what operators write about services, proxies and gateways, kept by the servers.
//!
//! The fields of an entry are JSON with canonical names in the order of answers; who acts on them reads what it needs
//! into a type of its own. The `config` crate brings what users write into this form.

use std::fmt;
use std::str::FromStr;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Map;

use crate::Json;

/// Kinds of config entries, sorted by name as lists of all kinds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// Listeners of a gateway into the mesh.
    IngressGateway,
    /// Defaults of all proxies; the only entry is called `global`.
    ProxyDefaults,
    /// Defaults of a service.
    ServiceDefaults,
    /// Where instances of a service are found.
    ServiceResolver,
    /// Which requests go where.
    ServiceRouter,
    /// Which share of the requests goes where.
    ServiceSplitter,
    /// Services behind a gateway out of the mesh.
    TerminatingGateway,
}

/// The text names no kind of config entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid config entry kind: {0}")]
pub struct UnknownEntryKind(pub String);

impl EntryKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::IngressGateway,
        Self::ProxyDefaults,
        Self::ServiceDefaults,
        Self::ServiceResolver,
        Self::ServiceRouter,
        Self::ServiceSplitter,
        Self::TerminatingGateway,
    ];

    /// The text used everywhere.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IngressGateway => "ingress-gateway",
            Self::ProxyDefaults => "proxy-defaults",
            Self::ServiceDefaults => "service-defaults",
            Self::ServiceResolver => "service-resolver",
            Self::ServiceRouter => "service-router",
            Self::ServiceSplitter => "service-splitter",
            Self::TerminatingGateway => "terminating-gateway",
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EntryKind {
    type Err = UnknownEntryKind;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownEntryKind(text.to_owned()))
    }
}

/// One entry, unique by kind and name (ignoring case). In JSON its fields stand between `Name` and the indexes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ConfigEntry {
    /// Its kind.
    pub kind: EntryKind,
    /// Its name: that of a service, a gateway, or `global`.
    pub name: String,
    /// Its fields.
    #[serde(default)]
    pub fields: Map<String, Json>,
    /// Raft index of the creation.
    #[serde(default)]
    pub create_index: u64,
    /// Raft index of the last change.
    #[serde(default)]
    pub modify_index: u64,
}

/// The one field that answers show before the kind.
const FIRST: &str = "ConnectTimeout";

impl Serialize for ConfigEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_flat = serializer.is_human_readable();
        let mut map = serializer.serialize_map(None)?;
        if is_flat && let Some(first) = self.fields.get(FIRST) {
            map.serialize_entry(FIRST, first)?;
        }
        map.serialize_entry("Kind", &self.kind)?;
        map.serialize_entry("Name", &self.name)?;
        if is_flat {
            for (name, value) in self.fields.iter().filter(|(name, _)| *name != FIRST) {
                map.serialize_entry(name, value)?;
            }
        } else {
            map.serialize_entry("Fields", &self.fields)?;
        }
        map.serialize_entry("CreateIndex", &self.create_index)?;
        map.serialize_entry("ModifyIndex", &self.modify_index)?;
        map.end()
    }
}

impl ConfigEntry {
    /// Text of a field; empty when absent.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Json::as_str).unwrap_or_default()
    }

    /// The fields as a type of the reader's; the default when they do not fit it, which the check before a write excludes.
    #[must_use]
    pub fn read<T: serde::de::DeserializeOwned + Default>(&self) -> T {
        T::deserialize(Json::Object(self.fields.clone())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_flat_and_the_binary_form_comes_back() {
        let entry = ConfigEntry {
            kind: EntryKind::ServiceResolver,
            name: "web".to_owned(),
            fields: serde_json::from_str(r#"{"DefaultSubset":"v1","ConnectTimeout":"5s"}"#).expect("a test's own JSON"),
            create_index: 1,
            modify_index: 2,
        };
        let json = serde_json::to_string(&entry).expect("JSON");
        let expected = concat!(
            r#"{"ConnectTimeout":"5s","Kind":"service-resolver","Name":"web","DefaultSubset":"v1","#,
            r#""CreateIndex":1,"ModifyIndex":2}"#
        );
        assert_eq!(json, expected);
        for kind in EntryKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
