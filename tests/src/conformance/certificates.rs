//! Hides what is random in certificates: they themselves, their fingerprints, serial numbers and times.

/// The members of JSON objects whose values are hidden, and under which name.
const MEMBERS: &[(&str, &str)] = &[
    ("SerialNumber", "<serial>"),
    ("NotBefore", "<time>"),
    ("NotAfter", "<time>"),
    ("ValidAfter", "<time>"),
    ("ValidBefore", "<time>"),
];
/// Fewer pairs of digits with colons between them are no fingerprint.
const PAIRS_MIN: usize = 8;

/// The text with names in place of what varies.
pub fn hide(text: &str) -> String {
    let mut text = hide_fingerprints(&hide_pem(text));
    for (member, name) in MEMBERS {
        text = hide_member(&text, member, name);
    }
    text
}

fn hide_pem(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN ";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let after = &rest[at + BEGIN.len()..];
        let label = after.split("-----").next().unwrap_or_default();
        let end = format!("-----END {label}-----");
        let Some(stop) = after.find(&end) else { break };
        out.push_str(&rest[..at]);
        out.push_str(&format!("<{}>", label.to_lowercase()));
        rest = &after[stop + end.len()..];
    }
    out + rest
}

fn hide_fingerprints(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = fingerprint(rest.as_bytes());
        if length >= PAIRS_MIN * 3 - 1 {
            out.push_str("<fingerprint>");
            rest = &rest[length..];
        } else {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..next]);
            rest = &rest[next..];
        }
    }
    out
}

/// Length of the pairs of digits with colons that the text starts with.
fn fingerprint(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let [high, low, ..] = &bytes[length..]
        && high.is_ascii_hexdigit()
        && low.is_ascii_hexdigit()
    {
        length += 2;
        if bytes.get(length) != Some(&b':') {
            return length;
        }
        length += 1;
    }
    length.saturating_sub(1)
}

fn hide_member(text: &str, member: &str, name: &str) -> String {
    let mark = format!("\"{member}\":");
    let mut parts = text.split(&mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find([',', '}']).unwrap_or(part.len());
        out.push_str(&format!("{mark}{name}{}", &part[end..]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::hide;

    #[test]
    fn only_certificates_are_hidden() {
        let text = r#"{"ID":"f1:63:7d:ff:2b:fc:fa:71:52","SerialNumber":7,"A":"10:20:30","Cert":"-----BEGIN X Y-----\nabc\n-----END X Y-----\n","NotAfter":"2036-11-22T22:28:19Z"}"#;
        let hidden =
            r#"{"ID":"<fingerprint>","SerialNumber":<serial>,"A":"10:20:30","Cert":"<x y>\n","NotAfter":<time>}"#;
        assert_eq!(hide(text), hidden);
        assert_eq!(hide("at 12:30:45 ü"), "at 12:30:45 ü");
    }
}
