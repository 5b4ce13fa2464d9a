//! Turns the JSON of a request into one of the model's types, by a description of its shape.
//!
//! The description gives what `serde` alone cannot: names in any case and with aliases, unknown names refused,
//! durations as numbers or text, and the error texts that the API's users know. To take a new body, describe it with
//! [`Struct`] and call [`decode`]; the result has the canonical names and goes through `serde` into the type.

use model::parse_nanos;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::json::{Node, SyntaxError, parse};

/// An object: its fields and how strict it is.
#[derive(Debug)]
pub struct Struct {
    /// Type as error texts name it, such as `structs.RegisterRequest`. The part after the dot is its name in paths;
    /// without a dot it has none there.
    pub type_name: &'static str,
    /// The fields.
    pub fields: &'static [Field],
    /// What happens to other names.
    pub unknown: Unknown,
    /// Error texts name the place of this object, not the places inside it.
    pub opaque: bool,
    /// Last touch on the decoded object: defaults, derived fields.
    pub finish: Option<fn(&mut Map<String, Value>)>,
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    /// Canonical name, which any case matches.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub shape: Shape,
}

/// What to do with names that are not fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Refuse the request; `Namespace` with a hint that it exists elsewhere.
    Refuse,
    /// Refuse the request.
    RefusePlainly,
    /// Leave them out.
    Drop,
}

