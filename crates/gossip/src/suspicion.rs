//! How long a suspect may stay silent: starts long, and shrinks with each independent accuser.

use crate::time::Time;
use std::collections::BTreeSet;
use std::time::Duration;

/// The timer of one suspect.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    started: Time,
    min: Duration,
    max: Duration,
    /// Accusers beyond the first that bring the timer down to `min`.
    wanted: usize,
    accusers: BTreeSet<String>,
}

impl Suspicion {
    pub(crate) fn new(now: Time, from: &str, wanted: usize, min: Duration, max: Duration) -> Suspicion {
        Suspicion { started: now, min, max, wanted, accusers: BTreeSet::from([from.to_owned()]) }
    }

    /// True when `from` is news and the timer may be shorter now; worth passing on.
    pub(crate) fn confirm(&mut self, from: &str) -> bool {
        self.accusers.len() <= self.wanted && self.accusers.insert(from.to_owned())
    }

    pub(crate) fn deadline(&self) -> Time {
        if self.wanted == 0 {
            return self.started + self.min;
        }
        let confirmations = (self.accusers.len() - 1) as f64;
        let share = (confirmations + 1.0).ln() / (self.wanted as f64 + 1.0).ln();
        let span = self.max.saturating_sub(self.min);
        self.started + self.max.saturating_sub(span.mul_f64(share.clamp(0.0, 1.0))).max(self.min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmations_shorten_the_wait_down_to_the_minimum() {
        let (min, max) = (Duration::from_secs(2), Duration::from_secs(30));
        let mut suspicion = Suspicion::new(Time::ZERO, "a", 3, min, max);
        assert_eq!(suspicion.deadline().as_duration().as_secs(), 30);
        assert!(!suspicion.confirm("a"), "the first accuser is no confirmation");
        let expected = [16, 7, 2];
        for (from, seconds) in ["b", "c", "d"].into_iter().zip(expected) {
            assert!(suspicion.confirm(from));
            assert_eq!(suspicion.deadline().as_duration().as_secs(), seconds);
        }
        assert!(!suspicion.confirm("e"), "enough accusers");
    }
}
