//! The text of a policy, read and checked. HCL and JSON; texts of errors are Consul's where it has some.
//!
//! Blocks of kinds that are not known are passed over, as Consul does: policies may be written for later versions.

use serde_json::{Map, Value};

use crate::access::{Access, Resource};
use crate::limits::RULES_BYTES_MAX;

/// Which language a text of rules is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// `key` means exactly this name, `key_prefix` all that start with it.
    Current,
    /// The language of legacy tokens: `key` means all that start with the name.
    Legacy,
}

/// Why a text is no rules.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// More than [`RULES_BYTES_MAX`].
    #[error("Failed to parse ACL rules: {0} bytes are more than the limit of {RULES_BYTES_MAX}: split the policy")]
    TooLong(usize),
    /// Neither HCL nor JSON.
    #[error("Failed to parse ACL rules: {0}")]
    Syntax(#[from] hcl::SyntaxError),
    /// A value where a block must be, or the other way round.
    #[error("Failed to parse ACL rules: {0}")]
    Shape(String),
    /// A word that grants nothing.
    #[error("Invalid {kind} policy: {shown}")]
    Access {
        /// Kind of the rule, such as `key_prefix`.
        kind: String,
        /// The rule as Consul shows it.
        shown: String,
    },
}

/// A rule for a name, or for all names that start with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedRule {
    /// What it guards.
    pub resource: Resource,
    /// Whether it is for all names that start with [`Self::name`].
    pub is_prefix: bool,
    /// The name.
    pub name: String,
    /// What it grants.
    pub access: Access,
    /// What a rule for services grants for intentions, if it says so.
    pub intentions: Option<Access>,
}

/// What a policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// `acl = ...`
    pub acl: Option<Access>,
    /// `keyring = ...`
    pub keyring: Option<Access>,
    /// `operator = ...`
    pub operator: Option<Access>,
    /// The rules for names, in the order in which they were written.
    pub named: Vec<NamedRule>,
}

/// A kind of block: its word, what it guards, and how Consul shows it in errors.
struct Block {
    word: &'static str,
    resource: Resource,
    type_name: &'static str,
    name_field: &'static str,
    is_enterprise: bool,
}

const fn block(
    word: &'static str,
    resource: Resource,
    type_name: &'static str,
    name_field: &'static str,
    is_enterprise: bool,
) -> Block {
    Block { word, resource, type_name, name_field, is_enterprise }
}

static BLOCKS: &[Block] = &[
    block("agent", Resource::Agent, "AgentRule", "Node", false),
    block("event", Resource::Event, "EventRule", "Event", false),
    block("key", Resource::Key, "KeyRule", "Prefix", true),
    block("node", Resource::Node, "NodeRule", "Name", true),
    block("query", Resource::Query, "PreparedQueryRule", "Prefix", false),
    block("service", Resource::Service, "ServiceRule", "Name", true),
    block("session", Resource::Session, "SessionRule", "Node", false),
];

impl Rules {
    /// Reads a policy.
    ///
    /// # Errors
    /// When it is too long, neither HCL nor JSON, or says what no rule can say.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, RulesError> {
        if text.len() > RULES_BYTES_MAX {
            return Err(RulesError::TooLong(text.len()));
        }
        let document = hcl::parse(text)?;
        let mut rules = Self::default();
        for (key, value) in &document.root {
            rules.add(&key.to_lowercase(), value, syntax)?;
        }
        Ok(rules)
    }

    fn add(&mut self, key: &str, value: &Value, syntax: Syntax) -> Result<(), RulesError> {
        match key {
            "acl" => self.acl = scalar(key, value)?,
            "keyring" => self.keyring = scalar(key, value)?,
            "operator" => self.operator = scalar(key, value)?,
            _ => {
                let (word, is_prefix) = match key.strip_suffix("_prefix") {
                    Some(word) => (word, true),
                    None => (key, syntax == Syntax::Legacy),
                };
                if let Some(block) = BLOCKS.iter().find(|block| block.word == word) {
                    self.add_blocks(block, key, is_prefix, value)?;
                }
            }
        }
        Ok(())
    }

    fn add_blocks(&mut self, block: &Block, key: &str, is_prefix: bool, value: &Value) -> Result<(), RulesError> {
        for by_name in objects(key, value)? {
            for (name, bodies) in by_name {
                for body in objects(key, bodies)? {
                    self.named.push(named_rule(block, key, is_prefix, name, body)?);
                }
            }
        }
        Ok(())
    }
}

