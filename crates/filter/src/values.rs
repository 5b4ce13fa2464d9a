//! Texts of values: quoted strings with their escapes, numbers and booleans in the spellings that the API accepts.

/// The text inside double quotes with its escapes resolved; `None` when an escape is wrong or a line ends inside.
pub(crate) fn unquote(inner: &str) -> Option<String> {
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '"' => return None,
            '\\' => escape(&mut chars, &mut out)?,
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    // Byte escapes can make invalid UTF-8, which no stored text can equal; the replacement character is as good.
    Some(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn escape(chars: &mut std::str::Chars<'_>, out: &mut Vec<u8>) -> Option<()> {
    let kind = chars.next()?;
    let byte = match kind {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        'x' => u8::try_from(digits(chars, 2, 16, 0)?).ok()?,
        '0'..='7' => u8::try_from(digits(chars, 2, 8, kind.to_digit(8)?)?).ok()?,
        'u' | 'U' => {
            let point = digits(chars, if kind == 'u' { 4 } else { 8 }, 16, 0)?;
            out.extend_from_slice(char::from_u32(point)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(());
        }
        _ => return None,
    };
    out.push(byte);
    Some(())
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32, first: u32) -> Option<u32> {
    let mut value = first;
    for _ in 0..count {
        value = value.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?)?;
    }
    Some(value)
}

/// A whole number: decimal, `0x`, `0o`, `0b` or leading zero for octal, with `_` between digits of prefixed and
/// unprefixed numbers alike.
///
/// # Errors
/// The sentence that the API shows.
pub(crate) fn integer(text: &str) -> Result<i64, String> {
    let wrong = || format!("strconv.ParseInt: parsing {text:?}: invalid syntax");
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    let underscores_fit = !digits.contains("__") && !digits.ends_with('_') && (radix != 10 || !digits.starts_with('_'));
    let plain = digits.replace('_', "");
    if plain.is_empty() || !underscores_fit || !plain.chars().all(|c| c.is_digit(radix)) {
        return Err(wrong());
    }
    let signed = if negative { format!("-{plain}") } else { plain };
    i64::from_str_radix(&signed, radix).map_err(|_| format!("strconv.ParseInt: parsing {text:?}: value out of range"))
}

/// A boolean in one of the spellings that the API accepts.
///
/// # Errors
/// The sentence that the API shows.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}
