//! When the certificates that this agent shows expire: a metric and a warning in time.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::tls::Validity;

/// Below this a warning comes, unless less than [`SHARE_LEFT`] of the whole time is left before.
const WARN_BELOW: Duration = Duration::from_hours(28 * 24);
/// Of certificates that live for days only.
const SHARE_LEFT: f64 = 0.4;
/// Time between two warnings.
const WARN_INTERVAL: Duration = Duration::from_hours(1);

/// A certificate that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its file.
    pub file: PathBuf,
    /// When it is valid.
    pub time: Validity,
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}

/// What is left of the one that expires first.
pub(super) fn soonest(shown: &[Shown]) -> Option<Duration> {
    let now = now();
    shown.iter().map(|it| it.time.left(now)).min()
}

/// Whether somebody should do something.
fn is_near(time: Validity, now: i64) -> bool {
    time.left(now) < WARN_BELOW.min(time.length().mul_f64(SHARE_LEFT))
}

/// Warns, once an hour. `warned` is when that was last.
pub(super) fn warn(shown: &[Shown], warned: &mut Option<Instant>) {
    if warned.is_some_and(|at| at.elapsed() < WARN_INTERVAL) {
        return;
    }
    let now = now();
    for Shown { file, time } in shown.iter().filter(|it| is_near(it.time, now)) {
        *warned = Some(Instant::now());
        let left = humantime::format_duration(time.left(now));
        tracing::warn!(target: "agent::tls", file = %file.display(), %left, "the certificate expires soon; put a new one into the file");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lives_warn_a_month_before_and_short_ones_in_their_last_part() {
        let day = 86_400;
        let years = Validity { from: 0, until: 1000 * day };
        assert!(!is_near(years, 900 * day) && is_near(years, 980 * day) && is_near(years, 2000 * day));
        let days = Validity { from: 0, until: 3 * day };
        assert!(!is_near(days, day) && is_near(days, 2 * day));
    }
}
