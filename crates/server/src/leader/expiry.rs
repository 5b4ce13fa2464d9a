//! When keys with a TTL are deleted.
//!
//! An entry says when it expires by the clock of the leader that wrote it; whoever leads then deletes it. A leader whose
//! clock is another does so earlier or later by the difference.

use std::time::Duration;

use model::Timestamp;
use state::{Command, View};

use crate::limits::{EXPIRED_KEYS_MAX, EXPIRY_WAIT_MAX};

/// What there is to do about keys that expire.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Propose this; there may be more after it.
    Delete(Box<Command>),
    /// Look again after this time, or when keys that expire have come or gone.
    Wait(Duration),
    /// Look again when keys that expire have come.
    Rest,
}

/// The next step at a time of the clock on the wall.
#[must_use]
pub fn step(view: &View, now: Timestamp) -> Step {
    match view.next_expiry() {
        None => Step::Rest,
        Some(next) if next <= now => Step::Delete(Box::new(Command::KvExpire { until: now, max: EXPIRED_KEYS_MAX })),
        Some(next) => Step::Wait(Duration::from_nanos(next.0 - now.0).min(EXPIRY_WAIT_MAX)),
    }
}
