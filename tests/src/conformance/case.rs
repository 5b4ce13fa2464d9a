//! The text format of a story: parsed into cases and written back.
//!
//! ```text
//! # comment, kept
//! PUT /v1/kv/a?cas=$modify             a request; $index, $modify, $ip come from the last answer and the agent
//!                                      ($session and $before: the last two objects made that answered with an ID)
//! X-Consul-Token: secret               its headers
//! | body                               its body, lines joined by line feeds; `| @repeat 600000 x` makes a large one
//! @ meanwhile PUT /v1/kv/a new         another request, sent while this one waits
//! @ takes 900..1500                    milliseconds that the answer must take
//! @ any-index                          indexes are not told apart in this answer
//! @ any-order                          lists of texts in the JSON answer have no order
//! => 200                               the answer: status, headers, body
//! Content-Type: application/json
//! | true
//! => ours because REASON               optional: what ours answers on purpose instead
//! 413
//! | too large
//! ```
//! A `RAW` request sends its body as it is, with `\r`, `\n` and `\xHH` decoded and lines joined by nothing; `@ close`
//! closes the sending side afterwards. Its answer may be `closed` (no answer, connection closed) or `open` (still
//! waiting after half a second).

use std::fmt::Write as _;

/// A file.
#[derive(Debug, Default)]
pub struct Script {
    /// Lines that start with `@` before the first request: arguments for the server, which start with `-`, and
    /// `through a client`, which sends the requests to a client agent that joined the server.
    pub arguments: Vec<String>,
    /// The cases in order.
    pub cases: Vec<Case>,
    /// Comments after the last case.
    pub tail: Vec<String>,
}

/// One request and its expected answer.
#[derive(Debug, Default)]
pub struct Case {
    /// Line number in the file, for reports.
    pub line: usize,
    /// Comments and blank lines before it.
    pub comments: Vec<String>,
    /// What is sent.
    pub send: Send,
    /// A request sent while this one waits: method, path, body.
    pub meanwhile: Option<(String, String, String)>,
    /// Milliseconds that the answer must take: at least, at most.
    pub takes: Option<(u64, u64)>,
    /// Whether indexes are not told apart.
    pub any_index: bool,
    /// Whether lists of texts have no order.
    pub any_order: bool,
    /// What Consul answers.
    pub expected: Expected,
    /// What ours answers instead, and why.
    pub ours: Option<(String, Expected)>,
}

/// What is sent.
#[derive(Clone, Debug, Default)]
pub struct Send {
    /// Method, or `RAW`.
    pub method: String,
    /// Path and query; empty for `RAW`.
    pub path: String,
    /// Header lines.
    pub headers: Vec<(String, String)>,
    /// Body lines as written.
    pub body: Vec<String>,
    /// For `RAW`: close the sending side after the bytes.
    pub is_closed: bool,
}

/// An answer in its comparable form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// What happened.
    pub outcome: Outcome,
    /// Headers that matter, sorted by name.
    pub headers: Vec<String>,
    /// Body lines; none for an empty body.
    pub body: Vec<String>,
}

/// What happened to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is recorded yet.
    #[default]
    Unknown,
    /// An answer with this status.
    Status(u16),
    /// The connection was closed without an answer.
    Closed,
    /// The server is still waiting for more.
    Open,
}

impl Send {
    /// The bytes of the body, after substitution of the variables.
    ///
    /// # Errors
    /// A `@repeat` line that is malformed.
    pub fn body_bytes(&self, substitute: impl Fn(&str) -> String) -> Result<Vec<u8>, String> {
        let is_raw = self.method == "RAW";
        let mut bytes = Vec::new();
        for (number, line) in self.body.iter().enumerate() {
            if number > 0 && !is_raw {
                bytes.push(b'\n');
            }
            if let Some(repeat) = line.strip_prefix("@repeat ") {
                let (count, text) =
                    repeat.split_once(' ').ok_or_else(|| format!("write `@repeat COUNT TEXT`: {line}"))?;
                let count: usize = count.parse().map_err(|error| format!("{line}: {error}"))?;
                bytes.extend_from_slice(text.repeat(count).as_bytes());
            } else if is_raw {
                bytes.extend_from_slice(&unescape(&substitute(line)));
            } else {
                bytes.extend_from_slice(substitute(line).as_bytes());
            }
        }
        Ok(bytes)
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (decoded, used) = match (byte, after.first()) {
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b'x')) => {
                let digits = after.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
                (digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(b'?'), 4)
            }
            _ => (byte, 1),
        };
        bytes.push(decoded);
        rest = rest.get(used..).unwrap_or_default();
    }
    bytes
}

/// Where in a case the next line belongs.
enum Part {
    Before,
    Request,
    Expected,
    Ours,
}

