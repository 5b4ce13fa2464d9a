//! Lays out minified JSON over several lines, without reading it into values.

/// Four spaces per level and a line feed at the end; empty lists and objects stay on one line.
#[must_use]
pub fn render_pretty(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2 + 1);
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => {
                let end = string_end(json, at);
                out.extend_from_slice(&json[at..end]);
                at = end;
                continue;
            }
            b'{' | b'[' if matches!(json.get(at + 1), Some(b'}' | b']')) => {
                out.extend_from_slice(&json[at..at + 2]);
                at += 2;
                continue;
            }
            b'{' | b'[' => {
                out.push(byte);
                depth += 1;
                push_line(&mut out, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                push_line(&mut out, depth);
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                push_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => out.push(byte),
        }
        at += 1;
    }
    out.push(b'\n');
    out
}

/// The position after the string that starts at `start`.
fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

fn push_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + depth * 4, b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretty(json: &str) -> String {
        String::from_utf8(render_pretty(json.as_bytes())).expect("text in, text out")
    }

    #[test]
    fn nested_values_are_indented() {
        let text = pretty(r#"[{"a":[],"b":{"c":"x,{\":]"},"d":[1,null]}]"#);
        let expected = "[\n    {\n        \"a\": [],\n        \"b\": {\n            \"c\": \"x,{\\\":]\"\n        },\n        \"d\": [\n            1,\n            null\n        ]\n    }\n]\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn scalars_get_a_line_feed() {
        assert_eq!(pretty("true"), "true\n");
        assert_eq!(pretty("[]"), "[]\n");
        assert_eq!(pretty("\"cut"), "\"cut\n");
    }
}
