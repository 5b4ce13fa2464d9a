//! The settings of the service mesh, read from the merged values.

use serde_json::{Map, Value};

use crate::config::Connect;
use crate::entry::read_entry;
use crate::read::Reader;

/// How a configuration file spells the settings of the certificate authority, and how the API does.
const CA_NAMES: &[(&str, &str)] = &[
    ("csr_max_concurrent", "CSRMaxConcurrent"),
    ("csr_max_per_second", "CSRMaxPerSecond"),
    ("intermediate_cert_ttl", "IntermediateCertTTL"),
    ("leaf_cert_ttl", "LeafCertTTL"),
    ("private_key", "PrivateKey"),
    ("private_key_bits", "PrivateKeyBits"),
    ("private_key_type", "PrivateKeyType"),
    ("root_cert", "RootCert"),
    ("rotation_period", "RotationPeriod"),
];

pub(crate) fn connect(reader: &mut Reader<'_>) -> Connect {
    match reader.text("connect.ca_provider").as_str() {
        "" | "consul" => {}
        known @ ("vault" | "aws-pca") => {
            let text = format!(
                "connect.ca_provider: {known:?} is not supported; use \"consul\", with private_key and root_cert of your own authority if need be"
            );
            reader.refuse("connect.ca_provider", &text);
        }
        other => reader.refuse("connect.ca_provider", &format!("{other} is not a valid CA provider")),
    }
    // Clients cannot be given certificates without an authority.
    let enabled = reader.flag("connect.enabled") || reader.flag("auto_encrypt.allow_tls");
    Connect { enabled, ca_config: ca_config(reader), bootstrap_entries: bootstrap_entries(reader) }
}

fn ca_config(reader: &mut Reader<'_>) -> Map<String, Value> {
    let given = match reader.list_of_any("connect.ca_config").as_slice() {
        [] => Map::new(),
        [Value::Object(given)] => given.clone(),
        _ => {
            reader.refuse("connect.ca_config", "connect.ca_config must be one block");
            Map::new()
        }
    };
    let spelled = |name: String| CA_NAMES.iter().find(|(file, _)| *file == name).map_or(name, |(_, api)| (*api).into());
    given.into_iter().map(|(name, value)| (spelled(name), value)).collect()
}

fn bootstrap_entries(reader: &mut Reader<'_>) -> Vec<model::ConfigEntry> {
    const KEY: &str = "config_entries.bootstrap";
    let mut entries = Vec::new();
    for (number, given) in reader.list_of_any(KEY).iter().enumerate() {
        match read_entry(given) {
            Ok(entry) => entries.push(entry),
            Err(error) => reader.refuse(KEY, &format!("{KEY}[{number}]: {error}")),
        }
    }
    entries
}
