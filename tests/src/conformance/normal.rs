//! Brings answers into a comparable form: what differs from run to run is replaced by names.
//!
//! Raft indexes become `<i1>`, `<i2>`, ... in the order in which a story first shows them, so that equal indexes stay
//! recognisable; 0 and 1 stay as they are.

use std::collections::HashMap;

use crate::http::Response;

use super::case::{Expected, Outcome};
use super::certificates;

/// Headers that say nothing about the answer.
const IGNORED: &[&str] = &[
    "connection",
    "content-length",
    "date",
    "transfer-encoding",
    "vary",
    // Ours has them everywhere; a test of their own looks at them.
    "x-content-type-options",
    "content-security-policy",
];
/// Headers that ours adds start with this; tests of their own look at them.
const ADDED: &str = "x-concord-";
/// Longest body kept; of longer ones the start is compared.
const BODY_SHOWN_MAX: usize = 16_000;

/// The names given so far in one story.
#[derive(Debug, Default)]
pub struct Names {
    indexes: HashMap<u64, usize>,
}

impl Names {
    /// The comparable form of an answer of the agent at `ip`.
    pub fn normalise(&mut self, response: &Response, ip: &str, any_index: bool) -> Expected {
        let mut headers: Vec<(String, String)> = response
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .filter(|(name, _)| {
                let name = name.to_ascii_lowercase();
                !IGNORED.contains(&name.as_str()) && !name.starts_with(ADDED)
            })
            .collect();
        headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        let headers = headers
            .into_iter()
            .map(|(name, value)| {
                let value = match name.to_ascii_lowercase().as_str() {
                    "x-consul-index" => self.index_name(&value, any_index),
                    "x-consul-lastcontact" if value != "0" => "<ms>".to_owned(),
                    _ => value.replace(ip, "<ip>"),
                };
                format!("{name}: {value}").trim_end().to_owned()
            })
            .collect();
        let mut text = certificates::hide(&response.text());
        if text.len() > BODY_SHOWN_MAX {
            let end = (0..=BODY_SHOWN_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
        }
        let text = hide_uuids(&self.hide_indexes(&text.replace(ip, "<ip>"), any_index));
        // A line feed at the end of the body shows as an empty last line.
        let body = if text.is_empty() { Vec::new() } else { text.split('\n').map(escape_line).collect() };
        Expected { outcome: Outcome::Status(response.status), headers, body }
    }

    fn index_name(&mut self, digits: &str, any_index: bool) -> String {
        match digits.parse::<u64>() {
            Ok(0 | 1) | Err(_) => digits.to_owned(),
            Ok(_) if any_index => "<index>".to_owned(),
            Ok(index) => {
                let next = self.indexes.len() + 1;
                format!("<i{}>", self.indexes.entry(index).or_insert(next))
            }
        }
    }

    fn hide_indexes(&mut self, text: &str, any_index: bool) -> String {
        const MARK: &str = "Index\":";
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(MARK) {
            let is_lock = rest[..at].ends_with("Lock");
            let start = at + MARK.len();
            let start = start + rest[start..].len() - rest[start..].trim_start_matches(' ').len();
            let digits = rest[start..].len() - rest[start..].trim_start_matches(|c: char| c.is_ascii_digit()).len();
            out.push_str(&rest[..start]);
            let number = &rest[start..start + digits];
            if is_lock {
                out.push_str(number);
            } else {
                out.push_str(&self.index_name(number, any_index));
            }
            rest = &rest[start + digits..];
        }
        out.push_str(rest);
        out
    }
}

/// Control characters that a line cannot hold.
fn escape_line(line: &str) -> String {
    line.replace('\r', "\\r").replace('\t', "\\t")
}

fn hide_uuids(text: &str) -> String {
    let is_uuid = |bytes: &[u8]| {
        bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied) = (0, 0);
    while at + 36 <= bytes.len() {
        if is_uuid(&bytes[at..at + 36]) {
            out.push_str(&text[copied..at]);
            out.push_str("<uuid>");
            at += 36;
            copied = at;
        } else {
            at += 1;
        }
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_gets_names() {
        let mut names = Names::default();
        let body = r#"[{"ID":"a91c1433-3ec1-31b7-c5c2-76238bff093d","A":"127.1.2.3:8300","LockIndex":3,"CreateIndex":7,"ModifyIndex": 9}]"#;
        let response = Response {
            status: 200,
            headers: vec![
                ("X-Consul-Index".into(), "9".into()),
                ("Date".into(), "now".into()),
                ("Content-Type".into(), "x".into()),
            ],
            body: body.into(),
        };
        let normal = names.normalise(&response, "127.1.2.3", false);
        assert_eq!(normal.headers, ["Content-Type: x", "X-Consul-Index: <i1>"]);
        let shown = r#"[{"ID":"<uuid>","A":"<ip>:8300","LockIndex":3,"CreateIndex":<i2>,"ModifyIndex": <i1>}]"#;
        assert_eq!(normal.body, [shown]);
        assert_eq!(names.normalise(&response, "127.1.2.3", true).headers[1], "X-Consul-Index: <index>");
    }
}
