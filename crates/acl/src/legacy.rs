//! Old rules to new ones: what was a prefix silently says so now.

use crate::rules::{Rules, RulesError, Syntax};

const WORDS: [&str; 7] = ["agent", "event", "key", "node", "query", "service", "session"];

/// The text of new rules that say the same. Comments stay; blocks are written one setting a line.
///
/// # Errors
/// When the text is no rules.
pub fn translate(text: &str) -> Result<String, RulesError> {
    Rules::parse(text, Syntax::Legacy)?;
    let mut out = String::new();
    let mut depth = 0_usize;
    let mut at_line_start = true;
    for token in tokens(text) {
        write_token(&mut out, token, &mut depth, &mut at_line_start);
    }
    Ok(out.trim_end().to_owned())
}

fn write_token(out: &mut String, token: &str, depth: &mut usize, at_line_start: &mut bool) {
    let indent = |out: &mut String, depth: usize| out.push_str(&"  ".repeat(depth));
    match token {
        "{" => {
            out.push_str(" {\n");
            *depth += 1;
            *at_line_start = true;
        }
        "}" => {
            if !*at_line_start {
                out.push('\n');
            }
            *depth = depth.saturating_sub(1);
            indent(out, *depth);
            out.push_str("}\n\n");
            *at_line_start = true;
        }
        "=" => out.push_str(" = "),
        "\n" => {
            if !*at_line_start {
                out.push('\n');
            }
            *at_line_start = true;
        }
        _ if *at_line_start => {
            indent(out, *depth);
            out.push_str(token);
            if *depth == 0 && WORDS.contains(&token) {
                out.push_str("_prefix");
            }
            *at_line_start = false;
        }
        _ => {
            if !out.ends_with(' ') {
                out.push(' ');
            }
            out.push_str(token);
        }
    }
    if token.starts_with('#') || token.starts_with("//") {
        out.push('\n');
        *at_line_start = true;
    }
}

/// Words, texts, comments, signs and ends of lines. The text is known to be HCL.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\n' | '{' | '}' | '=' => 1,
            '"' => text_length(rest),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            space if space.is_whitespace() => {
                rest = &rest[space.len_utf8()..];
                continue;
            }
            _ => {
                let end = |c: char| c.is_whitespace() || "{}=\"#".contains(c);
                rest.find(end).unwrap_or(rest.len()).max(first.len_utf8())
            }
        };
        let (token, after) = rest.split_at(length);
        found.push(token);
        rest = after;
    }
    found
}

fn text_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::translate;
    use crate::{Rules, Syntax};

    #[test]
    fn blocks_get_their_new_names() {
        let text = "#start of policy\nagent \"\" {\n   policy = \"read\"\n}\n\nkey \"a\" { policy = \"deny\" }\noperator=\"read\"";
        let expected = "#start of policy\nagent_prefix \"\" {\n  policy = \"read\"\n}\n\nkey_prefix \"a\" {\n  policy = \
                        \"deny\"\n}\n\noperator = \"read\"";
        assert_eq!(translate(text).expect("rules"), expected);
        assert!(translate("key \"a\" {").is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_translated_says_the_same(
            rules in proptest::collection::vec(
                ("(agent|key|node|service|query|event|session)", "[a-z\\\\\"{}=# ]{0,4}", "(read|write|deny)"), 0..5,
            ),
        ) {
            let blocks = rules.iter().map(|(kind, name, access)| format!("{kind} {name:?} {{ policy = \"{access}\" }}"));
            let old = blocks.collect::<Vec<_>>().join("\n");
            let new = translate(&old).expect("rules");
            let parse = |text: &str, syntax| Rules::parse(text, syntax).expect("rules");
            proptest::prop_assert_eq!(parse(&old, Syntax::Legacy), parse(&new, Syntax::Current));
        }
    }
}
