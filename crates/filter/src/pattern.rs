//! Regular expressions that users give, with the errors that Consul's users know from Go.

use regex::{Regex, RegexBuilder};
use regex_syntax::Error;
use regex_syntax::ast::ErrorKind;

/// Bytes that a compiled expression may take: users and peers choose them.
const SIZE_MAX: usize = 1 << 20;

/// Compiles an expression.
///
/// # Errors
/// What is wrong with it, in Go's words: `error parsing regexp: missing closing ]: ...`.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|error| format!("error parsing regexp: {}", reason(pattern, &error)))
}

/// What is wrong with an expression, in Go's words.
pub(crate) fn reason(pattern: &str, error: &regex::Error) -> String {
    let Err(Error::Parse(parse)) = regex_syntax::Parser::new().parse(pattern) else {
        return match error {
            regex::Error::CompiledTooBig(_) => format!("expression is too large: `{pattern}`"),
            other => other.to_string(),
        };
    };
    let span = parse.span();
    let part = pattern.get(span.start.offset..span.end.offset).unwrap_or(pattern);
    let rest = pattern.get(span.start.offset..).unwrap_or(pattern);
    match parse.kind() {
        ErrorKind::ClassUnclosed => format!("missing closing ]: `{rest}`"),
        ErrorKind::ClassRangeInvalid => format!("invalid character class range: `{part}`"),
        ErrorKind::GroupUnclosed => format!("missing closing ): `{pattern}`"),
        ErrorKind::GroupUnopened => format!("unexpected ): `{pattern}`"),
        ErrorKind::RepetitionMissing => format!("missing argument to repetition operator: `{}`", operator(rest)),
        ErrorKind::RepetitionCountInvalid => format!("invalid repeat count: `{part}`"),
        ErrorKind::EscapeUnrecognized => format!("invalid escape sequence: `{part}`"),
        ErrorKind::EscapeUnexpectedEof => "trailing backslash at end of expression: ``".to_owned(),
        kind => format!("{kind}: `{part}`"),
    }
}

fn operator(rest: &str) -> &str {
    let end = rest.char_indices().nth(1).map_or(rest.len(), |(at, _)| at);
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_in_gos_words() {
        for (pattern, wanted) in [
            ("[", "missing closing ]: `[`"),
            ("a[b", "missing closing ]: `[b`"),
            ("(", "missing closing ): `(`"),
            (")", "unexpected ): `)`"),
            ("*", "missing argument to repetition operator: `*`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("\\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(compile(pattern).unwrap_err(), format!("error parsing regexp: {wanted}"));
        }
        assert!(compile("^a.*$").is_ok());
        assert!(compile("(((a{1000}){1000}){1000})").is_err());
    }
}
