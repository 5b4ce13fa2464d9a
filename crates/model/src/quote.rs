//! Texts in quotes, as Go writes them with `%q`: error texts show names so.

use std::fmt::Write as _;

/// Bytes in quotes; what is not printable, or no UTF-8, is escaped.
#[must_use]
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|char| push(&mut out, char));
        for byte in chunk.invalid() {
            push_hex(&mut out, 'x', u32::from(*byte), 2);
        }
    }
    out.push('"');
    out
}

fn push(out: &mut String, char: char) {
    match char {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        ' '..='~' => out.push(char),
        '\0'..='\x7f' => push_hex(out, 'x', u32::from(char), 2),
        // Rust escapes what is not printable with braces; all else stays.
        _ if char.escape_debug().len() == 1 => out.push(char),
        '\u{80}'..='\u{ffff}' => push_hex(out, 'u', u32::from(char), 4),
        _ => push_hex(out, 'U', u32::from(char), 8),
    }
}

fn push_hex(out: &mut String, kind: char, number: u32, digits: usize) {
    write!(out, "\\{kind}{number:0digits$x}").expect("a text takes everything");
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn bytes_are_quoted_as_go_does() {
        for (bytes, expected) in [
            (&b"a/b"[..], r#""a/b""#),
            (b"n\0ul\x1b\x7f", r#""n\x00ul\x1b\x7f""#),
            (b"\x07\x08\x0c\n\r\t\x0b\"\\'", r#""\a\b\f\n\r\t\v\"\\'""#),
            (b"q\xff\xfe/", r#""q\xff\xfe/""#),
            ("\u{e9}\u{1f980}\u{80}\u{2028}".as_bytes(), "\"\u{e9}\u{1f980}\\u0080\\u2028\""),
        ] {
            assert_eq!(quoted(bytes), expected);
        }
    }
}
