//! Lifeguard's self-doubt: a node that misses answers it should have had waits longer before it
//! accuses others.

use std::time::Duration;

/// Health score of this node: 0 is well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awareness {
    score: u32,
    max: u32,
}

impl Awareness {
    pub(crate) fn new(max: u32) -> Awareness {
        Awareness { score: 0, max: max.max(1) }
    }

    pub(crate) fn score(self) -> u32 {
        self.score
    }

    pub(crate) fn worsen(&mut self, by: u32) {
        self.score = (self.score + by).min(self.max - 1);
    }

    pub(crate) fn improve(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    pub(crate) fn scale(self, duration: Duration) -> Duration {
        duration * (self.score + 1)
    }
}
