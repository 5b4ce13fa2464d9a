//! Damping of checks that flap: each change of status costs a penalty that halves with time; while it is high, the worst
//! status since then is reported, so that an instance that comes and goes stays out until it is calm. Pure; off unless
//! `check_flap_half_life` is set.

use std::time::{Duration, Instant};

use model::Status;

/// Cost of one change.
const PER_CHANGE: f64 = 1.0;
/// From here on improvements are held back.
const HOLD_FROM: f64 = 2.5;
/// Below this they are let through again.
const RELEASE_BELOW: f64 = 1.5;
/// Highest penalty, so that a long time of flapping is forgotten as soon as a short one: within two half-lives.
const PENALTY_MAX: f64 = 6.0;

/// The memory of one check.
#[derive(Clone, Debug)]
pub struct Damper {
    half_life: Duration,
    penalty: f64,
    at: Instant,
    last: Option<Status>,
    /// The worst since improvements are held back; `None` while they are not.
    held: Option<Status>,
}

impl Damper {
    /// A check that never changed. Without a half-life everything is let through.
    #[must_use]
    pub fn new(half_life: Duration, now: Instant) -> Self {
        Self { half_life, penalty: 0.0, at: now, last: None, held: None }
    }

    /// What to report when the check has this status now.
    pub fn take(&mut self, status: Status, now: Instant) -> Status {
        if self.half_life.is_zero() {
            return status;
        }
        let halvings = now.saturating_duration_since(self.at).as_secs_f64() / self.half_life.as_secs_f64();
        self.at = now;
        self.penalty *= (-halvings).exp2();
        if self.last.replace(status).is_some_and(|last| last != status) {
            self.penalty = (self.penalty + PER_CHANGE).min(PENALTY_MAX);
        }
        if self.penalty >= HOLD_FROM || (self.held.is_some() && self.penalty >= RELEASE_BELOW) {
            let worst = self.held.unwrap_or(status).max(status);
            self.held = Some(worst);
            return worst;
        }
        self.held = None;
        status
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HALF_LIFE: Duration = Duration::from_secs(60);
    const STATUSES: [Status; 3] = [Status::Passing, Status::Warning, Status::Critical];

    #[test]
    fn a_flapping_check_stays_critical_until_it_is_calm() {
        let start = Instant::now();
        let mut damper = Damper::new(HALF_LIFE, start);
        let second = Duration::from_secs(1);
        let mut reported = Vec::new();
        for at in 0..6 {
            reported.push(damper.take(STATUSES[if at % 2 == 0 { 0 } else { 2 }], start + second * at));
        }
        let (good, bad) = (Status::Passing, Status::Critical);
        assert_eq!(reported, [good, bad, good, bad, bad, bad], "three changes are let through");
        assert_eq!(damper.take(good, start + HALF_LIFE), bad);
        assert_eq!(damper.take(good, start + 3 * HALF_LIFE), good);
    }

    proptest! {
        #[test]
        fn it_never_reports_better_than_the_truth_and_calms_down(
            history in prop::collection::vec((0usize..3, 1u64..120), 1..80),
            last in 0usize..3,
        ) {
            let mut now = Instant::now();
            let mut damper = Damper::new(HALF_LIFE, now);
            for (status, pause) in history {
                now += Duration::from_secs(pause);
                prop_assert!(damper.take(STATUSES[status], now) >= STATUSES[status]);
                prop_assert!((0.0..=PENALTY_MAX).contains(&damper.penalty));
            }
            damper.take(STATUSES[last], now);
            // Two half-lives bring the highest penalty down to the release, a moment more below it.
            now += HALF_LIFE * 2 + Duration::from_secs(1);
            prop_assert_eq!(damper.take(STATUSES[last], now), STATUSES[last]);
        }

        #[test]
        fn a_check_that_changes_seldom_is_never_held(statuses in prop::collection::vec(0usize..3, 1..40)) {
            let mut now = Instant::now();
            let mut damper = Damper::new(HALF_LIFE, now);
            for status in statuses {
                now += HALF_LIFE * 2;
                prop_assert_eq!(damper.take(STATUSES[status], now), STATUSES[status]);
            }
        }

        #[test]
        fn without_a_half_life_nothing_is_held(statuses in prop::collection::vec(0usize..3, 1..40)) {
            let now = Instant::now();
            let mut damper = Damper::new(Duration::ZERO, now);
            for status in statuses {
                prop_assert_eq!(damper.take(STATUSES[status], now), STATUSES[status]);
            }
        }
    }
}