/// What a field may hold; `null` is always taken, as if the field were absent.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Text, with the type's name for error texts (`string`).
    Text(&'static str),
    /// A signed whole number, with the type's name (`int`).
    Int(&'static str),
    /// A number.
    Float,
    /// An unsigned whole number, with the type's name (`uint64`).
    Uint(&'static str),
    /// A truth value.
    Bool,
    /// A duration: text such as `10s`, or a number of nanoseconds. Becomes a number of nanoseconds; values of other
    /// kinds are left out.
    Duration,
    /// A list, with the type's name (`[]string`).
    List(&'static str, &'static Shape),
    /// An object with any names, with the type's name (`map[string]string`).
    Map(&'static str, &'static Shape),
    /// An object with known names.
    Struct(&'static Struct),
    /// Anything.
    Any,
}

impl Shape {
    /// `string`
    pub const TEXT: Self = Self::Text("string");
    /// `[]string`
    pub const TEXTS: Self = Self::List("[]string", &Self::TEXT);
    /// `map[string]string`
    pub const TEXT_MAP: Self = Self::Map("map[string]string", &Self::TEXT);
    /// `int`
    pub const INT: Self = Self::Int("int");
}

/// A field without aliases.
#[must_use]
pub const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, aliases: &[], shape }
}

/// A field with other names.
#[must_use]
pub const fn alias(name: &'static str, aliases: &'static [&'static str], shape: Shape) -> Field {
    Field { name, aliases, shape }
}

/// The body cannot be used; `Display` is the text for the client.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A name that the object does not have.
    #[error("json: unknown field {0:?}")]
    UnknownField(String),
    /// Namespaces are not offered.
    #[error("json: unknown field \"Namespace\" - Namespaces are a Consul Enterprise feature")]
    Namespace,
    /// A value of another kind than the field's.
    #[error("json: cannot unmarshal {found} into Go {place} of type {wanted}")]
    Kind {
        /// What was found.
        found: String,
        /// Where.
        place: String,
        /// What should be there.
        wanted: &'static str,
    },
    /// Text that is not a duration.
    #[error(transparent)]
    Duration(#[from] model::InvalidDuration),
    /// The shape lets something through that the type does not take.
    #[error("{0}")]
    Type(#[from] serde_json::Error),
}

/// Reads a body of a shape.
pub fn decode<T: DeserializeOwned>(body: &[u8], shape: &'static Struct) -> Result<T, DecodeError> {
    let value = Place::default().object(parse(body)?, shape)?;
    Ok(serde_json::from_value(value)?)
}

/// Reads a body that need not be an object; `null` reads as JSON's null.
pub fn decode_shape<T: DeserializeOwned>(body: &[u8], shape: &'static Shape) -> Result<T, DecodeError> {
    let value = Place::default().value(parse(body)?, shape)?;
    Ok(serde_json::from_value(value.unwrap_or(Value::Null))?)
}

/// Reads a body as whatever JSON it is.
pub fn decode_any(body: &[u8]) -> Result<Value, DecodeError> {
    Ok(anything(parse(body)?))
}

/// Where in the body we are, for error texts.
#[derive(Default)]
struct Place {
    /// Name of the innermost object's type.
    owner: Option<&'static str>,
    path: Vec<&'static str>,
    /// Inside an opaque object the place does not change.
    frozen: bool,
}

impl Place {
    fn object(&mut self, node: Node<'_>, shape: &'static Struct) -> Result<Value, DecodeError> {
        let pairs = match node {
            Node::Map(pairs) => pairs,
            Node::Null => Vec::new(),
            other => return Err(self.wrong(&other, shape.type_name)),
        };
        let mut object = Map::new();
        for (name, value) in pairs {
            let Some(field) = shape.find(&name) else {
                match shape.unknown {
                    Unknown::Drop => continue,
                    Unknown::Refuse if name == "Namespace" => return Err(DecodeError::Namespace),
                    Unknown::Refuse | Unknown::RefusePlainly => {
                        return Err(DecodeError::UnknownField(name.into_owned()));
                    }
                }
            };
            if let Some(value) = self.field(value, shape, field)? {
                object.insert(field.name.to_owned(), value);
            }
        }
        if let Some(finish) = shape.finish {
            finish(&mut object);
        }
        Ok(Value::Object(object))
    }

    fn field(
        &mut self,
        node: Node<'_>,
        owner: &'static Struct,
        field: &'static Field,
    ) -> Result<Option<Value>, DecodeError> {
        if self.frozen {
            return self.value(node, &field.shape);
        }
        let outer = self.owner.replace(owner.name());
        self.path.push(field.name);
        self.frozen = matches!(field.shape, Shape::Struct(shape) if shape.opaque) && matches!(node, Node::Map(_));
        let value = self.value(node, &field.shape)?;
        self.frozen = false;
        self.path.pop();
        self.owner = outer;
        Ok(value)
    }

    fn value(&mut self, node: Node<'_>, shape: &'static Shape) -> Result<Option<Value>, DecodeError> {
        Ok(Some(match (shape, node) {
            (_, Node::Null) => return Ok(None),
            (Shape::Text(_), Node::Text(text)) => Value::String(text.into_owned()),
            (Shape::Bool, Node::Bool(value)) => Value::Bool(value),
            (Shape::Int(wanted), Node::Number(text)) => match text.parse::<i64>() {
                Ok(number) => number.into(),
                Err(_) => return Err(self.misfit(format!("number {text}"), wanted)),
            },
            (Shape::Float, Node::Number(text)) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => number.into(),
                _ => return Err(self.misfit(format!("number {text}"), "float64")),
            },
            (Shape::Uint(wanted), Node::Number(text)) => match text.parse::<u64>() {
                Ok(number) => number.into(),
                Err(_) => return Err(self.misfit(format!("number {text}"), wanted)),
            },
            (Shape::Duration, Node::Text(text)) => parse_nanos(&text)?.into(),
            (Shape::Duration, Node::Number(text)) => whole(text).into(),
            (Shape::Duration, _) => return Ok(None),
            (Shape::List(_, item), Node::List(nodes)) => {
                let mut values = Vec::with_capacity(nodes.len());
                for node in nodes {
                    values.push(self.value(node, item)?.unwrap_or_else(|| item.zero()));
                }
                Value::Array(values)
            }
            (Shape::Map(_, item), Node::Map(pairs)) => {
                let mut map = Map::new();
                for (name, node) in pairs {
                    map.insert(name.into_owned(), self.value(node, item)?.unwrap_or_else(|| item.zero()));
                }
                Value::Object(map)
            }
            (Shape::Struct(shape), node) => self.object(node, shape)?,
            (Shape::Any, node) => anything(node),
            (shape, other) => return Err(self.wrong(&other, shape.type_name())),
        }))
    }

    fn wrong(&self, node: &Node<'_>, wanted: &'static str) -> DecodeError {
        let found = match node {
            Node::Null => "null",
            Node::Bool(_) => "bool",
            Node::Number(_) => "number",
            Node::Text(_) => "string",
            Node::List(_) => "array",
            Node::Map(_) => "object",
        };
        self.misfit(found.to_owned(), wanted)
    }

    fn misfit(&self, found: String, wanted: &'static str) -> DecodeError {
        let place = match self.owner {
            Some(owner) => format!("struct field {owner}.{}", self.path.join(".")),
            None => "value".to_owned(),
        };
        DecodeError::Kind { found, place, wanted }
    }
}

impl Struct {
    fn find(&'static self, name: &str) -> Option<&'static Field> {
        let is_exact = |field: &&Field| field.name == name || field.aliases.contains(&name);
        let is_like = |field: &&Field| {
            field.name.eq_ignore_ascii_case(name) || field.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
        };
        self.fields.iter().find(is_exact).or_else(|| self.fields.iter().find(is_like))
    }

    fn name(&self) -> &'static str {
        if self.type_name.starts_with("struct ") {
            return "";
        }
        self.type_name.rsplit_once('.').map_or("", |(_, name)| name)
    }
}

impl Shape {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Float => "float64",
            Self::Text(name) | Self::Int(name) | Self::Uint(name) | Self::List(name, _) | Self::Map(name, _) => name,
            Self::Bool => "bool",
            Self::Duration => "time.Duration",
            Self::Struct(shape) => shape.type_name,
            Self::Any => "interface {}",
        }
    }

    /// What `null` means inside a list or map.
    fn zero(&self) -> Value {
        match self {
            Self::Text(_) => Value::String(String::new()),
            Self::Int(_) | Self::Uint(_) | Self::Float | Self::Duration => 0.into(),
            Self::Bool => false.into(),
            Self::List(..) => Value::Array(Vec::new()),
            Self::Map(..) | Self::Struct(_) => Value::Object(Map::new()),
            Self::Any => Value::Null,
        }
    }
}

fn anything(node: Node<'_>) -> Value {
    match node {
        Node::Null => Value::Null,
        Node::Bool(value) => value.into(),
        Node::Number(text) => match text.parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => text.parse::<f64>().map_or(Value::Null, Value::from),
        },
        Node::Text(text) => text.into_owned().into(),
        Node::List(nodes) => nodes.into_iter().map(anything).collect(),
        Node::Map(pairs) => {
            Value::Object(pairs.into_iter().map(|(name, node)| (name.into_owned(), anything(node))).collect())
        }
    }
}

/// A number of nanoseconds; fractions are cut off.
fn whole(text: &str) -> i64 {
    text.parse::<i64>().unwrap_or_else(|_| text.parse::<f64>().map_or(0, |number| number as i64))
}
