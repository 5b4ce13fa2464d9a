//! When to forget deleted keys: a quarter of an hour after their deletion, in groups of half a minute.
//!
//! The leader remembers when it first saw an index of tombstones. A new leader starts counting anew, so tombstones may
//! live longer than that but never shorter.

use std::collections::VecDeque;
use std::time::Duration;

use state::{Command, View};

use crate::limits::{TOMBSTONE_GRANULARITY, TOMBSTONE_TTL};

/// The leader's memory of when tombstones were made. Make a new one with each leadership.
#[derive(Debug, Default)]
pub struct TombstoneReaper {
    /// When the tombstones up to an index are due; both rise.
    groups: VecDeque<(Duration, u64)>,
}

impl TombstoneReaper {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the tombstones; call it every few seconds. `now` is any clock that only rises. Returns the command to
    /// propose when some are due; if the proposal fails, they are due again at the next call.
    pub fn tick(&mut self, now: Duration, view: &View) -> Option<Command> {
        let newest = view.tombstones_index();
        if newest == 0 {
            self.groups.clear();
            return None;
        }
        let due = round_up(now + TOMBSTONE_TTL);
        match self.groups.back_mut() {
            Some((when, index)) if *when >= due => *index = newest.max(*index),
            Some((_, index)) if *index >= newest => {}
            _ => self.groups.push_back((due, newest)),
        }
        // All but the last of those that are due: they are covered by the last one, which stays until it is reaped.
        while self.groups.get(1).is_some_and(|(when, _)| *when <= now) {
            self.groups.pop_front();
        }
        let (when, index) = *self.groups.front()?;
        if when > now {
            return None;
        }
        if view.oldest_tombstone().is_none_or(|oldest| oldest > index) {
            self.groups.pop_front();
            return None;
        }
        Some(Command::ReapTombstones { index })
    }
}

fn round_up(time: Duration) -> Duration {
    let step = TOMBSTONE_GRANULARITY.as_millis();
    let rounded = time.as_millis().div_ceil(step) * step;
    Duration::from_millis(u64::try_from(rounded).unwrap_or(u64::MAX))
}
