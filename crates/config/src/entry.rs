//! Config entries as users write them (over HTTP, in files for `consul config write`, in the agent's configuration),
//! brought to the one form that is kept. What an entry means together with others is the servers' to check.

use std::fmt::Write as _;
use std::time::Duration;

use model::{ConfigEntry, EntryKind, UnknownEntryKind, format_duration, parse_nanos};
use serde_json::{Map, Value};

use crate::schema::{EntryField, EntryShape, entry_fields};

/// Deepest nesting of the free part of an entry that HCL blocks are unwrapped in.
const DEPTH_MAX: usize = 16;

/// Why something is no config entry. `Display` is Consul's wording.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// Not an object.
    #[error("'' expected a map, got '{0}'")]
    NotAnObject(&'static str),
    /// Without a kind.
    #[error("Payload does not contain a kind/Kind key at the top level")]
    NoKind,
    /// With a kind that is no text.
    #[error("Kind value in payload is not a string")]
    KindIsNoText,
    /// Of a kind that does not exist.
    #[error(transparent)]
    Unknown(#[from] UnknownEntryKind),
    /// Values of the wrong type, one line each.
    #[error("{}", types_text(.0))]
    Types(Vec<String>),
    /// Keys that do not exist.
    #[error("{}", keys_text(.0))]
    Keys(Vec<String>),
    /// A file that is neither HCL nor JSON.
    #[error("Failed to parse the config entry: {0}")]
    Syntax(String),
}

fn types_text(problems: &[String]) -> String {
    let mut text = format!("{} error(s) decoding:\n", problems.len());
    for problem in problems {
        let _ = write!(text, "\n* {problem}");
    }
    text
}

fn keys_text(keys: &[String]) -> String {
    let noun = if keys.len() == 1 { "error" } else { "errors" };
    let mut text = format!("{} {noun} occurred:\n", keys.len());
    for key in keys {
        let _ = writeln!(text, "\t* invalid config key {key:?}");
    }
    text.push('\n');
    text
}

/// The document of a file's text, HCL or JSON, as it is: blocks of HCL are lists of objects.
///
/// # Errors
/// When the text is neither; with the line.
pub fn parse_document(text: &str) -> Result<Value, String> {
    hcl::parse(text).map(|document| Value::Object(document.root)).map_err(|error| error.to_string())
}

/// Reads an entry from a file's text, HCL or JSON.
///
/// # Errors
/// When the text is neither, or no entry.
pub fn parse_entry(text: &str) -> Result<ConfigEntry, EntryError> {
    let document = hcl::parse(text).map_err(|error| EntryError::Syntax(error.to_string()))?;
    read_entry(&Value::Object(document.root))
}

/// Reads an entry from JSON: names in any case or with underscores, numbers and texts for each other as Consul takes
/// them, blocks of HCL (lists of one object) for objects.
///
/// # Errors
/// When it is no entry of a known kind, or does not have its form.
pub fn read_entry(value: &Value) -> Result<ConfigEntry, EntryError> {
    let Value::Object(given) = value else { return Err(EntryError::NotAnObject(go_kind(value))) };
    let kind = given.get("Kind").or_else(|| given.get("kind")).ok_or(EntryError::NoKind)?;
    let kind: EntryKind = kind.as_str().ok_or(EntryError::KindIsNoText)?.parse()?;
    let mut reading = Reading::default();
    let mut own = given.clone();
    let mut name = String::new();
    own.retain(|key, value| match simple(key).as_str() {
        "kind" | "createindex" | "modifyindex" | "namespace" => false,
        "name" => {
            if let Some(Value::String(text)) = reading.value(EntryShape::Text, value, "Name") {
                name = text;
            }
            false
        }
        _ => true,
    });
    let fields = reading.object(entry_fields(kind), &own, "");
    if !reading.types.is_empty() {
        return Err(EntryError::Types(reading.types));
    }
    if !reading.keys.is_empty() {
        return Err(EntryError::Keys(reading.keys));
    }
    Ok(ConfigEntry { kind, name, fields, create_index: 0, modify_index: 0 })
}

/// A name without what users may vary.
fn simple(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The name that Go has for a value's type.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

#[derive(Default)]
struct Reading {
    types: Vec<String>,
    keys: Vec<String>,
}

impl Reading {
    fn object(&mut self, fields: &[EntryField], given: &Map<String, Value>, path: &str) -> Map<String, Value> {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let mut done = Map::new();
        for field in fields {
            let found = given.iter().find(|(key, _)| simple(key) == field.name.to_ascii_lowercase());
            let value = found.and_then(|(_, value)| self.value(field.shape, value, &below(field.name)));
            match value {
                Some(value) if field.always || !is_left_out(field.shape, &value) => {
                    done.insert(field.name.to_owned(), value);
                }
                None if field.always => {
                    done.insert(field.name.to_owned(), zero(field.shape));
                }
                _ => {}
            }
        }
        let unknown = given.keys().filter(|key| {
            let simple = simple(key);
            !fields.iter().any(|field| field.name.to_ascii_lowercase() == simple)
        });
        self.keys.extend(unknown.map(|key| below(key)));
        done
    }

    /// The value in its form; `None` for null and for what does not fit, which is noted.
    fn value(&mut self, shape: EntryShape, value: &Value, path: &str) -> Option<Value> {
        match (shape, value) {
            (_, Value::Null) => None,
            (EntryShape::Object(fields) | EntryShape::Maybe(fields), Value::Object(object)) => {
                Some(Value::Object(self.object(fields, object, path)))
            }
            (EntryShape::Object(_) | EntryShape::Maybe(_) | EntryShape::TextMap, Value::Array(items))
                if items.len() == 1 =>
            {
                self.value(shape, &items[0], path)
            }
            (EntryShape::List(fields), Value::Array(items)) => {
                let items = items.iter().enumerate().map(|(at, item)| {
                    let done = self.value(EntryShape::Object(fields), item, &format!("{path}[{at}]"));
                    done.unwrap_or_else(|| Value::Object(self.object(fields, &Map::new(), path)))
                });
                Some(items.collect())
            }
            (EntryShape::List(_), Value::Object(_)) => self.value(shape, &Value::Array(vec![value.clone()]), path),
            (EntryShape::ByName(fields), _) => {
                let objects = self.objects(value, path)?;
                let mut done = Map::new();
                for (name, item) in objects {
                    let item = self.value(EntryShape::Object(fields), &item, &format!("{path}[{name}]"));
                    done.insert(name, item.unwrap_or_else(|| Value::Object(Map::new())));
                }
                done.sort_keys();
                Some(Value::Object(done))
            }
            (EntryShape::TextMap, Value::Object(pairs)) => {
                let mut done = Map::new();
                for (name, item) in pairs {
                    if let Some(text) = self.value(EntryShape::Text, item, &format!("{path}[{name}]")) {
                        done.insert(name.clone(), text);
                    }
                }
                done.sort_keys();
                Some(Value::Object(done))
            }
            (EntryShape::Free, _) => Some(self.objects(value, path).map(|map| {
                let mut map = plain(Value::Object(map), DEPTH_MAX);
                map.sort_all_objects();
                map
            })?),
            (EntryShape::Object(_) | EntryShape::Maybe(_) | EntryShape::TextMap | EntryShape::List(_), _) => {
                self.refuse(format!("'{path}' expected a map, got '{}'", go_kind(value)))
            }
            (EntryShape::Texts | EntryShape::CapitalTexts | EntryShape::Uints, Value::Array(items)) => {
                let item_shape = if matches!(shape, EntryShape::Uints) { EntryShape::Uint } else { EntryShape::Text };
                let items = items.iter().enumerate();
                let items = items.filter_map(|(at, item)| self.value(item_shape, item, &format!("{path}[{at}]")));
                Some(
                    items
                        .map(|item| if matches!(shape, EntryShape::CapitalTexts) { capital(item) } else { item })
                        .collect(),
                )
            }
            (EntryShape::Texts | EntryShape::CapitalTexts | EntryShape::Uints, _) => {
                self.value(shape, &Value::Array(vec![value.clone()]), path)
            }
            _ => self.simple_value(shape, value, path),
        }
    }

    fn simple_value(&mut self, shape: EntryShape, value: &Value, path: &str) -> Option<Value> {
        match (shape, value) {
            (_, Value::Array(items)) if items.len() == 1 => self.simple_value(shape, &items[0], path),
            (EntryShape::Text, Value::String(_)) => Some(value.clone()),
            (EntryShape::SmallText, Value::String(text)) => Some(text.to_lowercase().into()),
            (EntryShape::Text | EntryShape::SmallText, Value::Number(number)) => Some(number.to_string().into()),
            (EntryShape::Text | EntryShape::SmallText, Value::Bool(value)) => {
                Some(if *value { "1".into() } else { "0".into() })
            }
            (EntryShape::Bool, Value::Bool(_)) => Some(value.clone()),
            (EntryShape::Bool, Value::String(text)) => match crate::parse_bool(text) {
                Some(value) => Some(value.into()),
                None => self.refuse(format!(
                    "cannot parse '{path}' as bool: strconv.ParseBool: parsing {text:?}: invalid syntax"
                )),
            },
            (EntryShape::Bool, Value::Number(number)) => Some((number.as_f64() != Some(0.0)).into()),
            (EntryShape::Float, Value::Number(number)) => Some(short_number(number.as_f64().unwrap_or_default())),
            (EntryShape::Float, Value::String(text)) => match text.parse::<f64>() {
                Ok(number) => Some(short_number(number)),
                Err(_) => self.refuse(format!(
                    "cannot parse '{path}' as float: strconv.ParseFloat: parsing {text:?}: invalid syntax"
                )),
            },
            (EntryShape::Int, Value::Number(number)) => Some(whole(number).into()),
            (EntryShape::Uint, Value::Number(number)) if whole(number) >= 0 => Some(whole(number).into()),
            (EntryShape::Uint, Value::Number(number)) => {
                self.refuse(format!("cannot parse '{path}', {}.000000 overflows uint", whole(number)))
            }
            (EntryShape::Int, Value::String(text)) => match text.parse::<i64>() {
                Ok(number) => Some(number.into()),
                Err(_) => self.refuse(format!(
                    "cannot parse '{path}' as int: strconv.ParseInt: parsing {text:?}: invalid syntax"
                )),
            },
            (EntryShape::Uint, Value::String(text)) => match text.parse::<u64>() {
                Ok(number) => Some(number.into()),
                Err(_) => self.refuse(format!(
                    "cannot parse '{path}' as uint: strconv.ParseUint: parsing {text:?}: invalid syntax"
                )),
            },
            (EntryShape::Duration, Value::String(text)) => match parse_nanos(text) {
                Ok(nanos) => Some(duration_text(nanos).into()),
                Err(error) => self.refuse(format!("error decoding '{path}': {error}")),
            },
            (EntryShape::Duration, Value::Number(number)) => Some(duration_text(whole(number)).into()),
            _ => {
                let wanted = match shape {
                    EntryShape::Bool => "bool",
                    EntryShape::Int | EntryShape::Duration => "int",
                    EntryShape::Uint => "uint",
                    EntryShape::Float => "float32",
                    _ => "string",
                };
                let got = match value {
                    Value::Object(_) => "map[string]interface {}",
                    Value::Array(_) => "[]interface {}",
                    other => go_kind(other),
                };
                self.refuse(format!("'{path}' expected type '{wanted}', got unconvertible type '{got}'"))
            }
        }
    }

    /// An object, or the objects of HCL blocks laid over each other.
    fn objects(&mut self, value: &Value, path: &str) -> Option<Map<String, Value>> {
        match value {
            Value::Object(object) => Some(object.clone()),
            Value::Array(items) if items.iter().all(Value::is_object) => {
                Some(items.iter().filter_map(Value::as_object).flatten().map(|(k, v)| (k.clone(), v.clone())).collect())
            }
            other => {
                self.refuse(format!("'{path}' expected a map, got '{}'", go_kind(other)));
                None
            }
        }
    }

    fn refuse(&mut self, text: String) -> Option<Value> {
        self.types.push(text);
        None
    }
}

/// Free values with HCL blocks (lists of one object) as objects.
fn plain(value: Value, depth: usize) -> Value {
    match value {
        Value::Object(map) if depth > 0 => {
            Value::Object(map.into_iter().map(|(name, value)| (name, plain(value, depth - 1))).collect())
        }
        Value::Array(mut items) if items.len() == 1 && items[0].is_object() && depth > 0 => {
            plain(items.remove(0), depth - 1)
        }
        other => other,
    }
}

fn capital(value: Value) -> Value {
    match value {
        Value::String(text) => text.to_uppercase().into(),
        other => other,
    }
}

fn whole(number: &serde_json::Number) -> i64 {
    number.as_i64().unwrap_or_else(|| number.as_f64().unwrap_or_default() as i64)
}

/// A number as Go writes it: whole ones without a fraction; with the precision of 32 bits, which Consul keeps.
fn short_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return (number as i64).into();
    }
    (number as f32).to_string().parse::<f64>().unwrap_or(number).into()
}

