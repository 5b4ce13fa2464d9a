//! One source of settings, checked against the schema: unknown keys, types, and what is not available.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::definition::definitions;
use crate::problem::{Origin, Problem};
use crate::schema::{Kind, Setting, Support, is_section, setting, settings};
use crate::suggest::closest;

/// The language of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// HCL.
    Hcl,
}

impl Format {
    /// The format that a file name's ending stands for.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "json" => Some(Self::Json),
            "hcl" => Some(Self::Hcl),
            _ => None,
        }
    }
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name for messages.
    pub name: String,
    /// Language.
    pub format: Format,
    /// Contents.
    pub text: String,
}

/// A setting's value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) setting: &'static Setting,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// What one source says.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) entries: Vec<Entry>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<String>,
}

impl Layer {
    pub(crate) fn of_source(source: &Source) -> Self {
        let mut layer = Self::default();
        let name: Arc<str> = Arc::from(source.name.as_str());
        // An empty file is one that somebody is still going to write.
        if source.format == Format::Json
            && !source.text.trim().is_empty()
            && let Err(error) = serde_json::from_str::<Value>(&source.text)
        {
            layer.refuse(Origin { source: name, line: None }, error.to_string(), true);
            return layer;
        }
        match hcl::parse(&source.text) {
            Ok(document) => {
                let mut walk = Walk { layer: &mut layer, lines: &document.lines, source: name };
                walk.object(&document.root, "", "");
            }
            Err(error) => layer.refuse(Origin { source: name, line: None }, error.to_string(), true),
        }
        layer
    }

    /// A flag of the command line, already known to exist.
    pub(crate) fn of_flag(setting: &'static Setting, text: &str) -> Self {
        let mut layer = Self::default();
        let origin = Origin { source: Arc::from(format!("flag -{}", setting.flag)), line: None };
        match flag_value(setting.kind, text) {
            Ok(value) => layer.accept(setting, value, origin),
            Err(why) => layer.refuse(
                Origin::default(),
                format!("invalid value {text:?} for flag -{}: {why}", setting.flag),
                false,
            ),
        }
        layer
    }

    fn refuse(&mut self, origin: Origin, text: String, in_parsing: bool) {
        self.problems.push(Problem { origin, text, in_parsing });
    }

    fn accept(&mut self, setting: &'static Setting, value: Value, origin: Origin) {
        let default: Value = serde_json::from_str(setting.default).unwrap_or_default();
        let unchanged = value == default || value.as_f64().is_some_and(|n| Some(n) == default.as_f64());
        match setting.support {
            Support::NotYet(what_to_do) if !unchanged => {
                self.refuse(origin, format!("{}: {what_to_do}", setting.key), false);
                return;
            }
            Support::NoEffect(why) if !unchanged => {
                self.warnings.push(format!("{:?} will have no effect: {why}", setting.key));
            }
            _ => {}
        }
        self.entries.push(Entry { setting, value, origin });
    }
}

struct Walk<'a> {
    layer: &'a mut Layer,
    lines: &'a std::collections::BTreeMap<String, usize>,
    source: Arc<str>,
}

