//! Text to syntax tree, by recursive descent.
//!
//! An ordered-choice grammar: what failed furthest to the right is reported, with everything that could have stood
//! there. Each alternative is tried once, so the time is linear in the text.

use std::collections::BTreeSet;

use crate::FilterError;
use crate::limits::{DEPTH_MAX, TEXT_BYTES_MAX};
use crate::values::unquote;

const SPACE: &str = r"[ \t\r\n]";
const LETTER: &str = "[a-zA-Z]";
const WORD: &str = "[a-zA-Z0-9_]";
const DIGIT: &str = "[0-9]";
const DIGIT_NOT_ZERO: &str = "[1-9]";
/// Sorts after everything that starts with a quote or a bracket; shown as `EOF`.
const END: &str = "~EOF";

/// An expression as written.
#[derive(Debug)]
pub(crate) enum Syntax {
    /// Any of them.
    Or(Vec<Syntax>),
    /// All of them.
    And(Vec<Syntax>),
    /// The opposite.
    Not(Box<Syntax>),
    /// One comparison.
    Match(Comparison),
}

/// One comparison as written.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// Steps of the selector.
    pub path: Vec<String>,
    /// How to compare.
    pub operator: Operator,
    /// What with; empty for the operators that need nothing.
    pub value: String,
}

/// The ways to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    In,
    NotIn,
    IsEmpty,
    IsNotEmpty,
    Matches,
    NotMatches,
}

/// Why a rule did not match: nothing there (another may still), or the text is wrong for good.
enum Fail {
    NoMatch,
    Fatal(FilterError),
}

type Parsed<T> = Result<T, Fail>;

/// Parses a whole text.
pub(crate) fn parse(text: &str) -> Result<Syntax, FilterError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(FilterError::TooBig(format!(
            "the expression has {} bytes; at most {TEXT_BYTES_MAX} are allowed",
            text.len()
        )));
    }
    let mut parser = Parser { text, at: 0, depth: 0, furthest: 0, expected: BTreeSet::new() };
    match parser.whole() {
        Ok(syntax) => Ok(syntax),
        Err(Fail::Fatal(error)) => Err(error),
        Err(Fail::NoMatch) => Err(parser.no_match()),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    furthest: usize,
    expected: BTreeSet<&'static str>,
}

