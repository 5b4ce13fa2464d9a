//! Reader of the first HCL, the language of Consul's configuration files and access rules, and of JSON, which it contains.
//!
//! Written here because HCL 2 parsers refuse what real files hold (several settings in one line, quoted keys,
//! `"{{ GetPrivateIP }}"` and `${...}` as plain text) and tell no line for a key. Not a template language: text is
//! taken as it stands. Repeated keys: blocks and lists are collected, of anything else the last one counts.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Deepest nesting of blocks and lists.
const DEPTH_MAX: usize = 64;

/// What a file says: its values, and the line of each key by its path (`ports.http`, `services[0].name`).
#[derive(Debug, Default)]
pub struct Document {
    /// The values, in the order in which they were written.
    pub root: Map<String, Value>,
    /// Line of the first mention of each key, counted from 1.
    pub lines: BTreeMap<String, usize>,
}

/// Where and why reading stopped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("At {line}:{column}: {what}")]
pub struct SyntaxError {
    line: usize,
    column: usize,
    what: String,
}

/// Reads HCL, or JSON, whose syntax has then been checked by a JSON parser.
///
/// # Errors
/// The place of the first character that does not fit, and what would.
pub fn parse(text: &str) -> Result<Document, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser { text, at: 0, lines: BTreeMap::new(), counted: Cell::new((0, 1)) };
    parser.skip_space()?;
    let braced = parser.eat('{');
    let root = parser.items("", braced, 0)?;
    parser.skip_space()?;
    if parser.peek().is_some() {
        return Err(parser.error("something follows the end of the object"));
    }
    Ok(Document { root, lines: parser.lines })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    lines: BTreeMap<String, usize>,
    /// A place and its line, so that no line is counted twice.
    counted: Cell<(usize, usize)>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn line(&self) -> usize {
        let (at, line) = Some(self.counted.get()).filter(|(at, _)| *at <= self.at).unwrap_or((0, 1));
        let more = self.text.as_bytes()[at..self.at].iter().filter(|byte| **byte == b'\n').count();
        self.counted.set((self.at, line + more));
        line + more
    }

    fn error(&self, what: impl Into<String>) -> SyntaxError {
        let before = &self.text[..self.at];
        let column = 1 + before.rsplit('\n').next().unwrap_or("").chars().count();
        SyntaxError { line: self.line(), column, what: what.into() }
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        match self.peek() {
            Some(found) => self.error(format!("{wanted} expected, found {found:?}")),
            None => self.error(format!("{wanted} expected, found the end of the file")),
        }
    }

    fn skip_space(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = &self.text[self.at..];
            if rest.starts_with('#') || rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => self.at += end + 2,
                    None => return Err(self.error("comment not closed, \"*/\" expected")),
                }
            } else if rest.starts_with(char::is_whitespace) {
                self.bump();
            } else {
                return Ok(());
            }
        }
    }

    /// Keys and values up to the closing brace, or to the end at the top of a file.
    fn items(&mut self, path: &str, braced: bool, depth: usize) -> Result<Map<String, Value>, SyntaxError> {
        let mut object = Map::new();
        loop {
            self.skip_space()?;
            match self.peek() {
                Some('}') if braced => {
                    self.at += 1;
                    return Ok(object);
                }
                None if !braced => return Ok(object),
                None => return Err(self.unexpected("\"}\"")),
                Some(_) => {}
            }
            let line = self.line();
            let key = self.key()?;
            let key_path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.lines.entry(key_path.clone()).or_insert(line);
            self.skip_space()?;
            let value = if self.eat('=') || self.eat(':') {
                self.skip_space()?;
                self.value(&key_path, depth + 1)?
            } else {
                self.block(&key_path, depth + 1)?
            };
            insert(&mut object, key, value);
            self.skip_space()?;
            self.eat(',');
        }
    }

    fn key(&mut self) -> Result<String, SyntaxError> {
        if self.peek() == Some('"') {
            return self.text_value();
        }
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.unexpected("key"));
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }

    /// A block after its key: labels, then an object. A label is a key of the object that holds it.
    fn block(&mut self, path: &str, depth: usize) -> Result<Value, SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX}")));
        }
        match self.peek() {
            Some('{') => {
                self.at += 1;
                Ok(Value::Object(self.items(path, true, depth)?))
            }
            Some('"') => {
                let label = self.text_value()?;
                self.skip_space()?;
                let inner = self.block(&format!("{path}.{label}"), depth + 1)?;
                Ok(Value::Object(Map::from_iter([(label, inner)])))
            }
            _ => Err(self.unexpected("\"=\" or \"{\"")),
        }
    }

    fn value(&mut self, path: &str, depth: usize) -> Result<Value, SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX}")));
        }
        match self.peek() {
            Some('"') => Ok(Value::String(self.text_value()?)),
            Some('<') => Ok(Value::String(self.heredoc()?)),
            Some('{') => self.block(path, depth),
            Some('[') => self.list(path, depth),
            _ => self.word(),
        }
    }

    fn list(&mut self, path: &str, depth: usize) -> Result<Value, SyntaxError> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space()?;
            if self.eat(']') {
                return Ok(Value::Array(items));
            }
            items.push(self.value(&format!("{path}[{}]", items.len()), depth + 1)?);
            self.skip_space()?;
            if !self.eat(',') && self.peek() != Some(']') {
                return Err(self.unexpected("\",\" or \"]\""));
            }
        }
    }

    fn word(&mut self) -> Result<Value, SyntaxError> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-+.".contains(c))).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "" => return Err(self.unexpected("value")),
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            _ => number(word).ok_or_else(|| self.error(format!("{word:?} is no value; text needs quotes")))?,
        };
        self.at += end;
        Ok(value)
    }

    fn text_value(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        // Inside `${...}` quotes do not end the text.
        let mut braces = 0_usize;
        loop {
            let Some(next) = self.bump().filter(|c| *c != '\n' || braces > 0) else {
                self.at = start;
                return Err(self.error("literal not terminated, '\"' expected"));
            };
            match next {
                '"' if braces == 0 => return Ok(text),
                '$' if self.peek() == Some('{') => {
                    self.at += 1;
                    braces += 1;
                    text.push_str("${");
                    continue;
                }
                '{' if braces > 0 => braces += 1,
                '}' if braces > 0 => braces -= 1,
                '\\' if braces == 0 => {
                    text.push(self.escape()?);
                    continue;
                }
                _ => {}
            }
            text.push(next);
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        let Some(next) = self.bump() else { return Err(self.unexpected("escape")) };
        Ok(match next {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'a' => '\u{7}',
            'v' => '\u{b}',
            '"' | '\\' | '/' => next,
            'x' => self.code_point(2)?,
            'u' => self.code_point(4)?,
            'U' => self.code_point(8)?,
            _ => return Err(self.error(format!("unknown escape \\{next}"))),
        })
    }

    fn code_point(&mut self, digits: usize) -> Result<char, SyntaxError> {
        let number = self.hex(digits)?;
        if (0xd800..0xdc00).contains(&number) && self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let low = self.hex(4)?;
            let joined = 0x1_0000 + ((number - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
            return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self, digits: usize) -> Result<u32, SyntaxError> {
        let number = self.text.get(self.at..self.at + digits).and_then(|text| u32::from_str_radix(text, 16).ok());
        let Some(number) = number else { return Err(self.error(format!("{digits} hexadecimal digits expected"))) };
        self.at += digits;
        Ok(number)
    }

    /// `<<EOF` up to a line that holds only `EOF`; `<<-EOF` takes the common indent away.
    fn heredoc(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        let rest = &self.text[self.at..];
        let Some((head, _)) = rest.strip_prefix("<<").and_then(|rest| rest.split_once('\n')) else {
            return Err(self.error("value expected"));
        };
        let (indented, marker) = head.strip_prefix('-').map_or((false, head), |head| (true, head));
        let marker = marker.trim();
        self.at += 2 + head.len() + 1;
        let mut lines = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() || marker.is_empty() {
                self.at = start;
                return Err(self.error("heredoc not terminated"));
            }
            let line = rest.split('\n').next().unwrap_or(rest);
            self.at += line.len();
            if line.trim() == marker {
                break;
            }
            self.eat('\n');
            lines.push(line);
        }
        let indent =
            lines.iter().map(|line| line.len() - line.trim_start_matches([' ', '\t']).len()).min().unwrap_or(0);
        let cut = if indented { indent } else { 0 };
        Ok(lines.iter().flat_map(|line| [&line[cut..], "\n"]).collect())
    }
}

fn insert(object: &mut Map<String, Value>, key: String, value: Value) {
    let Some(old) = object.get_mut(&key) else {
        object.insert(key, value);
        return;
    };
    match (old, value) {
        (Value::Array(items), Value::Array(more)) => items.extend(more),
        (Value::Array(items), more @ Value::Object(_)) => items.push(more),
        (old @ Value::Object(_), more @ Value::Object(_)) => *old = Value::Array(vec![old.take(), more]),
        (old, last) => *old = last,
    }
}

fn number(word: &str) -> Option<Value> {
    if let Ok(number) = word.parse::<i64>() {
        return Some(Value::from(number));
    }
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok().map(Value::from);
    }
    if !word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    let number = word.parse::<f64>().ok()?;
    serde_json::Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::{Value, json};

    fn root(text: &str) -> Value {
        Value::Object(parse(text).unwrap().root)
    }

    #[test]
    fn reads_what_real_files_hold() {
        let text = r#"
            # a comment
            data_dir = "/opt/consul" // another
            ports { http = 1 dns = -1 } /* and
            a third */ "quoted-key" = [1, 2.5, true,]
            bind_addr = "{{ GetInterfaceIP \"eth0\" }}"
            text = "${env("X")}/a"
            service "web" { port = 0x50 }
            checks = [ { id = "a" }, { id = "b" } ]
            here = <<-EOF
              one
               two
              EOF
        "#;
        assert_eq!(
            root(text),
            json!({
                "data_dir": "/opt/consul", "ports": {"http": 1, "dns": -1}, "quoted-key": [1, 2.5, true],
                "bind_addr": "{{ GetInterfaceIP \"eth0\" }}", "text": "${env(\"X\")}/a",
                "service": {"web": {"port": 80}}, "checks": [{"id": "a"}, {"id": "b"}], "here": "one\n two\n",
            })
        );
    }

    #[test]
    fn collects_repeated_blocks() {
        assert_eq!(root("s { a = 1 } s { a = 2 } x = 1 x = 2"), json!({"s": [{"a": 1}, {"a": 2}], "x": 2}));
    }

    #[test]
    fn tells_the_lines_of_keys() {
        let document = parse("a = 1\nb {\n c = 2\n}\nd = [\n {\n e = 1 }]").unwrap();
        assert_eq!(document.lines["b.c"], 3);
        assert_eq!(document.lines["d[0].e"], 7);
    }

    #[test]
    fn says_where_it_stopped() {
        for (text, message) in [
            ("a = ", "At 1:5: value expected, found the end of the file"),
            ("a = 1\nb = = 3", "At 2:5: value expected, found '='"),
            ("a = \"x", "At 1:5: literal not terminated, '\"' expected"),
            ("a {\n b = 1\n", "At 3:1: \"}\" expected, found the end of the file"),
            ("a: b", "At 1:4: \"b\" is no value; text needs quotes"),
            ("a = [1 2]", "At 1:8: \",\" or \"]\" expected, found '2'"),
            ("/* x", "At 1:1: comment not closed, \"*/\" expected"),
            ("a = 1 }", "At 1:7: key expected, found '}'"),
            ("a = <<EOF\nx", "At 1:5: heredoc not terminated"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
        assert!(parse(&"a {".repeat(100)).unwrap_err().to_string().contains("nested deeper"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a{}\\[\\]\"=,<\\\\x\\n$# 1é-]{0,40}") {
            let _outcome = parse(&text);
        }
    }
}