/// A duration as Go writes it; empty for zero.
fn duration_text(nanos: i64) -> String {
    let text = format_duration(Duration::from_nanos(nanos.unsigned_abs()));
    match nanos {
        0 => String::new(),
        1.. => text,
        _ => format!("-{text}"),
    }
}

fn is_left_out(shape: EntryShape, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(pairs) => pairs.is_empty() && !matches!(shape, EntryShape::Maybe(_)),
        Value::Bool(true) => false,
    }
}

/// What a field that is always shown has when nothing is given.
fn zero(shape: EntryShape) -> Value {
    match shape {
        EntryShape::Text | EntryShape::SmallText | EntryShape::Duration => "".into(),
        EntryShape::Int | EntryShape::Uint | EntryShape::Float => 0.into(),
        EntryShape::Bool => false.into(),
        EntryShape::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|field| field.always)
                .map(|field| (field.name.to_owned(), zero(field.shape)))
                .collect(),
        ),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let entry = parse_entry(text).expect("a test's own entry");
        serde_json::to_string(&entry.fields).expect("JSON")
    }

    fn refused(json: &str) -> String {
        read_entry(&serde_json::from_str(json).expect("JSON")).expect_err("wrong").to_string()
    }

    #[test]
    fn both_spellings_and_languages_give_the_same() {
        let json = r#"{"Kind":"service-defaults","Name":"web","Protocol":"HTTP","MeshGateway":{"Mode":"local"},
            "Expose":{"Paths":[{"Path":"/a","LocalPathPort":3}]}}"#;
        let hcl = "kind = \"service-defaults\"\nname = \"web\"\nprotocol = \"http\"\nmesh_gateway { mode = \"local\" }\n\
            expose { paths = [ { path = \"/a\" local_path_port = 3 } ] }";
        let expected = concat!(
            r#"{"Protocol":"http","MeshGateway":{"Mode":"local"},"#,
            r#""Expose":{"Paths":[{"Path":"/a","LocalPathPort":3,"ParsedFromCheck":false}]}}"#
        );
        assert_eq!(shown(json), expected);
        assert_eq!(shown(hcl), expected);
    }

    #[test]
    fn empty_fields_are_shown_as_answers_do() {
        assert_eq!(
            shown(r#"{"Kind":"proxy-defaults","Name":"global"}"#),
            r#"{"Config":null,"MeshGateway":{},"Expose":{}}"#
        );
        assert_eq!(
            shown(r#"{"Kind":"service-router","Name":"a","Routes":[{},{"Match":{"HTTP":{}}}]}"#),
            r#"{"Routes":[{},{"Match":{"HTTP":{}}}]}"#
        );
        assert_eq!(
            shown(r#"{"Kind":"ingress-gateway","Name":"a","Listeners":[{"Port":1,"Services":[{"Name":"x"}]}]}"#),
            r#"{"TLS":{"Enabled":false},"Listeners":[{"Port":1,"Protocol":"","Services":[{"Name":"x","Hosts":null}]}]}"#
        );
        assert_eq!(
            shown(r#"{"Kind":"service-resolver","Name":"a","connect_timeout":3}"#),
            r#"{"ConnectTimeout":"3ns"}"#
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(refused("[]"), "'' expected a map, got 'slice'");
        assert_eq!(refused("{}"), "Payload does not contain a kind/Kind key at the top level");
        assert_eq!(refused(r#"{"Kind":"x"}"#), "invalid config entry kind: x");
        let keys = refused(r#"{"Kind":"service-defaults","Name":"x","Foo":1,"Expose":{"Baz":1}}"#);
        assert_eq!(
            keys,
            "2 errors occurred:\n\t* invalid config key \"Expose.Baz\"\n\t* invalid config key \"Foo\"\n\n"
        );
        let types = refused(r#"{"Kind":"service-resolver","Name":"x","ConnectTimeout":"abc"}"#);
        assert_eq!(types, "1 error(s) decoding:\n\n* error decoding 'ConnectTimeout': time: invalid duration \"abc\"");
    }
}
