//! Logical time: larger than anything seen.

use crate::wire::serf::LTime;

/// A Lamport clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LamportClock(LTime);

impl LamportClock {
    pub(crate) fn new() -> LamportClock {
        LamportClock(1)
    }

    pub(crate) fn time(self) -> LTime {
        self.0
    }

    /// Takes the current time for a new message and moves on.
    pub(crate) fn tick(&mut self) -> LTime {
        let now = self.0;
        self.0 = self.0.saturating_add(1);
        now
    }

    /// Moves past a time seen in a message.
    pub(crate) fn witness(&mut self, seen: LTime) {
        if seen >= self.0 {
            self.0 = seen.saturating_add(1);
        }
    }
}
