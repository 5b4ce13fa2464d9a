//! A configuration file written by a program: settings checked against the schema, rendered as JSON.

use serde_json::{Map, Value};

use crate::host::Host;
use crate::layer::{Format, Source};
use crate::load::{Inputs, load};
use crate::problem::Problems;

/// A configuration file in the making. The operator makes its files with this, so that they cannot drift from what the
/// agent reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    root: Map<String, Value>,
}

impl Draft {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a key by its full name (`ports.http`), replacing what was there.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        let mut sections: Vec<&str> = key.split('.').collect();
        let last = sections.pop().unwrap_or_default();
        let mut object = &mut self.root;
        for section in sections {
            let slot = object.entry(section).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            let Value::Object(inner) = slot else { return self };
            object = inner;
        }
        object.insert(last.to_owned(), value.into());
        self
    }

    /// The file's text, after the agent's own loading accepted it. The facts that only the agent's host knows (name,
    /// addresses) are taken from `host`.
    pub fn render(&self, host: &Host) -> Result<String, Problems> {
        let text = format!("{:#}\n", Value::Object(self.root.clone()));
        let source = Source { name: "rendered".to_owned(), format: Format::Json, text: text.clone() };
        load(&Inputs { files: vec![source], ..Inputs::default() }, host)?;
        Ok(text)
    }
}
