//! Texts with `${...}` in them: variables, `match(N)`, numbers, quoted texts and whole-number arithmetic. `$${` is a
//! plain `${`.

use crate::limits::EXPRESSION_DEPTH_MAX;

/// What expressions may speak of.
pub(super) struct Scope<'a> {
    /// The name that was asked for.
    pub(super) full: &'a str,
    /// The name of the template.
    pub(super) prefix: &'a str,
    /// What follows it.
    pub(super) suffix: &'a str,
    /// A group of the regular expression.
    pub(super) group: &'a dyn Fn(i64) -> Option<String>,
}

/// Why a text cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WrongText {
    /// It cannot be read.
    Format,
    /// It can be read and makes no sense; the text says why.
    Meaning(String),
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(i64),
    Real(f64),
}

impl Value {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Real(number) => number.to_string(),
        }
    }

    fn into_number(self) -> Result<i64, String> {
        match self {
            Self::Number(number) => Ok(number),
            // The fraction is cut off, as in the original language.
            Self::Real(number) => Ok(number as i64),
            Self::Text(text) => text
                .parse()
                .map_err(|_| format!("__builtin_StringToInt: strconv.ParseInt: parsing {text:?}: invalid syntax")),
        }
    }
}

/// Fills in a text. What cannot be read is found before what makes no sense.
pub(super) fn fill(scope: &Scope<'_>, text: &str) -> Result<String, WrongText> {
    let mut filled = String::new();
    let mut rest = text;
    let mut wrong = None;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        if let Some(plain) = before.strip_suffix('$') {
            filled.push_str(plain);
            filled.push_str("${");
            rest = &after[2..];
            continue;
        }
        filled.push_str(before);
        let mut reader = Reader { scope, whole: text, at: text.len() - after.len() + 2, depth: 0, wrong };
        let value = reader.sum()?;
        reader.expect('}')?;
        filled.push_str(&value.into_text());
        rest = &text[reader.at..];
        wrong = reader.wrong;
    }
    filled.push_str(rest);
    match wrong {
        Some(why) => Err(WrongText::Meaning(why)),
        None => Ok(filled),
    }
}

struct Reader<'a> {
    scope: &'a Scope<'a>,
    whole: &'a str,
    at: usize,
    depth: usize,
    /// The first thing that makes no sense.
    wrong: Option<String>,
}

