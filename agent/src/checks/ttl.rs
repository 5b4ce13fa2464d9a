//! TTL checks: critical unless someone says otherwise in time. The time is an argument.

use std::time::{Duration, Instant};

/// The clock of one TTL check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttl {
    ttl: Duration,
    /// `None` after it lapsed, until the next update.
    deadline: Option<Instant>,
    last_output: String,
}

impl Ttl {
    /// A clock that starts now.
    #[must_use]
    pub fn new(ttl: Duration, now: Instant) -> Self {
        Self { ttl, deadline: Some(now + ttl), last_output: String::new() }
    }

    /// Begins the time anew. Returns the TTL.
    pub fn refresh(&mut self, output: &str, now: Instant) -> Duration {
        self.deadline = Some(now + self.ttl);
        output.clone_into(&mut self.last_output);
        self.ttl
    }

    /// When it lapses, if it has not already.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The output of the lapse, once, if the time is over.
    pub fn lapse(&mut self, now: Instant) -> Option<String> {
        self.deadline.take_if(|deadline| *deadline <= now)?;
        Some(if self.last_output.is_empty() {
            "TTL expired".to_owned()
        } else {
            format!("TTL expired (last output before timeout follows): {}", self.last_output)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);

    #[test]
    fn it_lapses_once_and_only_after_its_time() {
        let start = Instant::now();
        let mut ttl = Ttl::new(TTL, start);
        assert_eq!(ttl.lapse(start + TTL - Duration::from_millis(1)), None);
        assert_eq!(ttl.lapse(start + TTL), Some("TTL expired".to_owned()));
        assert_eq!(ttl.lapse(start + 2 * TTL), None);
        assert_eq!(ttl.deadline(), None);
    }

    #[test]
    fn an_update_begins_the_time_anew_and_is_quoted_when_it_lapses() {
        let start = Instant::now();
        let mut ttl = Ttl::new(TTL, start);
        assert_eq!(ttl.refresh("last", start + TTL / 2), TTL);
        assert_eq!(ttl.lapse(start + TTL), None);
        let text = ttl.lapse(start + TTL + TTL / 2);
        assert_eq!(text.as_deref(), Some("TTL expired (last output before timeout follows): last"));
        ttl.refresh("", start + 2 * TTL);
        assert_eq!(ttl.lapse(start + 3 * TTL).as_deref(), Some("TTL expired"));
    }
}
