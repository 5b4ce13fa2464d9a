//! Tells a person how far a long transfer is; scripts see nothing of it.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Time between two lines; what is done before that says nothing at all.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts bytes.
pub struct Progress {
    verb: &'static str,
    is_shown: bool,
    bytes: u64,
    total: Option<u64>,
    next: Instant,
}

impl Progress {
    /// Begins; `total` when it is known.
    pub fn new(verb: &'static str, total: Option<u64>) -> Self {
        let is_shown = std::io::stderr().is_terminal();
        Self { verb, is_shown, bytes: 0, total, next: Instant::now() + INTERVAL }
    }

    /// Notes bytes that were moved.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if !self.is_shown || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + INTERVAL;
        let of = self.total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
        // Where nobody can see it, it need not be said.
        let _ = writeln!(std::io::stderr(), "    {} {}{of}", self.verb, size(self.bytes));
    }
}

/// Bytes for people: `512B`, `3.4KB`, `12MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = format!("{value:.1}");
    format!("{}{}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_for_people() {
        let cases = [(0, "0B"), (1023, "1023B"), (1024, "1KB"), (3482, "3.4KB"), (5 << 30, "5GB"), (9 << 40, "9216GB")];
        for (bytes, text) in cases {
            assert_eq!(super::size(bytes), text);
        }
    }
}