impl Parser<'_> {
    fn whole(&mut self) -> Parsed<Syntax> {
        self.spaces();
        let syntax = self.or()?;
        self.spaces();
        if self.at < self.text.len() {
            return self.miss(END);
        }
        Ok(syntax)
    }

    fn or(&mut self) -> Parsed<Syntax> {
        let mut terms = vec![self.and()?];
        while self.joined_by("\"or\"")? {
            terms.push(self.and()?);
        }
        Ok(one_or(terms, Syntax::Or))
    }

    fn and(&mut self) -> Parsed<Syntax> {
        let mut terms = vec![self.not()?];
        while self.joined_by("\"and\"")? {
            terms.push(self.not()?);
        }
        Ok(one_or(terms, Syntax::And))
    }

    /// Whether the word, with space on both sides, comes next; otherwise stays where it was.
    fn joined_by(&mut self, quoted: &'static str) -> Parsed<bool> {
        let start = self.at;
        if self.spaces_required().and_then(|()| self.word(quoted)).is_err() {
            self.at = start;
            return Ok(false);
        }
        self.spaces_required()?;
        Ok(true)
    }

    fn not(&mut self) -> Parsed<Syntax> {
        if self.depth >= DEPTH_MAX {
            return Err(Fail::Fatal(FilterError::TooBig(format!(
                "the expression is nested more than {DEPTH_MAX} levels deep"
            ))));
        }
        self.depth += 1;
        let syntax = self.negated_or_plain();
        self.depth -= 1;
        syntax
    }

    fn negated_or_plain(&mut self) -> Parsed<Syntax> {
        let start = self.at;
        if self.word("\"not\"").is_ok() && self.spaces_required().is_ok() {
            match self.not() {
                // Two negations cancel out, which keeps a long row of them flat.
                Ok(Syntax::Not(inner)) => return Ok(*inner),
                Ok(inner) => return Ok(Syntax::Not(Box::new(inner))),
                Err(Fail::Fatal(error)) => return Err(Fail::Fatal(error)),
                // `not` may also be a value or a name: `not in Tags`.
                Err(Fail::NoMatch) => {}
            }
        }
        self.at = start;
        if self.word("\"(\"").is_ok() {
            self.spaces();
            let inner = self.or()?;
            self.spaces();
            if self.word("\")\"").is_err() {
                return self.fatal("grouping", "Unmatched parentheses");
            }
            return Ok(inner);
        }
        self.comparison().map(Syntax::Match)
    }

    fn comparison(&mut self) -> Parsed<Comparison> {
        match self.selector() {
            Ok(path) => self.after_selector(path),
            Err(Fail::Fatal(error)) => Err(Fail::Fatal(error)),
            Err(Fail::NoMatch) => {
                let value = self.literal()?;
                self.spaces_required()?;
                let operator = if self.word("\"not\"").is_ok() {
                    self.spaces_required()?;
                    Operator::NotIn
                } else {
                    Operator::In
                };
                self.word("\"in\"")?;
                self.inside(operator, value)
            }
        }
    }

    fn after_selector(&mut self, path: Vec<String>) -> Parsed<Comparison> {
        let start = self.at;
        self.spaces();
        for (sign, operator) in [("\"==\"", Operator::Equal), ("\"!=\"", Operator::NotEqual)] {
            if self.word(sign).is_ok() {
                self.spaces();
                return Ok(Comparison { path, operator, value: self.value()? });
            }
        }
        self.at = start;
        self.spaces_required()?;
        if self.word("\"is\"").is_ok() {
            self.spaces_required()?;
            let negated = self.word("\"not\"").is_ok();
            if negated {
                self.spaces_required()?;
            }
            self.word("\"empty\"")?;
            let operator = if negated { Operator::IsNotEmpty } else { Operator::IsEmpty };
            return Ok(Comparison { path, operator, value: String::new() });
        }
        let negated = self.word("\"not\"").is_ok();
        if negated {
            self.spaces_required()?;
        }
        if self.word("\"contains\"").is_ok() {
            self.spaces_required()?;
            let operator = if negated { Operator::NotIn } else { Operator::In };
            return Ok(Comparison { path, operator, value: self.value()? });
        }
        if self.word("\"matches\"").is_ok() {
            self.spaces_required()?;
            let operator = if negated { Operator::NotMatches } else { Operator::Matches };
            return Ok(Comparison { path, operator, value: self.value()? });
        }
        self.word("\"in\"")?;
        self.inside(if negated { Operator::NotIn } else { Operator::In }, path.join("."))
    }

    /// What follows `in`: the selector.
    fn inside(&mut self, operator: Operator, value: String) -> Parsed<Comparison> {
        self.spaces_required()?;
        match self.selector() {
            Ok(path) => Ok(Comparison { path, operator, value }),
            Err(Fail::NoMatch) => self.fatal("match", "Invalid selector"),
            Err(Fail::Fatal(error)) => Err(Fail::Fatal(error)),
        }
    }

    fn value(&mut self) -> Parsed<String> {
        match self.selector() {
            Ok(path) => Ok(path.join(".")),
            Err(Fail::NoMatch) => self.literal(),
            Err(Fail::Fatal(error)) => Err(Fail::Fatal(error)),
        }
    }

    /// A dotted name; where there is none, the position stays as it was.
    fn selector(&mut self) -> Parsed<Vec<String>> {
        let start = self.at;
        let mut path = vec![self.identifier()?];
        loop {
            if self.word("\".\"").is_ok() {
                let Ok(step) = self.identifier() else {
                    self.at = start;
                    return Err(Fail::NoMatch);
                };
                path.push(step);
            } else if self.word("\"[\"").is_ok() {
                path.push(self.index()?);
            } else {
                return Ok(path);
            }
        }
    }

    fn identifier(&mut self) -> Parsed<String> {
        let rest = &self.text[self.at..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return self.miss(LETTER);
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        self.at += end;
        self.note(WORD);
        Ok(name)
    }

    /// What follows `[`: a quoted key and `]`.
    fn index(&mut self) -> Parsed<String> {
        self.spaces();
        let start = self.at;
        let key = match self.string() {
            Ok(key) => key,
            Err(Fail::NoMatch) => return self.fatal("index", "Invalid index"),
            Err(Fail::Fatal(error)) => {
                self.at = start;
                let second = self.located("index", "Invalid index");
                return Err(Fail::Fatal(FilterError::Syntax(format!("{error}\n{second}"))));
            }
        };
        self.spaces();
        if self.word("\"]\"").is_err() {
            return self.fatal("index", "Unclosed index expression");
        }
        Ok(key)
    }

    /// A number or a quoted text.
    fn literal(&mut self) -> Parsed<String> {
        match self.number() {
            Err(Fail::NoMatch) => self.string(),
            done => done,
        }
    }

    fn number(&mut self) -> Parsed<String> {
        let start = self.at;
        let _ = self.word("\"-\"");
        if self.word("\"0\"").is_err() {
            if !self.next_is(|c| matches!(c, b'1'..=b'9')) {
                self.note(DIGIT_NOT_ZERO);
                self.at = start;
                return Err(Fail::NoMatch);
            }
            self.digits();
        }
        let whole = self.at;
        if self.word("\".\"").is_ok() {
            let fraction = self.at;
            self.digits();
            if self.at == fraction {
                self.at = whole;
            }
        }
        let ends = self.at == self.text.len() || self.next_is(|c| matches!(c, b' ' | b'\t' | b'\r' | b'\n' | b')'));
        if !ends {
            return self.fatal("number", "Invalid number literal");
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn digits(&mut self) {
        while self.next_is(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        self.note(DIGIT);
    }

    fn string(&mut self) -> Parsed<String> {
        let start = self.at;
        let quote = if self.word("\"`\"").is_ok() {
            '`'
        } else if self.word(r#""\"""#).is_ok() {
            '"'
        } else {
            return Err(Fail::NoMatch);
        };
        // No escape reaches past a quote: a text with double quotes is written in backquotes.
        let Some(length) = self.text[self.at..].find(quote) else {
            self.at = self.text.len();
            return self.fatal("string", "Unterminated string literal");
        };
        let end = self.at + length;
        let inner = &self.text[self.at..end];
        let value = if quote == '`' { Some(inner.replace('\r', "")) } else { unquote(inner) };
        let Some(value) = value else {
            self.at = start;
            return self.fatal("string", "invalid syntax");
        };
        self.at = end + 1;
        Ok(value)
    }

    fn spaces(&mut self) {
        while self.next_is(|c| matches!(c, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        self.note(SPACE);
    }

    fn spaces_required(&mut self) -> Parsed<()> {
        let start = self.at;
        self.spaces();
        if self.at == start { Err(Fail::NoMatch) } else { Ok(()) }
    }

    /// Takes a fixed text, given as it is shown in errors: in quotes.
    fn word(&mut self, quoted: &'static str) -> Parsed<()> {
        let word = if quoted == r#""\"""# { "\"" } else { &quoted[1..quoted.len() - 1] };
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        self.miss(quoted)
    }

    fn next_is(&self, test: impl Fn(u8) -> bool) -> bool {
        self.text.as_bytes().get(self.at).is_some_and(|c| test(*c))
    }

    fn miss<T>(&mut self, expected: &'static str) -> Parsed<T> {
        self.note(expected);
        Err(Fail::NoMatch)
    }

    /// Remembers what could have stood here, if nothing failed further to the right yet.
    fn note(&mut self, expected: &'static str) {
        if self.at > self.furthest {
            self.furthest = self.at;
            self.expected.clear();
        }
        if self.at == self.furthest {
            self.expected.insert(expected);
        }
    }

    fn fatal<T>(&self, rule: &str, problem: &str) -> Parsed<T> {
        Err(Fail::Fatal(FilterError::Syntax(self.located(rule, problem))))
    }

    fn located(&self, rule: &str, problem: &str) -> String {
        format!("{}: rule \"{rule}\": {problem}", self.position(self.at))
    }

    fn no_match(&self) -> FilterError {
        let names: Vec<&str> = self.expected.iter().map(|name| name.trim_start_matches('~')).collect();
        let list = match names.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => "nothing".to_owned(),
        };
        FilterError::Syntax(format!("{}: no match found, expected: {list}", self.position(self.furthest)))
    }

    /// `line:column (offset)`: lines and columns (in characters) from 1, offset in bytes from 0.
    fn position(&self, at: usize) -> String {
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{line}:{column} ({at})")
    }
}

fn one_or(mut terms: Vec<Syntax>, many: fn(Vec<Syntax>) -> Syntax) -> Syntax {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            many(terms)
        }
        None => many(terms),
    }
}
