//! From claims to the few names that rules speak of.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::JwtError;
use crate::limits::LIST_MAX;

/// Which claims get which names: by name, or by JSON pointer where it begins with `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mappings {
    /// Claims that become one text.
    pub values: BTreeMap<String, String>,
    /// Claims that become a list of texts.
    pub lists: BTreeMap<String, String>,
}

/// What was found; a claim that a token has not is an empty text or list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Texts by name.
    pub values: BTreeMap<String, String>,
    /// Lists by name.
    pub lists: BTreeMap<String, Vec<String>>,
}

impl Mappings {
    /// Two claims with one name would hide each other.
    ///
    /// # Errors
    /// The text that names it.
    pub fn check(&self) -> Result<(), String> {
        for (what, mappings) in [("ClaimMappings", &self.values), ("ListClaimMappings", &self.lists)] {
            let mut seen = BTreeSet::new();
            if let Some(twice) = mappings.values().find(|name| !seen.insert(*name)) {
                return Err(format!("{what} contains multiple mappings for key {twice:?}"));
            }
        }
        Ok(())
    }

    /// Maps the claims of a verified token.
    ///
    /// # Errors
    /// When a claim is no text, number or truth value where one is wanted.
    pub fn apply(&self, claims: &Value) -> Result<Mapped, JwtError> {
        let mut mapped = Mapped::default();
        for (claim, name) in &self.values {
            let text = match find(claims, claim) {
                None => String::new(),
                Some(value) => text(claim, value)?,
            };
            mapped.values.insert(name.clone(), text);
        }
        for (claim, name) in &self.lists {
            let items = match find(claims, claim) {
                None => Vec::new(),
                Some(Value::Array(items)) => {
                    items.iter().take(LIST_MAX).map(|item| text(claim, item)).collect::<Result<_, _>>()?
                }
                Some(one) => vec![text(claim, one)?],
            };
            mapped.lists.insert(name.clone(), items);
        }
        Ok(mapped)
    }
}

fn find<'c>(claims: &'c Value, claim: &str) -> Option<&'c Value> {
    let found = if claim.starts_with('/') { claims.pointer(claim) } else { claims.get(claim) };
    found.filter(|value| !value.is_null())
}

fn text(claim: &str, value: &Value) -> Result<String, JwtError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) => Err(JwtError::Mapping(format!("error converting claim '{claim}' to string: it is a list"))),
        Value::Object(_) => {
            Err(JwtError::Mapping(format!("error converting claim '{claim}' to string: it is an object")))
        }
    }
}