impl Reader<'_> {
    /// Notes what makes no sense, and goes on with something that does.
    fn note(&mut self, why: String) -> Value {
        self.wrong.get_or_insert(why);
        Value::Number(0)
    }

    fn calculate(&mut self, a: Value, b: Value, operate: fn(i64, i64) -> Option<i64>) -> Value {
        let numbers = a.into_number().and_then(|a| Ok((a, b.into_number()?)));
        let result = numbers.and_then(|(a, b)| operate(a, b).ok_or_else(|| "divide by zero or overflow".to_owned()));
        result.map_or_else(|why| self.note(why), Value::Number)
    }

    fn peek(&mut self) -> Option<char> {
        let rest = &self.whole[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.whole[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), WrongText> {
        if self.take(wanted) { Ok(()) } else { Err(WrongText::Format) }
    }

    /// Operators have no ranks: what stands first is done first, as in the language that users know.
    fn sum(&mut self) -> Result<Value, WrongText> {
        let mut value = self.factor()?;
        loop {
            let operate: fn(i64, i64) -> Option<i64> = match self.peek() {
                Some('+') => i64::checked_add,
                Some('-') => i64::checked_sub,
                Some('*') => i64::checked_mul,
                Some('/') => i64::checked_div,
                Some('%') => i64::checked_rem,
                _ => return Ok(value),
            };
            self.at += 1;
            let right = self.factor()?;
            value = self.calculate(value, right, operate);
        }
    }

    fn factor(&mut self) -> Result<Value, WrongText> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(WrongText::Format);
        }
        let value = match self.peek() {
            Some('(') => {
                self.at += 1;
                let value = self.sum()?;
                self.expect(')')?;
                value
            }
            Some('-') => {
                self.at += 1;
                let right = self.factor()?;
                self.calculate(Value::Number(0), right, i64::checked_sub)
            }
            Some('"') => self.quoted()?,
            Some('0'..='9') => self.number()?,
            Some(first) if first.is_ascii_alphabetic() || first == '_' => self.name()?,
            _ => return Err(WrongText::Format),
        };
        self.depth -= 1;
        Ok(value)
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let word: String = self.whole[self.at..].chars().take_while(|letter| belongs(*letter)).collect();
        self.at += word.len();
        word
    }

    fn quoted(&mut self) -> Result<Value, WrongText> {
        self.at += 1;
        let text = self.word(|letter| letter != '"' && letter != '\\');
        self.expect('"')?;
        Ok(Value::Text(text))
    }

    fn number(&mut self) -> Result<Value, WrongText> {
        let word = self.word(|letter| letter.is_ascii_digit() || letter == '.');
        match word.contains('.') {
            true => word.parse().map(Value::Real).map_err(|_| WrongText::Format),
            false => word.parse().map(Value::Number).map_err(|_| WrongText::Format),
        }
    }

    fn name(&mut self) -> Result<Value, WrongText> {
        let place = self.place();
        let name = self.word(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-' | '*'));
        if self.take('(') {
            return self.call(&name, &place);
        }
        let text = match name.as_str() {
            "name.full" => self.scope.full,
            "name.prefix" => self.scope.prefix,
            "name.suffix" => self.scope.suffix,
            // Agents are in no network segment.
            "agent.segment" => "",
            _ => return Ok(self.note(format!("{place}: unknown variable accessed: {name}"))),
        };
        Ok(Value::Text(text.to_owned()))
    }

    fn call(&mut self, name: &str, place: &str) -> Result<Value, WrongText> {
        let mut arguments = Vec::new();
        if !self.take(')') {
            loop {
                arguments.push(self.sum()?);
                if self.take(')') {
                    break;
                }
                self.expect(',')?;
            }
        }
        if name != "match" {
            return Ok(self.note(format!("{place}: unknown function called: {name}")));
        }
        let count = arguments.len();
        match (arguments.pop(), count) {
            (Some(argument), 1) => {
                let text = |number| Value::Text((self.scope.group)(number).unwrap_or_default());
                Ok(match argument.into_number().map(text) {
                    Ok(value) => value,
                    Err(why) => self.note(why),
                })
            }
            _ => Ok(self.note(format!("{place}: match: expected 1 arguments, got {count}"))),
        }
    }

    /// Line and column of where the reader is, counted from 1.
    fn place(&self) -> String {
        let before = &self.whole[..self.at];
        let line = before.matches('\n').count() + 1;
        // On later lines the columns count from 2, in the language that users know.
        let first = if line > 1 { 2 } else { 1 };
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + first;
        format!("{line}:{column}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, WrongText> {
        let group = |number| (number == 1).then(|| "one".to_owned());
        fill(&Scope { full: "geo-web", prefix: "geo-", suffix: "web", group: &group }, text)
    }

    #[test]
    fn texts_are_filled_in() {
        let cases = [
            ("plain", "plain"),
            ("${name.full}/${ name.suffix }/${name.prefix}", "geo-web/web/geo-"),
            ("${match(1)}${match(2)}${match(-1)}x", "onex"),
            ("$${match(1)} ${agent.segment}$", "${match(1)} $"),
            ("${1+2*3}${match(\"1\")}${\"q\"}${(7-1)/2}", "9oneq3"),
            ("}", "}"),
        ];
        for (text, expected) in cases {
            assert_eq!(filled(text), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn errors_say_what_and_where() {
        let meaning = |text: &str| Err(WrongText::Meaning(text.to_owned()));
        assert_eq!(filled("a\n ${nope}"), meaning("2:5: unknown variable accessed: nope"));
        assert_eq!(filled("${foo(1)}"), meaning("1:3: unknown function called: foo"));
        assert_eq!(filled("${match()}"), meaning("1:3: match: expected 1 arguments, got 0"));
        for text in ["${", "${}", "${match(1", "${name.full", "${true ? 1 : 2}", "${\"q}"] {
            assert_eq!(filled(text), Err(WrongText::Format), "{text}");
        }
        assert_eq!(filled(&format!("${{{}", "(".repeat(10_000))), Err(WrongText::Format));
    }

    #[test]
    fn any_text_is_filled_or_refused() {
        proptest::proptest!(|(text in "[${}()a-z.0-9\"+*/% \u{e9}-]{0,30}")| { let _ = filled(&text); });
    }
}
