//! Reads JSON into a tree that borrows from the text, with the error texts that the API's users know.
//!
//! It exists beside `serde_json` for those texts, and because numbers keep the form they were written in.

use std::borrow::Cow;

use super::limits::JSON_DEPTH_MAX;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as written.
    Number(&'a str),
    /// A string, decoded.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Node<'a>>),
    /// An object in the order written, repeated names included.
    Map(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// The text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// There is nothing.
    #[error("EOF")]
    Empty,
    /// It ends in the middle.
    #[error("unexpected EOF")]
    Cut,
    /// A character stands where it cannot.
    #[error("invalid character {} {place}", quoted(*.byte))]
    Character {
        /// The (first byte of the) character.
        byte: u8,
        /// Where it stands.
        place: Cow<'static, str>,
    },
    /// Nested deeper than [`JSON_DEPTH_MAX`].
    #[error("invalid character {} exceeded max depth", quoted(*.0))]
    Depth(u8),
}

/// Reads the first value of a text; what follows it is not looked at.
pub fn parse(text: &[u8]) -> Result<Node<'_>, SyntaxError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.skip_space();
    if reader.at == text.len() {
        return Err(SyntaxError::Empty);
    }
    reader.value("looking for beginning of value")
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, SyntaxError> {
        self.text.get(self.at).copied().ok_or(SyntaxError::Cut)
    }

    fn invalid<T>(&self, byte: u8, place: impl Into<Cow<'static, str>>) -> Result<T, SyntaxError> {
        Err(SyntaxError::Character { byte, place: place.into() })
    }

    fn value(&mut self, place: &'static str) -> Result<Node<'a>, SyntaxError> {
        self.skip_space();
        match self.peek()? {
            b'{' => self.nested(Self::map),
            b'[' => self.nested(Self::list),
            b'"' => Ok(Node::Text(self.string()?)),
            b't' => self.literal("true", Node::Bool(true)),
            b'f' => self.literal("false", Node::Bool(false)),
            b'n' => self.literal("null", Node::Null),
            b'-' | b'0'..=b'9' => self.number(),
            byte => self.invalid(byte, place),
        }
    }

    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Node<'a>, SyntaxError>,
    ) -> Result<Node<'a>, SyntaxError> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(SyntaxError::Depth(self.peek()?));
        }
        self.depth += 1;
        self.at += 1;
        let node = read(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn map(&mut self) -> Result<Node<'a>, SyntaxError> {
        const KEY: &str = "looking for beginning of object key string";
        let mut pairs = Vec::new();
        self.skip_space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(Node::Map(pairs));
        }
        loop {
            self.skip_space();
            let byte = self.peek()?;
            if byte != b'"' {
                return self.invalid(byte, KEY);
            }
            let name = self.string()?;
            self.skip_space();
            let byte = self.peek()?;
            if byte != b':' {
                return self.invalid(byte, "after object key");
            }
            self.at += 1;
            let value = self.value("looking for beginning of value")?;
            pairs.push((name, value));
            self.skip_space();
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b',' => {}
                b'}' => return Ok(Node::Map(pairs)),
                _ => return self.invalid(byte, "after object key:value pair"),
            }
        }
    }

    fn list(&mut self) -> Result<Node<'a>, SyntaxError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Node::List(items));
        }
        loop {
            items.push(self.value("looking for beginning of value")?);
            self.skip_space();
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b',' => {}
                b']' => return Ok(Node::List(items)),
                _ => return self.invalid(byte, "after array element"),
            }
        }
    }

    fn literal(&mut self, word: &'static str, node: Node<'a>) -> Result<Node<'a>, SyntaxError> {
        for expected in word.bytes() {
            let byte = self.peek()?;
            if byte != expected {
                return self.invalid(byte, format!("in literal {word} (expecting {})", quoted(expected)));
            }
            self.at += 1;
        }
        Ok(node)
    }

    fn number(&mut self) -> Result<Node<'a>, SyntaxError> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            byte => return self.invalid(byte, "in numeric literal"),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.some_digits("after decimal point in numeric literal")?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            self.some_digits("in exponent of numeric literal")?;
        }
        // Only ASCII was let through.
        Ok(Node::Number(std::str::from_utf8(&self.text[start..self.at]).unwrap_or("0")))
    }

    fn digits(&mut self) {
        while matches!(self.text.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self, place: &'static str) -> Result<(), SyntaxError> {
        let byte = self.peek()?;
        if !byte.is_ascii_digit() {
            return self.invalid(byte, place);
        }
        self.digits();
        Ok(())
    }

    /// A string; `at` stands on its opening quote.
    fn string(&mut self) -> Result<Cow<'a, str>, SyntaxError> {
        self.at += 1;
        let start = self.at;
        let mut has_escape = false;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    has_escape = true;
                    self.check_escape()?;
                }
                byte @ 0..0x20 => return self.invalid(byte, "in string literal"),
                _ => self.at += 1,
            }
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        let text = String::from_utf8_lossy(raw);
        Ok(if has_escape { Cow::Owned(unescape(&text)) } else { text })
    }

    fn check_escape(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        match self.peek()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    let byte = self.peek()?;
                    if !byte.is_ascii_hexdigit() {
                        return self.invalid(byte, "in \\u hexadecimal character escape");
                    }
                    self.at += 1;
                }
            }
            byte => return self.invalid(byte, "in string escape code"),
        }
        Ok(())
    }
}

