//! JSON as Consul writes it, and two carriers: opaque bytes that JSON shows as base64, and JSON values that are kept and
//! returned as they came.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// Any JSON value, kept as it came. Used where Concord stores a structure that it does not act on.
pub type Json = serde_json::Value;

/// Bytes: base64 text in JSON (`null` when empty, as Consul), raw bytes in the binary form. Clones share the bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Blob(pub Bytes);

impl Blob {
    /// Wraps bytes without copying them.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (serializer.is_human_readable(), self.0.is_empty()) {
            (true, true) => serializer.serialize_none(),
            (true, false) => serializer.serialize_str(&STANDARD.encode(&self.0)),
            (false, _) => serializer.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
            let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
            Ok(Self(bytes.into()))
        } else {
            let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
            Ok(Self(bytes.into_vec().into()))
        }
    }
}

/// Minified JSON in the very bytes that Consul sends: what could end a script in a page is escaped (`<`, `>`, `&`, and
/// the line separators U+2028 and U+2029), U+FFFD, and so are control characters that have no short form in Go.
///
/// # Errors
/// When the value cannot be JSON: a map whose keys are not text.
pub fn to_json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut json, Escaping(CompactFormatter)))?;
    Ok(json)
}

struct Escaping(CompactFormatter);

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let mut written = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let (escape, length): (&[u8], usize) = match byte {
                b'<' => (br"\u003c", 1),
                b'>' => (br"\u003e", 1),
                b'&' => (br"\u0026", 1),
                0xe2 if bytes[at..].starts_with("\u{2028}".as_bytes()) => (br"\u2028", 3),
                0xe2 if bytes[at..].starts_with("\u{2029}".as_bytes()) => (br"\u2029", 3),
                // Mostly it stands for bytes that are no UTF-8, which Go shows so.
                0xef if bytes[at..].starts_with("\u{fffd}".as_bytes()) => (br"\ufffd", 3),
                _ => continue,
            };
            writer.write_all(&bytes[written..at])?;
            writer.write_all(escape)?;
            written = at + length;
        }
        writer.write_all(&bytes[written..])
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Backspace => writer.write_all(br"\u0008"),
            CharEscape::FormFeed => writer.write_all(br"\u000c"),
            other => self.0.write_char_escape(writer, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;

    #[test]
    fn text_is_escaped_as_go_does() {
        let cases = [
            ("a<b>&", r#""a\u003cb\u003e\u0026""#),
            ("\u{2028}\u{2029}x", r#""\u2028\u2029x""#),
            ("\u{ff5e}\u{fffd}", "\"\u{ff5e}\\ufffd\""),
            ("\u{2030}\u{e9}/", "\"\u{2030}\u{e9}/\""),
            ("\u{8}\u{c}\u{1}\n\r\t\"\\", r#""\u0008\u000c\u0001\n\r\t\"\\""#),
        ];
        for (text, expected) in cases {
            let json = to_json(&text).expect("text is JSON");
            assert_eq!(String::from_utf8(json.clone()).expect("UTF-8"), expected);
            assert_eq!(serde_json::from_slice::<String>(&json).expect("JSON"), text);
        }
    }
}
