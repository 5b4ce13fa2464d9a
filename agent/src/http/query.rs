//! The query string: pairs in the order given, decoded only where needed.

use std::borrow::Cow;

use super::escape;
use super::limits::QUERY_PAIRS_MAX;

/// The query string cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// A `%` is not followed by two hexadecimal digits.
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    /// More pairs than anyone needs.
    #[error("more than {QUERY_PAIRS_MAX} query parameters")]
    TooMany,
}

/// The decoded pairs of a query string.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    raw: &'a str,
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Query<'a> {
    /// Reads the text after the `?`.
    pub fn parse(raw: &'a str) -> Result<Self, BadQuery> {
        let mut pairs = Vec::new();
        if raw.is_empty() {
            return Ok(Self { raw, pairs });
        }
        for (name, value) in split(raw) {
            if pairs.len() == QUERY_PAIRS_MAX {
                return Err(BadQuery::TooMany);
            }
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self { raw, pairs })
    }

    /// Whether the parameter is there, with whatever value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(key, _)| key == name)
    }

    /// The first value, `None` when the parameter is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The first value, empty when the parameter is absent.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The bytes of the first value, which need not be a text; empty when the parameter is absent.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let value = split(self.raw).find(|(key, _)| decode(key).is_ok_and(|key| key == name)).map(|(_, value)| value);
        value.and_then(|value| decode_bytes(value).ok()).unwrap_or_default()
    }

    /// All values of a parameter in the order given.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The pairs sorted by name and encoded again, as error texts show them.
    #[must_use]
    pub fn to_sorted_text(&self) -> String {
        let mut sorted: Vec<_> = self.pairs.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text = String::new();
        for (name, value) in sorted {
            if !text.is_empty() {
                text.push('&');
            }
            escape::push_form(&mut text, name);
            text.push('=');
            escape::push_form(&mut text, value);
        }
        text
    }
}

fn split(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = raw.split(['&', ';']).filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn decode_bytes(text: &str) -> Result<Vec<u8>, BadQuery> {
    let spaced = text.replace('+', " ");
    escape::decode(spaced.as_bytes()).map(Cow::into_owned).map_err(BadQuery::Escape)
}

fn decode(text: &str) -> Result<Cow<'_, str>, BadQuery> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(String::from_utf8_lossy(&decode_bytes(text)?).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_found() {
        let query = Query::parse("tag=a%20b&tag=c+d&raw&near=&x;y=%C3%A9").expect("valid");
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a b", "c d"]);
        assert!(query.has("raw") && query.has("near") && query.has("x") && !query.has("z"));
        assert_eq!((query.get("near"), query.get("z"), query.text("y")), (Some(""), None, "é"));
    }

    #[test]
    fn bad_escapes_and_floods_are_refused() {
        assert_eq!(Query::parse("a=%zz"), Err(BadQuery::Escape("%zz".to_owned())));
        assert_eq!(Query::parse("a=%2"), Err(BadQuery::Escape("%2".to_owned())));
        assert_eq!(Query::parse(&"a&".repeat(QUERY_PAIRS_MAX + 1)), Err(BadQuery::TooMany));
    }

    #[test]
    fn sorted_text_is_encoded_as_a_form() {
        let query = Query::parse("cas=1&b=%20&acquire=a%26&b=2").expect("valid");
        assert_eq!(query.to_sorted_text(), "acquire=a%26&b=+&b=2&cas=1");
    }
}
