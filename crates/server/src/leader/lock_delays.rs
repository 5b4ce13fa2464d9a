//! When lock-delays are over.
//!
//! The state tells at which index a delay began; each server remembers when it first saw that index. A server that was
//! started later has seen it later, so that a delay may last longer than asked for but never shorter.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::LockDelay;
use state::{Command, Source, Table, View};

use crate::limits::{LOCK_DELAY_GRANULARITY, LOCK_DELAY_KEPT};

/// One server's memory of when lock-delays began.
#[derive(Debug, Default)]
pub struct LockClock(Mutex<VecDeque<Seen>>);

/// Delays up to an index had begun by then; both rise.
#[derive(Clone, Copy, Debug)]
struct Seen {
    index: u64,
    at: Duration,
}

impl LockClock {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn seen(&self) -> MutexGuard<'_, VecDeque<Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for new delays; call it whenever there are some. `now` is any clock that only rises.
    pub fn observe(&self, now: Duration, view: &View) {
        let newest = view.index_of(Source::Tables(&[Table::LockDelays]));
        let mut seen = self.seen();
        // What was seen long ago is over, whatever delay it was.
        while seen.front().is_some_and(|first| first.at + LOCK_DELAY_KEPT < now) && seen.len() > 1 {
            seen.pop_front();
        }
        let before = seen.len().checked_sub(2).and_then(|at| seen.get(at)).map_or(Duration::ZERO, |seen| seen.at);
        match seen.back_mut() {
            Some(last) if last.index >= newest => {}
            // Moved to the later time, which makes the delays before it a little longer.
            Some(last) if now < before + LOCK_DELAY_GRANULARITY => *last = Seen { index: newest, at: now },
            _ => seen.push_back(Seen { index: newest, at: now }),
        }
    }

    /// Whether a delay is over.
    #[must_use]
    pub fn is_over(&self, now: Duration, delay: &LockDelay) -> bool {
        let seen = self.seen();
        let first = seen.partition_point(|seen| seen.index < delay.index);
        seen.get(first).is_some_and(|seen| seen.at + Duration::from_nanos(delay.nanos) <= now)
    }

    /// The command that forgets delays which are over for certain, when there are any.
    #[must_use]
    pub fn reap(&self, now: Duration, view: &View) -> Option<Command> {
        let oldest = view.lock_delays().map(|delay| delay.index).min()?;
        let seen = self.seen();
        let long_ago = seen.iter().take_while(|seen| seen.at + LOCK_DELAY_KEPT <= now).last()?;
        (long_ago.index >= oldest).then_some(Command::ReapLockDelays { index: long_ago.index })
    }
}
