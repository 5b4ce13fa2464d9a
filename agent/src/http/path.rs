//! From the path of a request to the path that routes are matched against: decoded, and sent elsewhere when it is not
//! in its shortest form.

use std::borrow::Cow;

use super::escape;

/// What to do with a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Path<'a> {
    /// Match this.
    Clean(Cow<'a, [u8]>),
    /// Redirect to this (encoded) path: the given one held `//`, `/./` or `/../`.
    Elsewhere(String),
    /// Not decodable.
    Bad,
    /// Decodable, but holds control characters.
    Unprintable,
}

/// Decodes a path and looks at its form.
#[must_use]
pub fn resolve_path(raw: &str) -> Path<'_> {
    let Ok(decoded) = escape::decode(raw.as_bytes()) else {
        return Path::Bad;
    };
    if String::from_utf8_lossy(&decoded).chars().any(char::is_control) {
        return Path::Unprintable;
    }
    if is_clean(&decoded) {
        return Path::Clean(decoded);
    }
    Path::Elsewhere(escape::encode_path(&clean(&decoded)))
}

fn is_clean(path: &[u8]) -> bool {
    if path.first() != Some(&b'/') {
        return false;
    }
    let mut segments = path[1..].split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment == b"." || segment == b".." || (segment.is_empty() && !is_last) {
            return false;
        }
    }
    true
}

/// The shortest path that means the same; a trailing slash is kept.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if out.is_empty() || path.ends_with(b"/") {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elsewhere(path: &str) -> Path<'static> {
        Path::Elsewhere(path.to_owned())
    }

    #[test]
    fn clean_paths_are_decoded() {
        assert_eq!(resolve_path("/v1/kv/a"), Path::Clean(Cow::Borrowed(b"/v1/kv/a")));
        assert_eq!(resolve_path("/v1/kv/a%2Fb%20/"), Path::Clean(Cow::Borrowed(b"/v1/kv/a/b /")));
        assert_eq!(resolve_path("/"), Path::Clean(Cow::Borrowed(b"/")));
        assert_eq!(resolve_path("/v1/kv/...a"), Path::Clean(Cow::Borrowed(b"/v1/kv/...a")));
    }

    #[test]
    fn other_forms_are_sent_elsewhere() {
        assert_eq!(resolve_path("/v1//kv/a"), elsewhere("/v1/kv/a"));
        assert_eq!(resolve_path("/v1/kv/a/../b"), elsewhere("/v1/kv/b"));
        assert_eq!(resolve_path("/v1/kv/%2e%2e/b"), elsewhere("/v1/b"));
        assert_eq!(resolve_path("/v1/kv/a/.//"), elsewhere("/v1/kv/a/"));
        assert_eq!(resolve_path("/../.."), elsewhere("/"));
        assert_eq!(resolve_path("/v1/kv/%2Fa b"), elsewhere("/v1/kv/a%20b"));
    }

    #[test]
    fn other_paths_are_refused() {
        assert_eq!(resolve_path("/v1/kv/%zz"), Path::Bad);
        assert_eq!(resolve_path("/v1/kv/q%00r"), Path::Unprintable);
    }
}
