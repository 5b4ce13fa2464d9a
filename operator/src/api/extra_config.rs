//! `extraConfig`: any setting of an agent, but for those the operator sets itself.
//!
//! CEL sees only what a schema declares, so the reserved keys are declared, each with its type, and a rule
//! says that they must be absent. Everything else is passed on as it is.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Keys that the operator owns, with the JSON type the agent expects.
pub const RESERVED: &[(&str, &str)] = &[
    ("advertise_addr", "string"),
    ("bind_addr", "string"),
    ("bootstrap", "boolean"),
    ("bootstrap_expect", "integer"),
    ("client_addr", "string"),
    ("data_dir", "string"),
    ("datacenter", "string"),
    ("domain", "string"),
    ("leave_on_terminate", "boolean"),
    ("log_level", "string"),
    ("node_id", "string"),
    ("node_name", "string"),
    ("ports", "object"),
    ("server", "boolean"),
];

/// Settings in the agent's configuration language, as JSON.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ExtraConfig(pub Map<String, Value>);

impl ExtraConfig {
    /// The reserved keys that are set, although they must not be.
    pub fn reserved(&self) -> Vec<&'static str> {
        RESERVED.iter().map(|(key, _)| *key).filter(|key| self.0.contains_key(*key)).collect()
    }
}

impl JsonSchema for ExtraConfig {
    fn schema_name() -> Cow<'static, str> {
        "ExtraConfig".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let properties: Map<String, Value> =
            RESERVED.iter().map(|(key, kind)| ((*key).to_owned(), serde_json::json!({"type": kind}))).collect();
        let rule = |key: &str| {
            serde_json::json!({
                "rule": format!("!has(self.{key})"),
                "message": format!("extraConfig.{key} must not be set: the operator sets it itself"),
            })
        };
        let rules: Vec<Value> = RESERVED.iter().map(|(key, _)| rule(key)).collect();
        json_schema!({
            "type": "object",
            "properties": properties,
            "x-kubernetes-preserve-unknown-fields": true,
            "x-kubernetes-validations": rules,
        })
    }
}