impl Walk<'_> {
    /// `path` is the key in the schema, `shown` the path in the document (with the indexes of repeated blocks).
    fn object(&mut self, object: &Map<String, Value>, path: &str, shown: &str) {
        for (key, value) in object {
            let join = |path: &str| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let (path, shown) = (join(path), join(shown));
            if value.is_null() {
                continue;
            }
            if let Some(setting) = setting(&path) {
                self.setting(setting, value, &shown);
            } else if is_section(&path) {
                self.section(value, &path, &shown);
            } else {
                self.unknown(&path, &shown);
            }
        }
    }

    fn section(&mut self, value: &Value, path: &str, shown: &str) {
        match value {
            Value::Object(object) => self.object(object, path, shown),
            Value::Array(items) if items.iter().all(Value::is_object) => {
                for item in items.iter().filter_map(Value::as_object) {
                    self.object(item, path, shown);
                }
            }
            other => self.refuse(shown, format!("'{shown}' expected a map, got '{}'", type_name(other))),
        }
    }

    fn setting(&mut self, setting: &'static Setting, value: &Value, shown: &str) {
        let mut wrong = Vec::new();
        let value = match setting.kind {
            Kind::Definitions(fields) => definitions(fields, value, shown, &mut wrong),
            kind => typed(kind, value, shown).unwrap_or_else(|text| {
                wrong.push((shown.to_owned(), text));
                Value::Null
            }),
        };
        if wrong.is_empty() {
            let origin = self.origin(shown);
            self.layer.accept(setting, value, origin);
        }
        for (shown, text) in wrong {
            self.refuse(&shown, text);
        }
    }

    fn unknown(&mut self, path: &str, shown: &str) {
        let (parent, last) = path.rsplit_once('.').unwrap_or(("", path));
        let siblings = settings().flat_map(|row| [row.key, row.alias]).filter_map(|key| {
            let rest = if parent.is_empty() { key } else { key.strip_prefix(parent)?.strip_prefix('.')? };
            rest.split('.').next().filter(|name| !name.is_empty())
        });
        let hint = closest(last, siblings).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
        self.refuse(shown, format!("invalid config key {shown}{hint}"));
    }

    fn refuse(&mut self, shown: &str, text: String) {
        let origin = self.origin(shown);
        self.layer.refuse(origin, text, true);
    }

    fn origin(&self, shown: &str) -> Origin {
        Origin { source: self.source.clone(), line: self.lines.get(shown).copied() }
    }
}

/// Checks a value's type; single values of structured kinds may come as a list of blocks.
fn typed(kind: Kind, value: &Value, shown: &str) -> Result<Value, String> {
    let expected =
        |name: &str| format!("'{shown}' expected type '{name}', got unconvertible type '{}'", type_name(value));
    match kind {
        Kind::Bool if !value.is_boolean() => Err(expected("bool")),
        Kind::Int => whole(value).map(Value::from).ok_or_else(|| expected("int")),
        Kind::Float if !value.is_number() => Err(expected("float64")),
        Kind::Text | Kind::Duration if !value.is_string() => Err(expected("string")),
        Kind::TextList => match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    typed(Kind::Text, item, &format!("{shown}[{index}]"))?;
                }
                Ok(value.clone())
            }
            other => Err(format!("'{shown}': source data must be an array or slice, got {}", type_name(other))),
        },
        Kind::TextMap | Kind::DurationMap => {
            let mut merged = Map::new();
            for object in
                objects(value).ok_or_else(|| format!("'{shown}' expected a map, got '{}'", type_name(value)))?
            {
                for (key, item) in object {
                    merged.insert(key.clone(), typed(Kind::Text, item, &format!("{shown}[{key}]"))?);
                }
            }
            Ok(Value::Object(merged))
        }
        _ => Ok(value.clone()),
    }
}

/// The objects of a value that is one or a list of some.
pub(crate) fn objects(value: &Value) -> Option<Vec<&Map<String, Value>>> {
    match value {
        Value::Object(object) => Some(vec![object]),
        Value::Array(items) => items.iter().map(Value::as_object).collect(),
        _ => None,
    }
}

/// A whole number, also when it was written as `8500.0`.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15).map(|n| n as i64))
}

/// Go's name of a value's type, as Consul's messages have it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn flag_value(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Bool => parse_bool(text).map(Value::Bool).ok_or_else(|| "parse error".to_owned()),
        Kind::Int => text.parse::<i64>().map(Value::from).map_err(|_| "parse error".to_owned()),
        Kind::Float => text.parse::<f64>().map(Value::from).map_err(|_| "parse error".to_owned()),
        Kind::TextList => Ok(Value::Array(vec![Value::from(text)])),
        Kind::TextMap | Kind::DurationMap => {
            let (key, value) = text.split_once(':').unwrap_or((text, ""));
            Ok(Value::Object(Map::from_iter([(key.to_owned(), Value::from(value))])))
        }
        Kind::Text | Kind::Duration | Kind::Definitions(_) | Kind::Any => Ok(Value::from(text)),
    }
}

/// A truth value as Go's flags accept it.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