/// Replaces escapes, which are known to be whole; a lone surrogate becomes the replacement character.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut len = 2;
        match code {
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'n' => out.push('\n'),
            b'r' => out.push('\r'),
            b't' => out.push('\t'),
            b'u' => {
                let first = hex4(rest, at + 2);
                len = 6;
                let second = if rest[at..].get(6..8) == Some("\\u") { Some(hex4(rest, at + 8)) } else { None };
                match (first, second) {
                    (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) => {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        len = 12;
                    }
                    _ => out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            other => out.push(char::from(other)),
        }
        rest = &rest[at + len..];
    }
    out.push_str(rest);
    out
}

fn hex4(text: &str, at: usize) -> u32 {
    text.get(at..at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0xfffd)
}

/// A byte as the error texts show it.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        0x07 => r"'\a'".to_owned(),
        0x08 => r"'\b'".to_owned(),
        0x0b => r"'\v'".to_owned(),
        0x0c => r"'\f'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u{:04x}'", u32::from(byte)),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn values_are_read() {
        let node = parse(br#" {"a":[1,-2.5e3,true,null],"b":{"c":"x\n\u00e9\ud83d\ude00\ud800y"},"b":{}} trailing"#);
        let text = |t: &'static str| Node::Text(Cow::Borrowed(t));
        let expected = Node::Map(vec![
            ("a".into(), Node::List(vec![Node::Number("1"), Node::Number("-2.5e3"), Node::Bool(true), Node::Null])),
            ("b".into(), Node::Map(vec![("c".into(), text("x\né😀\u{fffd}y"))])),
            ("b".into(), Node::Map(vec![])),
        ]);
        assert_eq!(node, Ok(expected));
    }

    #[test]
    fn errors_say_what_stands_where() {
        let cases = [
            ("", "EOF"),
            ("  ", "EOF"),
            ("{", "unexpected EOF"),
            ("\"abc", "unexpected EOF"),
            ("-", "unexpected EOF"),
            ("[1,", "unexpected EOF"),
            ("nope", "invalid character 'o' in literal null (expecting 'u')"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{\"a\" 1", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"", "invalid character '\"' after object key:value pair"),
            ("[1 2", "invalid character '2' after array element"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("\"\\u12x\"", "invalid character 'x' in \\u hexadecimal character escape"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            ("ï", "invalid character 'Ã' looking for beginning of value"),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected, "{text}");
        }
        assert_eq!(error(&"[".repeat(JSON_DEPTH_MAX + 1)), "invalid character '[' exceeded max depth");
        assert_eq!(error(&"[".repeat(JSON_DEPTH_MAX)), "unexpected EOF");
    }

    #[test]
    fn any_bytes_are_an_answer() {
        proptest::proptest!(|(bytes: Vec<u8>)| { let _ = parse(&bytes); });
        proptest::proptest!(|(text in r#"[\[\]{}:,"\\u0-9a-f. -]{0,40}"#)| { let _ = parse(text.as_bytes()); });
    }

    #[test]
    fn what_serde_json_writes_is_read() {
        proptest::proptest!(|(text: String, number: i64)| {
            let written = serde_json::json!([text, number]).to_string();
            let read = parse(written.as_bytes()).expect("valid JSON");
            let shown = number.to_string();
            assert_eq!(read, Node::List(vec![Node::Text(Cow::Owned(text)), Node::Number(&shown)]));
        });
    }
}
