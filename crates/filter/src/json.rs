//! JSON in the shape of the HTTP API as rows, and as parts of rows that are kept as JSON.

use serde_json::Value;

use crate::evaluate::{Leaf, Row};
use crate::schema::{Kind, Schema};

/// A JSON object with the schema that says how to read it.
#[derive(Clone, Copy, Debug)]
pub struct JsonRow<'a> {
    /// The object.
    pub value: &'a Value,
    /// Its fields.
    pub schema: &'static Schema,
}

impl Row for JsonRow<'_> {
    fn any(&self, path: &[String], test: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        any_json(Some(self.value), &Kind::Struct(self.schema), path, test)
    }
}

/// [`Row::any`] for a value that is kept as JSON inside a row. JSON leaves zero values out, so an absent field of a
/// structure reads as the zero value of its type; only an absent key of a map is missing.
pub fn any_json(value: Option<&Value>, kind: &Kind, path: &[String], test: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    match (kind, path.split_first()) {
        (_, None) => test_leaf(value, kind, test),
        (Kind::Struct(schema), Some((step, rest))) => match schema.field(step) {
            Some(kind) => any_json(value.and_then(|fields| fields.get(step)), kind, rest, test),
            None => test(Leaf::Missing),
        },
        (Kind::Map(kind), Some((step, rest))) => match value.and_then(|fields| fields.get(step)) {
            Some(value) => any_json(Some(value), kind, rest, test),
            None => test(Leaf::Missing),
        },
        (Kind::List(schema), Some(_)) => value
            .and_then(Value::as_array)
            .is_some_and(|items| items.iter().any(|item| any_json(Some(item), &Kind::Struct(schema), path, test))),
        (Kind::Text | Kind::Int | Kind::Bool | Kind::Texts, Some(_)) => test(Leaf::Missing),
    }
}

fn test_leaf(value: Option<&Value>, kind: &Kind, test: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    match kind {
        Kind::Text => test(Leaf::Text(value.and_then(Value::as_str).unwrap_or_default())),
        Kind::Int => test(Leaf::Int(value.and_then(Value::as_i64).unwrap_or_default())),
        Kind::Bool => test(Leaf::Bool(value.and_then(Value::as_bool).unwrap_or_default())),
        Kind::Map(_) | Kind::Struct(_) => {
            let fields = value.and_then(Value::as_object);
            let has = |key: &str| fields.is_some_and(|fields| fields.contains_key(key));
            test(Leaf::Collection { length: fields.map_or(0, serde_json::Map::len), has: &has })
        }
        Kind::Texts | Kind::List(_) => {
            let items = value.and_then(Value::as_array);
            let has = |key: &str| items.is_some_and(|items| items.iter().any(|item| item.as_str() == Some(key)));
            test(Leaf::Collection { length: items.map_or(0, Vec::len), has: &has })
        }
    }
}