fn objects<'a>(key: &str, value: &'a Value) -> Result<Vec<&'a Map<String, Value>>, RulesError> {
    let wrong = || RulesError::Shape(format!("{key} must be a block with a name: {key} \"name\" {{ policy = ... }}"));
    match value {
        Value::Object(object) => Ok(vec![object]),
        Value::Array(items) => items.iter().map(|item| item.as_object().ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

/// A word, or a number, which cannot be right and is shown in the error.
fn word(body: &Map<String, Value>, key: &str) -> Result<String, RulesError> {
    let found = body.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    match found {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other @ (Value::Number(_) | Value::Bool(_))) => Ok(other.to_string()),
        Some(_) => Err(RulesError::Shape(format!("{key} must be text"))),
    }
}

fn scalar(key: &str, value: &Value) -> Result<Option<Access>, RulesError> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(RulesError::Shape(format!("{key} must be text: {key} = \"read\"")));
        }
    };
    if text.is_empty() {
        return Ok(None);
    }
    match Access::parse(&text) {
        Some(Access::List) | None => Err(RulesError::Access { kind: key.to_owned(), shown: format!("{text:?}") }),
        access => Ok(access),
    }
}

fn named_rule(
    block: &Block,
    key: &str,
    is_prefix: bool,
    name: &str,
    body: &Map<String, Value>,
) -> Result<NamedRule, RulesError> {
    let is_service = block.resource == Resource::Service;
    let policy = word(body, "policy")?;
    let intentions = if is_service { word(body, "intentions")? } else { String::new() };
    let refuse = |kind: String| {
        let mut shown = format!("&acl.{}{{{}:{name:?}, Policy:{policy:?}", block.type_name, block.name_field);
        if is_service {
            shown.push_str(&format!(", Intentions:{intentions:?}"));
        }
        if block.is_enterprise {
            shown.push_str(", EnterpriseRule:acl.EnterpriseRule{}");
        }
        shown.push('}');
        RulesError::Access { kind, shown }
    };
    let access = match Access::parse(&policy) {
        Some(Access::List) if block.resource != Resource::Key => return Err(refuse(key.to_owned())),
        None => return Err(refuse(key.to_owned())),
        Some(access) => access,
    };
    let intentions = match (intentions.as_str(), Access::parse(&intentions)) {
        ("", _) => None,
        (_, Some(Access::List) | None) => return Err(refuse(format!("{key} intentions"))),
        (_, access) => access,
    };
    Ok(NamedRule { resource: block.resource, is_prefix, name: name.to_owned(), access, intentions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Rules, RulesError> {
        Rules::parse(text, Syntax::Current)
    }

    #[test]
    fn both_languages_say_the_same() {
        let hcl = r#"
            operator = "read"
            key "a" { policy = "deny" }
            key_prefix "b/" { policy = "list" sentinel { code = "x" } }
            service_prefix "" { policy = "read" intentions = "write" }
            bogus "x" { y = 1 }
        "#;
        let json = r#"{"operator": "read", "key": {"a": {"policy": "deny"}}, "key_prefix": [{"b/": [{"policy": "list"}]}],
            "service_prefix": {"": {"policy": "read", "intentions": "write"}}}"#;
        let rules = parse(hcl).expect("rules");
        assert_eq!(rules, parse(json).expect("rules"));
        assert_eq!(rules.named.len(), 3);
        assert_eq!(rules.named[2].intentions, Some(Access::Write));
    }

    #[test]
    fn old_names_are_prefixes() {
        let rules = Rules::parse(r#"key "" { policy = "deny" }"#, Syntax::Legacy).expect("rules");
        assert!(rules.named[0].is_prefix);
    }

    #[test]
    fn refusals_have_consuls_texts() {
        for (text, message) in [
            (r#"agent "a" { policy = "zz" }"#, r#"Invalid agent policy: &acl.AgentRule{Node:"a", Policy:"zz"}"#),
            (
                r#"key_prefix "a" { }"#,
                r#"Invalid key_prefix policy: &acl.KeyRule{Prefix:"a", Policy:"", EnterpriseRule:acl.EnterpriseRule{}}"#,
            ),
            (
                r#"query "a" { policy = "list" }"#,
                r#"Invalid query policy: &acl.PreparedQueryRule{Prefix:"a", Policy:"list"}"#,
            ),
            (
                r#"service "a" { policy = "read" intentions = "zz" }"#,
                r#"Invalid service intentions policy: &acl.ServiceRule{Name:"a", Policy:"read", Intentions:"zz", EnterpriseRule:acl.EnterpriseRule{}}"#,
            ),
            ("acl = \"list\"", "Invalid acl policy: \"list\""),
            ("acl = 3", "Invalid acl policy: \"3\""),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
        for text in ["key = \"read\"", "acl \"x\" { policy = \"read\" }", "key \"a\" {", "[1]"] {
            assert!(parse(text).unwrap_err().to_string().starts_with("Failed to parse ACL rules: "), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _outcome = parse(&text);
        }

        #[test]
        fn texts_of_the_right_words_are_read_or_refused(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "key", "key_prefix", "service", "acl", "=", "{", "}", "\"a\"", "\"\"", "policy", "\"read\"", "\"write\"",
                    "intentions", "[", "]", ",", ":", "\n", "<<X\n", "X\n", "1", "null",
                ]),
                0..40,
            )
        ) {
            let _outcome = parse(&words.join(" "));
        }
    }
}