impl Script {
    /// Reads a file.
    ///
    /// # Errors
    /// The line that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self::default();
        let mut part = Part::Before;
        let mut comments = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let wrong = |why: &str| format!("line {}: {why}: {line}", number + 1);
            if line.trim().is_empty() || line.starts_with('#') {
                comments.push(line.to_owned());
                part = Part::Before;
            } else if let Some(directive) = line.strip_prefix("@ ") {
                match script.cases.last_mut() {
                    Some(case) if matches!(part, Part::Request) => {
                        case.directive(directive).map_err(|why| wrong(&why))?;
                    }
                    None => script.arguments.push(directive.to_owned()),
                    Some(_) => return Err(wrong("directives belong between the request and its answer")),
                }
            } else if let Some(expected) = line.strip_prefix("=> ") {
                let case = script.cases.last_mut().ok_or_else(|| wrong("an answer without a request"))?;
                if let Some(reason) = expected.strip_prefix("ours because ") {
                    case.ours = Some((reason.to_owned(), Expected::default()));
                    part = Part::Ours;
                } else {
                    case.expected.outcome = Outcome::parse(expected).ok_or_else(|| wrong("not an outcome"))?;
                    part = Part::Expected;
                }
            } else {
                match (&part, script.cases.last_mut()) {
                    (Part::Before, _) => {
                        let (method, path) = line.split_once(' ').unwrap_or((line, ""));
                        script.cases.push(Case {
                            line: number + 1,
                            comments: std::mem::take(&mut comments),
                            send: Send { method: method.to_owned(), path: path.to_owned(), ..Send::default() },
                            ..Case::default()
                        });
                        part = Part::Request;
                    }
                    (Part::Request, Some(case)) => case.send.line(line).map_err(|why| wrong(&why))?,
                    (Part::Expected, Some(case)) => case.expected.line(line),
                    (Part::Ours, Some(Case { ours: Some((_, ours)), .. })) => ours.line(line),
                    _ => return Err(wrong("a line that belongs to nothing")),
                }
            }
        }
        script.tail = comments;
        Ok(script)
    }

    /// Writes the file, with the answers as they are now.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        for argument in &self.arguments {
            let _ = writeln!(out, "@ {argument}");
        }
        for case in &self.cases {
            case.render(&mut out);
        }
        for line in &self.tail {
            let _ = writeln!(out, "{line}");
        }
        out
    }
}

impl Case {
    fn directive(&mut self, text: &str) -> Result<(), String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "meanwhile" => {
                let mut words = rest.splitn(3, ' ');
                let mut next = || words.next().unwrap_or_default().to_owned();
                self.meanwhile = Some((next(), next(), next()));
            }
            "takes" => {
                let bounds = rest.split_once("..").ok_or("write `takes FROM..TO`")?;
                let bound = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
                self.takes = Some((bound(bounds.0)?, bound(bounds.1)?));
            }
            "any-index" => self.any_index = true,
            "any-order" => self.any_order = true,
            "close" => self.send.is_closed = true,
            _ => return Err("unknown directive".to_owned()),
        }
        Ok(())
    }

    fn render(&self, out: &mut String) {
        let mut line = |text: String| {
            out.push_str(text.trim_end());
            out.push('\n');
        };
        self.comments.iter().for_each(|comment| line(comment.clone()));
        line(format!("{} {}", self.send.method, self.send.path));
        self.send.headers.iter().for_each(|(name, value)| line(format!("{name}: {value}")));
        self.send.body.iter().for_each(|body| line(format!("| {body}")));
        if let Some((method, path, body)) = &self.meanwhile {
            line(format!("@ meanwhile {method} {path} {body}"));
        }
        if let Some((from, to)) = self.takes {
            line(format!("@ takes {from}..{to}"));
        }
        if self.any_index {
            line("@ any-index".to_owned());
        }
        if self.any_order {
            line("@ any-order".to_owned());
        }
        if self.send.is_closed {
            line("@ close".to_owned());
        }
        line(format!("=> {}", self.expected.outcome.text()));
        self.expected.lines().for_each(&mut line);
        if let Some((reason, ours)) = &self.ours {
            line(format!("=> ours because {reason}"));
            line(ours.outcome.text());
            ours.lines().for_each(&mut line);
        }
    }
}

impl Send {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(body) = body_line(line) {
            self.body.push(body);
        } else {
            let (name, value) = line.split_once(':').ok_or("neither a header nor `| body`")?;
            self.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(())
    }
}

impl Expected {
    fn line(&mut self, line: &str) {
        if let Some(body) = body_line(line) {
            self.body.push(body);
        } else if let Some(outcome) = Outcome::parse(line) {
            self.outcome = outcome;
        } else {
            self.headers.push(line.to_owned());
        }
    }

    /// Its lines after the outcome.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.headers.iter().cloned().chain(self.body.iter().map(|line| format!("| {line}")))
    }
}

fn body_line(line: &str) -> Option<String> {
    if line == "|" { Some(String::new()) } else { line.strip_prefix("| ").map(str::to_owned) }
}

impl Outcome {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "?" => Some(Self::Unknown),
            "closed" => Some(Self::Closed),
            "open" => Some(Self::Open),
            _ => text.parse().ok().map(Self::Status),
        }
    }

    /// As written in files.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Unknown => "?".to_owned(),
            Self::Status(code) => code.to_string(),
            Self::Closed => "closed".to_owned(),
            Self::Open => "open".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# first\nPUT /v1/kv/a?x\nA: b\n| one\n| two\n@ meanwhile PUT /v1/kv/a new value\n@ takes 1..2\n\
        => 200\nContent-Type: x\n| true\n=> ours because it is better\n413\n| no\n\n# second\nRAW\n| GET\\x41\\r\\n\n| b\n\
        @ close\n=> closed\n";

    #[test]
    fn files_are_written_as_they_were_read() {
        let script = Script::parse(TEXT).expect("valid");
        assert_eq!(script.render(), TEXT);
        assert_eq!(script.cases.len(), 2);
        let same = |text: &str| text.to_owned();
        assert_eq!(script.cases[0].send.body_bytes(same).expect("valid"), b"one\ntwo");
        assert_eq!(script.cases[1].send.body_bytes(same).expect("valid"), b"GETA\r\nb");
        assert_eq!(script.cases[0].ours.as_ref().map(|(_, ours)| ours.outcome), Some(Outcome::Status(413)));
    }

    #[test]
    fn senseless_lines_are_refused() {
        for text in ["=> 200\n", "GET /\nwhat\n", "GET /\n@ dance\n", "GET /\n=> 200\n@ close\n", "GET /\n=> x\n"] {
            assert!(Script::parse(text).is_err(), "{text}");
        }
    }
}
