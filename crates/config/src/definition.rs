//! Service and check definitions from files, turned into the JSON of the HTTP registration.

use model::parse_nanos;
use serde_json::{Map, Value};

use crate::layer::{objects, type_name, whole};
use crate::schema::{Field, FieldKind};
use crate::suggest::closest;

/// What is wrong, with the path of the key.
type Wrong = Vec<(String, String)>;

/// Turns one definition, or a list of them, into a list of registrations.
pub(crate) fn definitions(fields: &[Field], value: &Value, shown: &str, wrong: &mut Wrong) -> Value {
    let Some(found) = objects(value) else {
        wrong.push((shown.to_owned(), format!("'{shown}' expected a map, got '{}'", type_name(value))));
        return Value::Null;
    };
    let path = |index: usize| if value.is_array() { format!("{shown}[{index}]") } else { shown.to_owned() };
    let all = found.iter().enumerate().map(|(index, object)| definition(fields, object, &path(index), wrong));
    Value::Array(all.collect())
}

fn definition(fields: &[Field], object: &Map<String, Value>, shown: &str, wrong: &mut Wrong) -> Value {
    let mut done = Map::new();
    for (key, value) in object {
        let path = format!("{shown}.{key}");
        let Some(field) = fields.iter().find(|field| field.name.eq_ignore_ascii_case(key)) else {
            let hint = closest(key, fields.iter().map(|field| field.name));
            let hint = hint.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
            wrong.push((path.clone(), format!("invalid config key {path}{hint}")));
            continue;
        };
        if !value.is_null() {
            let value = converted(field.kind, value, &path, wrong);
            done.insert(field.json.to_owned(), value);
        }
    }
    Value::Object(done)
}

fn converted(kind: FieldKind, value: &Value, shown: &str, wrong: &mut Wrong) -> Value {
    let mut refuse = |name: &str| {
        let got = type_name(value);
        wrong.push((shown.to_owned(), format!("'{shown}' expected type '{name}', got unconvertible type '{got}'")));
        Value::Null
    };
    match kind {
        FieldKind::Bool if !value.is_boolean() => refuse("bool"),
        FieldKind::Text | FieldKind::Duration if !value.is_string() => refuse("string"),
        FieldKind::Int => whole(value).map_or_else(|| refuse("int"), Value::from),
        FieldKind::Duration => {
            let text = value.as_str().unwrap_or_default();
            if let Err(error) = parse_nanos(text) {
                wrong.push((shown.to_owned(), format!("{shown}: invalid duration: {text:?}: {error}")));
            }
            value.clone()
        }
        FieldKind::TextList => match value.as_array() {
            Some(items) if items.iter().all(Value::is_string) => value.clone(),
            _ => refuse("[]string"),
        },
        FieldKind::TextMap | FieldKind::TextListMap | FieldKind::ByName(_) => {
            let Some(found) = objects(value) else { return refuse("map") };
            let mut done = Map::new();
            for (key, item) in found.into_iter().flatten() {
                done.insert(key.clone(), entry(kind, item, &format!("{shown}[{key}]"), wrong));
            }
            Value::Object(done)
        }
        FieldKind::One(fields) => match objects(value).as_deref() {
            Some([object]) => definition(fields, object, shown, wrong),
            _ => refuse("map"),
        },
        FieldKind::Many(fields) => definitions(fields, value, shown, wrong),
        FieldKind::NotYet(what_to_do) => {
            wrong.push((shown.to_owned(), format!("{shown}: {what_to_do}")));
            Value::Null
        }
        FieldKind::Bool | FieldKind::Text | FieldKind::Free => value.clone(),
    }
}

/// One entry of a map.
fn entry(kind: FieldKind, value: &Value, shown: &str, wrong: &mut Wrong) -> Value {
    match kind {
        FieldKind::TextListMap => converted(FieldKind::TextList, value, shown, wrong),
        FieldKind::ByName(fields) => converted(FieldKind::One(fields), value, shown, wrong),
        _ => converted(FieldKind::Text, value, shown, wrong),
    }
}
