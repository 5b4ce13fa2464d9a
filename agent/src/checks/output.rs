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

/// The end of an output that arrives in pieces.
#[derive(Debug)]
pub struct Tail {
    kept: Vec<u8>,
    limit: usize,
    total: u64,
}

impl Tail {
    /// Keeps the last `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { kept: Vec::new(), limit, total: 0 }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.total += piece.len() as u64;
        self.kept.extend_from_slice(piece);
        // Cut only now and then: cutting moves everything.
        if self.kept.len() > 2 * self.limit + 4096 {
            self.kept.drain(..self.kept.len() - self.limit);
        }
    }

    /// The last bytes as text.
    #[must_use]
    pub fn into_text(self) -> String {
        let from = self.kept.len().saturating_sub(self.limit);
        String::from_utf8_lossy(&self.kept[from..]).into_owned()
    }

    /// The last bytes as text, with a note about what was cut off.
    #[must_use]
    pub fn into_noted_text(self) -> String {
        let (limit, total) = (self.limit, self.total);
        let kept = self.into_text();
        if total <= limit as u64 { kept } else { format!("Captured {limit} of {total} bytes\n...\n{kept}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_kept_whole() {
        assert_eq!(keep_first("abc", 3), "abc");
        let mut tail = Tail::new(3);
        tail.push(b"abc");
        assert_eq!(tail.into_noted_text(), "abc");
    }

    #[test]
    fn long_output_says_what_is_missing() {
        assert_eq!(keep_first("abcdef", 4), "abcd ... (captured 4 of 6 bytes)");
        assert_eq!(keep_first("aää", 2), "a ... (captured 2 of 5 bytes)");
        let mut tail = Tail::new(4);
        for _ in 0..10_000 {
            tail.push(b"ab");
        }
        tail.push(b"cdef");
        assert!(tail.kept.len() < 10_000);
        assert_eq!(tail.into_noted_text(), "Captured 4 of 20004 bytes\n...\ncdef");
    }
}
