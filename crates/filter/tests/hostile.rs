//! Input that tries to break the parser: deep nesting, floods of operators, huge regular expressions, any text at all.

use filter::{DEPTH_MAX, Filter, FilterError, NODE, REGEX_COUNT_MAX, TEXT_BYTES_MAX};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse(text, &NODE)
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}Node == a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(DEPTH_MAX - 1)).is_ok());
    assert!(matches!(parse(&nested(DEPTH_MAX)), Err(FilterError::TooBig(_))));
    assert!(matches!(parse(&"(".repeat(TEXT_BYTES_MAX)), Err(FilterError::TooBig(_))));
    assert!(matches!(parse(&"not ".repeat(10_000)), Err(FilterError::TooBig(_))));
}

#[test]
fn length_is_limited() {
    let text = vec!["Node == a"; TEXT_BYTES_MAX / 14].join(" or ");
    assert!(parse(&text).is_ok());
    assert!(matches!(parse(&format!("{text} or {text}")), Err(FilterError::TooBig(_))));
}

#[test]
fn regular_expressions_are_limited() {
    let many = |count: usize| vec!["Node matches x"; count].join(" and ");
    assert!(parse(&many(REGEX_COUNT_MAX)).is_ok());
    assert!(matches!(parse(&many(REGEX_COUNT_MAX + 1)), Err(FilterError::TooBig(_))));
    assert!(matches!(parse(r"Node matches `((\pL{900}){900}){900}`"), Err(FilterError::Regex { .. })));
}

/// Texts made of the language's own pieces reach deeper than arbitrary ones.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        " ",
        "(",
        ")",
        "not ",
        " and ",
        " or ",
        "Node",
        "Meta",
        ".",
        "[",
        "]",
        "\"",
        "`",
        "\\",
        "==",
        "!=",
        " is ",
        "empty",
        " in ",
        " contains ",
        " matches ",
        "0",
        "-",
        "17",
        "a",
        "é",
        "\n",
        "Meta.x",
        "Node == a",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_gets_an_answer(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn any_pieces_get_an_answer(text in pieces()) {
        if let Err(error) = parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn quoted_values_compare_as_written(value in "[^\r`]{0,20}") {
        let row = serde_json::json!({ "Node": value });
        let filter = parse(&format!("Node == `{value}`")).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let row = filter::JsonRow { value: &row, schema: &NODE };
        prop_assert!(filter.matches(&row));
    }

    #[test]
    fn negation_turns_every_answer(node in "[ab]{1,3}", wanted in "[ab]{1,3}") {
        let row = serde_json::json!({ "Node": node });
        let row = filter::JsonRow { value: &row, schema: &NODE };
        for text in [format!("Node == {wanted}"), format!("Node contains {wanted}"), format!("Node matches {wanted}")] {
            let plain = parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?.matches(&row);
            let negated = parse(&format!("not ({text})")).map_err(|e| TestCaseError::fail(e.to_string()))?.matches(&row);
            prop_assert_ne!(plain, negated);
        }
    }
}
