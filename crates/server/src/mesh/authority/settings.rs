//! The configuration of the authority: read in whatever spelling, with Consul's defaults, limits and error texts.

use std::time::Duration;

use model::{Json, parse_nanos};
use serde_json::{Value, json};

use super::CaError;

const LEAF_TTL_MIN: Duration = Duration::from_hours(1);
const LEAF_TTL_MAX: Duration = Duration::from_hours(365 * 24);
const INTERMEDIATE_TTL_MIN: Duration = Duration::from_hours(3);

/// What the configuration of the authority comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct CaSettings {
    /// UUID that the trust domain of a new authority is named after, where it is not made up.
    pub cluster_id: Option<String>,
    /// How long the certificate of a service is valid.
    pub leaf_ttl: Duration,
    /// Private key of the root, PEM; empty for one that is made.
    pub private_key: String,
    /// Certificate of the root, PEM; empty for one that is made.
    pub root_cert: String,
    /// Signatures per second, 0 for no limit. Not looked at when there is a limit on how many are made at once.
    pub requests_per_second: f64,
    /// Signatures made at once; 0 for no limit.
    pub requests_at_once: i64,
    /// Size of the elliptic curve of a key that is made, or `None` for a kind of key that is not made.
    pub curve_bits: Option<u32>,
    /// What the authority keeps of its own: nothing but what `test_state` says, which tests of clients look for.
    pub state: Json,
}

impl Default for CaSettings {
    fn default() -> Self {
        Self {
            cluster_id: None,
            leaf_ttl: Duration::from_hours(72),
            private_key: String::new(),
            root_cert: String::new(),
            requests_per_second: 50.0,
            requests_at_once: 0,
            curve_bits: Some(256),
            state: Value::Null,
        }
    }
}

/// The configuration of a new authority that is told nothing.
#[must_use]
pub fn default_config() -> Json {
    json!({"IntermediateCertTTL": "8760h", "LeafCertTTL": "72h", "RotationPeriod": "2160h"})
}

/// The configuration of a new authority: what is given, on top of the defaults.
pub(super) fn with_defaults(given: &Json) -> Json {
    let mut config = default_config();
    if let (Some(config), Some(given)) = (config.as_object_mut(), given.as_object()) {
        for (name, value) in given {
            config.insert(name.clone(), value.clone());
        }
        config.sort_keys();
    }
    config
}

impl CaSettings {
    /// Reads a configuration; names that are not known are left alone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(config: &Json) -> Result<Self, CaError> {
        let mut fields = Fields { config, problems: Vec::new() };
        let defaults = Self::default();
        let settings = Self {
            cluster_id: Some(fields.text("cluster_id")).filter(|id| !id.is_empty()),
            leaf_ttl: fields.duration("LeafCertTTL").unwrap_or(defaults.leaf_ttl),
            private_key: fields.text("PrivateKey"),
            root_cert: fields.text("RootCert"),
            requests_per_second: fields.number("CSRMaxPerSecond").unwrap_or(defaults.requests_per_second),
            requests_at_once: fields.number("CSRMaxConcurrent").map_or(0, |number| number as i64),
            curve_bits: None,
            state: fields.find("test_state").cloned().unwrap_or_default(),
        };
        let intermediate_ttl = fields.duration("IntermediateCertTTL").unwrap_or(LEAF_TTL_MAX);
        let kind = fields.text("PrivateKeyType");
        let bits = fields.number("PrivateKeyBits").map_or(256, |bits| bits as i64);
        fields.duration("RotationPeriod");
        let skips = fields.find("SkipValidate").and_then(Value::as_bool).unwrap_or_default();
        fields.finish()?;
        let wrong = |text: &str| Err(CaError::Settings(format!("error configuring provider: {text}")));
        if settings.private_key.is_empty() && !settings.root_cert.is_empty() {
            return wrong("must provide a private key when providing a root cert");
        }
        let curve_bits = match (kind.as_str(), bits) {
            ("" | "ec", 256 | 384) => Some(bits.unsigned_abs() as u32),
            _ => None,
        };
        if skips {
            return Ok(Self { curve_bits, ..settings });
        }
        if settings.leaf_ttl < LEAF_TTL_MIN {
            return wrong("leaf cert TTL must be greater or equal than 1h0m0s");
        }
        if settings.leaf_ttl > LEAF_TTL_MAX {
            return wrong("leaf cert TTL must be less than 8760h0m0s");
        }
        match (kind.as_str(), bits) {
            ("" | "ec", 224 | 256 | 384 | 521) | ("rsa", 2048 | 4096) => {}
            ("" | "ec", _) => return wrong("EC key length must be one of (224, 256, 384, 521) bits"),
            ("rsa", _) => return wrong("RSA key length must be 2048 or 4096 bits"),
            _ => return wrong("private key type must be either 'ec' or 'rsa'"),
        }
        if intermediate_ttl < INTERMEDIATE_TTL_MIN {
            return wrong("Intermediate Cert TTL must be greater or equal than 3h");
        }
        Ok(Self { curve_bits, ..settings })
    }
}

/// The fields of a configuration, found in any case; what cannot be read is noted.
struct Fields<'a> {
    config: &'a Json,
    problems: Vec<String>,
}

impl<'a> Fields<'a> {
    fn find(&self, name: &str) -> Option<&'a Value> {
        let pairs = self.config.as_object()?;
        let found = pairs.get(name).or_else(|| {
            let (_, value) = pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            Some(value)
        });
        found.filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &'static str) -> String {
        match self.find(name) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.problems.push(format!("'{name}' expected type 'string', got '{}'", kind(other)));
                String::new()
            }
        }
    }

    /// Text such as `72h`, or nanoseconds.
    fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let nanos = match self.find(name)? {
            Value::String(text) => parse_nanos(text).map_err(|error| error.to_string()),
            Value::Number(number) => Ok(number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64)),
            other => Err(format!("expected a duration, got '{}'", kind(other))),
        };
        match nanos {
            Ok(nanos) => Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())),
            Err(error) => {
                self.problems.push(format!("error decoding '{name}': {error}"));
                None
            }
        }
    }

    fn number(&mut self, name: &'static str) -> Option<f64> {
        match self.find(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => {
                let number = text.parse().ok();
                if number.is_none() {
                    let why = format!("strconv.ParseFloat: parsing {text:?}: invalid syntax");
                    self.problems.push(format!("cannot parse '{name}' as float: {why}"));
                }
                number
            }
            other => {
                self.problems.push(format!("'{name}' expected type 'float32', got '{}'", kind(other)));
                None
            }
        }
    }

    fn finish(self) -> Result<(), CaError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let list: String = self.problems.iter().map(|problem| format!("\n* {problem}")).collect();
        let count = self.problems.len();
        let text = format!("error configuring provider: error decoding config: {count} error(s) decoding:\n{list}");
        Err(CaError::Settings(text))
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
