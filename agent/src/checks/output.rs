//! Cutting the output of checks to the length that is kept, at character boundaries.

/// The first `limit` bytes, with a note about what was cut off. TTL and HTTP checks.
#[must_use]
pub fn keep_first(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(limit)];
    format!("{kept} ... (captured {limit} of {} bytes)", text.len())
}

/// The last `limit` bytes of `total`, with a note about what was cut off. Scripts: `tail` is the end of their output.
#[must_use]
pub fn keep_last(tail: &[u8], total: u64, limit: usize) -> String {
    let kept = String::from_utf8_lossy(&tail[tail.len().saturating_sub(limit)..]).into_owned();
    if total <= limit as u64 { kept } else { format!("Captured {limit} of {total} bytes\n...\n{kept}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        assert_eq!(keep_first("abc", 3), "abc");
        assert_eq!(keep_last(b"abc", 3, 3), "abc");
    }

    #[test]
    fn long_output_says_what_is_missing() {
        assert_eq!(keep_first("abcdef", 4), "abcd ... (captured 4 of 6 bytes)");
        assert_eq!(keep_first("aää", 2), "a ... (captured 2 of 5 bytes)");
        assert_eq!(keep_last(b"cdef", 6, 4), "Captured 4 of 6 bytes\n...\ncdef");
    }
}
