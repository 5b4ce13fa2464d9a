//! What the rows of an endpoint look like to an expression: names of fields and their types.

use crate::FilterError;

/// The fields of a row or of a structure inside it.
#[derive(Debug)]
pub struct Schema(pub &'static [(&'static str, Kind)]);

/// The type of a field.
#[derive(Debug)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// True or false.
    Bool,
    /// A list of texts.
    Texts,
    /// A map from text to values of one type.
    Map(&'static Kind),
    /// A structure.
    Struct(&'static Schema),
    /// A list of structures; a selector into it matches when any element does.
    List(&'static Schema),
}

impl Schema {
    /// The type at the end of a path.
    ///
    /// # Errors
    /// [`FilterError::Selector`] with the path up to its first step that leads nowhere.
    pub(crate) fn resolve(&self, path: &[String]) -> Result<&Kind, FilterError> {
        let wrong = |steps: usize| FilterError::Selector(path[..steps].join("."));
        let (first, rest) = path.split_first().ok_or_else(|| wrong(0))?;
        let mut kind = self.field(first).ok_or_else(|| wrong(1))?;
        for (i, step) in rest.iter().enumerate() {
            kind = match kind {
                Kind::Map(values) => values,
                Kind::Struct(schema) | Kind::List(schema) => schema.field(step).ok_or_else(|| wrong(i + 2))?,
                Kind::Text | Kind::Int | Kind::Bool | Kind::Texts => return Err(wrong(i + 2)),
            };
        }
        Ok(kind)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&'static Kind> {
        self.0.iter().find(|(field, _)| *field == name).map(|(_, kind)| kind)
    }
}
