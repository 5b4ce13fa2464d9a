//! From sources to a configuration: defaults, dev mode, files, flags; one merge; one validation.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::Config;
use crate::host::Host;
use crate::layer::{Entry, Format, Layer, Source};
use crate::problem::{Origin, Problems};
use crate::schema::{DEV_OVERLAY, Kind, Setting, setting, setting_of_flag, settings};
use crate::shown::debug_config;
use crate::validate::validate;

/// What the user gave, in the order given.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// `-dev`.
    pub dev: bool,
    /// Files, those of directories in lexical order.
    pub files: Vec<Source>,
    /// Flags that set a key: name without the dash, value. Unknown ones are the caller's to refuse.
    pub flags: Vec<(String, String)>,
    /// `-hcl` fragments.
    pub fragments: Vec<String>,
}

/// A configuration and what deserves a word of warning.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// What the configuration was made from.
    pub settings: Settings,
}

impl Loaded {
    /// The configuration as `/v1/agent/self` shows it, without what only a running agent knows.
    #[must_use]
    pub fn shown(&self) -> Value {
        debug_config(&self.config, &self.settings)
    }
}

/// The value of every key after the merge, of those without effect too.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings(Values);

impl Settings {
    /// A key's value; null for an unknown one.
    #[must_use]
    pub fn get(&self, key: &str) -> &Value {
        self.0.get(key).map_or(&Value::Null, |(value, _)| value)
    }

    pub(crate) fn is_default(&self, key: &str) -> bool {
        self.0.get(key).is_none_or(|(value, _)| *value == default_of(key))
    }

    /// The keys whose values differ, in the order of their names.
    pub fn changed<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static Setting> + 'a {
        self.0.iter().filter(|(key, (value, _))| other.get(key) != value).filter_map(|(key, _)| setting(key))
    }
}

fn default_of(key: &str) -> Value {
    setting(key).and_then(|setting| serde_json::from_str(setting.default).ok()).unwrap_or_default()
}

/// Merges and validates. Lists of flags come before those of files; otherwise flags win over files and `-hcl` over both.
pub fn load(inputs: &Inputs, host: &Host) -> Result<Loaded, Problems> {
    let mut merged = Merged::defaults();
    if inputs.dev {
        let source = Source { name: String::new(), format: Format::Json, text: DEV_OVERLAY.to_owned() };
        // What has no effect deserves no warning where the user did not ask for it.
        merged.add(Layer { warnings: Vec::new(), ..Layer::of_source(&source) });
    }
    let flags: Vec<Layer> = inputs
        .flags
        .iter()
        .filter_map(|(flag, text)| setting_of_flag(flag).map(|setting| Layer::of_flag(setting, text)))
        .collect();
    let (lists, scalars): (Vec<Layer>, Vec<Layer>) = flags.into_iter().partition(is_list);
    let files = inputs.files.iter().map(Layer::of_source);
    let fragments = inputs.fragments.iter().enumerate().map(|(index, text)| {
        let name = if index == 0 { "flag -hcl".to_owned() } else { format!("flag -hcl ({})", index + 1) };
        Layer::of_source(&Source { name, format: Format::Hcl, text: text.clone() })
    });
    for layer in lists.into_iter().chain(files).chain(scalars).chain(fragments) {
        merged.add(layer);
    }
    let Merged { values, mut problems, mut warnings } = merged;
    if problems.iter().any(|problem| problem.in_parsing && problem.origin.line.is_none()) {
        // A file is missing as a whole: what the rest lacks says nothing.
        return Err(Problems(problems));
    }
    let (config, found) = validate(&values, inputs.dev, host, &mut warnings);
    problems.extend(found);
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, warnings, settings: Settings(values) }),
        _ => Err(Problems(problems)),
    }
}

/// The service definitions of files, in the shape of the HTTP registration; whatever else they hold is checked and left.
pub fn services(files: &[Source]) -> Result<Vec<Value>, Problems> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for layer in files.iter().map(Layer::of_source) {
        problems.extend(layer.problems);
        for Entry { setting, value, .. } in layer.entries {
            if let ("services", Value::Array(services)) = (setting.key, value) {
                found.extend(services);
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Problems(problems)) }
}

fn is_list(layer: &Layer) -> bool {
    layer.entries.iter().any(|entry| matches!(entry.setting.kind, Kind::TextList))
}

/// Values by key, after the merge.
pub(crate) type Values = BTreeMap<&'static str, (Value, Origin)>;

struct Merged {
    values: Values,
    problems: Vec<crate::problem::Problem>,
    warnings: Vec<String>,
}

impl Merged {
    fn defaults() -> Self {
        let values = settings()
            .map(|row| (row.key, (serde_json::from_str(row.default).unwrap_or_default(), Origin::default())))
            .collect();
        Self { values, problems: Vec::new(), warnings: Vec::new() }
    }

    fn add(&mut self, layer: Layer) {
        for Entry { setting, value, origin } in layer.entries {
            let slot = self.values.entry(setting.key).or_default();
            slot.0 = match (setting.kind, slot.0.take(), value) {
                (Kind::TextList | Kind::Definitions(_), Value::Array(mut items), Value::Array(more)) => {
                    items.extend(more);
                    Value::Array(items)
                }
                (Kind::TextMap | Kind::DurationMap, Value::Object(map), Value::Object(more)) => {
                    Value::Object(map.into_iter().chain(more).collect::<Map<_, _>>())
                }
                (_, _, last) => last,
            };
            slot.1 = origin;
        }
        self.problems.extend(layer.problems);
        self.warnings.extend(layer.warnings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_json_of_its_kind() {
        for row in settings() {
            let value: Value = serde_json::from_str(row.default).unwrap_or_else(|e| panic!("{}: {e}", row.key));
            let fits = match row.kind {
                Kind::Bool => value.is_boolean(),
                Kind::Int => value.is_i64(),
                Kind::Float => value.is_number(),
                Kind::Text | Kind::Duration => value.is_string(),
                Kind::TextList | Kind::Definitions(_) => value.is_array(),
                Kind::TextMap | Kind::DurationMap => value.is_object(),
                Kind::Any => true,
            };
            assert!(value.is_null() || fits, "{}", row.key);
            assert!(!row.doc.is_empty(), "{}", row.key);
        }
    }

    #[test]
    fn keys_and_flags_are_unique() {
        let mut keys: Vec<_> = settings().flat_map(|row| [row.key, row.alias]).filter(|key| !key.is_empty()).collect();
        let mut flags: Vec<_> = settings().map(|row| row.flag).filter(|flag| !flag.is_empty()).collect();
        for names in [&mut keys, &mut flags] {
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }
}
