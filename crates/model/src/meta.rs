//! The rules on metadata of nodes and services. Consul's words, which speak of nodes in both cases.

use crate::TextMap;

/// Pairs in the metadata of a node or a service.
pub const META_PAIRS_MAX: usize = 64;
/// Length of a key, bytes.
pub const META_KEY_MAX: usize = 128;
/// Length of a value, bytes.
pub const META_VALUE_MAX: usize = 512;
/// Keys that begin like this are Consul's own.
const RESERVED: &str = "consul-";

/// What is wrong with metadata. `Display` is the text that clients see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMeta {
    /// Too many.
    #[error("Node metadata cannot contain more than {META_PAIRS_MAX} key/value pairs")]
    TooMany,
    /// One pair is wrong; the text says how.
    #[error("Couldn't load metadata pair ('{key}', '{value}'): {reason}")]
    Pair {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
        /// The rule that it breaks.
        reason: String,
    },
}

/// Checks the pairs; the first wrong one is named.
///
/// # Errors
/// When there are too many, or one breaks a rule.
pub fn validate_meta(meta: &TextMap) -> Result<(), InvalidMeta> {
    if meta.len() > META_PAIRS_MAX {
        return Err(InvalidMeta::TooMany);
    }
    for (key, value) in meta {
        if let Some(reason) = wrong_pair(key, value) {
            return Err(InvalidMeta::Pair { key: key.clone(), value: value.clone(), reason });
        }
    }
    Ok(())
}

fn wrong_pair(key: &str, value: &str) -> Option<String> {
    Some(if key.is_empty() {
        "Key cannot be blank".to_owned()
    } else if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        "Key contains invalid characters".to_owned()
    } else if key.len() > META_KEY_MAX {
        format!("Key is too long (limit: {META_KEY_MAX} characters)")
    } else if key.starts_with(RESERVED) {
        format!("Key prefix '{RESERVED}' is reserved for internal use")
    } else if value.len() > META_VALUE_MAX {
        format!("Value is too long (limit: {META_VALUE_MAX} characters)")
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(key: &str, value: &str) -> Option<String> {
        let meta = [(key.to_owned(), value.to_owned())].into();
        validate_meta(&meta).err().map(|error| error.to_string())
    }

    #[test]
    fn each_rule_has_its_words() {
        let pair = |key: &str, value: &str, reason: &str| {
            Some(format!("Couldn't load metadata pair ('{key}', '{value}'): {reason}"))
        };
        assert_eq!(refusal("key_1-A", "any value"), None);
        assert_eq!(refusal("", "v"), pair("", "v", "Key cannot be blank"));
        assert_eq!(refusal("a b", "v"), pair("a b", "v", "Key contains invalid characters"));
        let long = "k".repeat(129);
        assert_eq!(refusal(&long, "v"), pair(&long, "v", "Key is too long (limit: 128 characters)"));
        assert_eq!(
            refusal("consul-x", "v"),
            pair("consul-x", "v", "Key prefix 'consul-' is reserved for internal use")
        );
        let long = "v".repeat(513);
        assert_eq!(refusal("k", &long), pair("k", &long, "Value is too long (limit: 512 characters)"));
    }

    #[test]
    fn there_is_room_for_64_pairs() {
        let pairs = |count: usize| -> TextMap { (0..count).map(|at| (at.to_string(), String::new())).collect() };
        assert_eq!(validate_meta(&pairs(64)), Ok(()));
        assert_eq!(validate_meta(&pairs(65)), Err(InvalidMeta::TooMany));
    }
}
