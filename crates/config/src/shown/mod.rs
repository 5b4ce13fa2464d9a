//! The configuration in force as `/v1/agent/self` shows it: Consul 1.8's names and shapes, secrets hidden. What only the
//! running agent knows (node id, version, Raft's timing) is laid over it by the agent.

mod definitions;
mod suites;
mod table;

use std::net::{IpAddr, SocketAddr};

use model::{format_duration, parse_nanos};
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::load::Settings;
use crate::schema::{Kind, setting};
use table::{From, ROWS};

/// What stands in place of a secret, also of one that is not set.
const HIDDEN: &str = "hidden";

/// The object.
pub(crate) fn debug_config(config: &Config, settings: &Settings) -> Value {
    let mut shown = Map::new();
    for (name, from) in ROWS {
        put(&mut shown, name, value(from, config, settings));
    }
    Value::Object(shown)
}

/// Puts a value at a name with dots.
fn put(shown: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        Some((group, rest)) => {
            let group = shown.entry(group).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(group) = group {
                put(group, rest, value);
            }
        }
        None => {
            shown.insert(name.to_owned(), value);
        }
    }
}

fn value(from: &From, config: &Config, settings: &Settings) -> Value {
    match from {
        From::Key(key) => of_key(key, settings.get(key)),
        From::UnlessDefault(key) if settings.is_default(key) => zero(key),
        From::UnlessDefault(key) => of_key(key, settings.get(key)),
        From::Hidden => HIDDEN.into(),
        From::Fixed(text) => serde_json::from_str(text).unwrap_or_default(),
        From::Of(function) => function(config),
        From::With(function) => function(config, settings),
    }
}

fn kind_of(key: &str) -> Kind {
    setting(key).map_or(Kind::Any, |setting| setting.kind)
}

/// A value as it is shown; durations in the form that Go writes.
fn of_key(key: &str, value: &Value) -> Value {
    match (kind_of(key), value) {
        (_, Value::Null) => zero(key),
        (Kind::Duration, Value::String(text)) => duration(text),
        (Kind::DurationMap, Value::Object(map)) => {
            map.iter().map(|(name, text)| (name.clone(), duration(text.as_str().unwrap_or_default()))).collect()
        }
        (Kind::TextMap, Value::Object(map)) => {
            let hidden = |(name, text): (&String, &Value)| {
                (name.clone(), if is_secret(name) { HIDDEN.into() } else { text.clone() })
            };
            map.iter().map(hidden).collect()
        }
        (Kind::TextList, Value::Array(items)) => items.iter().map(without_secrets).collect(),
        _ => value.clone(),
    }
}

fn zero(key: &str) -> Value {
    match kind_of(key) {
        Kind::Bool => false.into(),
        Kind::Int | Kind::Float => 0.into(),
        Kind::Text => "".into(),
        Kind::Duration => "0s".into(),
        Kind::TextList | Kind::Definitions(_) => json!([]),
        Kind::TextMap | Kind::DurationMap | Kind::Any => json!({}),
    }
}

fn duration(text: &str) -> Value {
    let nanos = parse_nanos(text).ok().and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or_default();
    format_duration(std::time::Duration::from_nanos(nanos)).into()
}

/// An entry such as `provider=aws secret_access_key=...`: the values of what is named like a secret are hidden.
fn without_secrets(item: &Value) -> Value {
    let Some(text) = item.as_str().filter(|text| text.contains("provider=")) else { return item.clone() };
    let words = text.split(' ').map(|word| match word.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ").into()
}

/// Whether something of this name is a secret, by Consul's rule.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["key", "token", "secret", "password"].iter().any(|part| name.contains(part))
}

/// Listening addresses as URLs.
fn urls(scheme: &str, ips: &[IpAddr], port: Option<u16>) -> Vec<Value> {
    let Some(port) = port else { return Vec::new() };
    ips.iter().map(|ip| format!("{scheme}://{}", SocketAddr::new(*ip, port)).into()).collect()
}

/// The one listening address as a URL; empty when it is off.
fn url(ip: IpAddr, port: Option<u16>) -> Value {
    urls("tcp", &[ip], port).pop().unwrap_or_else(|| "".into())
}

/// A port; -1 when it is off.
fn port(port: Option<u16>) -> Value {
    port.map_or(-1, i64::from).into()
}
