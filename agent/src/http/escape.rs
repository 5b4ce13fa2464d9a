//! Percent-encoding of paths and query strings.

use std::borrow::Cow;

/// Decodes `%XX`; an error holds the offending text.
pub fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let Some(first) = text.iter().position(|byte| *byte == b'%') else {
        return Ok(Cow::Borrowed(text));
    };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            decoded.push(byte);
            rest = after;
            continue;
        }
        match (after.first().copied().and_then(hex), after.get(1).copied().and_then(hex)) {
            (Some(high), Some(low)) => decoded.push(high << 4 | low),
            _ => return Err(String::from_utf8_lossy(&rest[..rest.len().min(3)]).into_owned()),
        }
        rest = &after[2..];
    }
    Ok(Cow::Owned(decoded))
}

/// Appends a text in the encoding of forms: letters, digits and `-_.~` as they are, a space as `+`.
pub fn push_form(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => push_hex(out, byte),
        }
    }
}

/// The bytes of a path, encoded where a path needs it.
#[must_use]
pub fn encode_path(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@' => {
                out.push(char::from(byte));
            }
            _ => push_hex(&mut out, byte),
        }
    }
    out
}

fn push_hex(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_borrows_where_nothing_is_encoded() {
        assert!(matches!(decode(b"plain"), Ok(Cow::Borrowed(_))));
        assert_eq!(decode(b"a%2Fb%ff").expect("valid").as_ref(), b"a/b\xff");
        assert_eq!(decode(b"a%2"), Err("%2".to_owned()));
        assert_eq!(decode(b"%zz1"), Err("%zz".to_owned()));
    }

    #[test]
    fn paths_are_encoded_as_locations() {
        assert_eq!(encode_path(b"/v1/<a&'\"> \xff"), "/v1/%3Ca&%27%22%3E%20%FF");
    }
}
