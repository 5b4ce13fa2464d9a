//! How many results in a row it takes to change a check's status.

use model::Status;

use crate::local::Counts;

/// Counts results. Warnings count as good ones, as in Consul.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    counts: Counts,
    good: u32,
    bad: u32,
}

impl Thresholds {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(counts: Counts) -> Self {
        Self { counts, good: 0, bad: 0 }
    }

    /// The status to report after this result, if any.
    pub fn take(&mut self, status: Status) -> Option<Status> {
        if status == Status::Critical {
            (self.good, self.bad) = (0, self.bad.saturating_add(1));
            if self.bad >= self.counts.failures_before_critical {
                return Some(Status::Critical);
            }
            (self.bad >= self.counts.failures_before_warning).then_some(Status::Warning)
        } else {
            (self.good, self.bad) = (self.good.saturating_add(1), 0);
            (self.good >= self.counts.success_before_passing).then_some(status)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thresholds(
        success_before_passing: u32,
        failures_before_warning: u32,
        failures_before_critical: u32,
    ) -> Thresholds {
        Thresholds::new(Counts { success_before_passing, failures_before_warning, failures_before_critical })
    }

    #[test]
    fn results_count_only_in_a_row() {
        let mut counted = thresholds(2, 3, 3);
        let results = [Status::Critical, Status::Critical, Status::Passing, Status::Critical, Status::Critical];
        assert!(results.iter().all(|status| counted.take(*status).is_none()));
        assert_eq!(counted.take(Status::Critical), Some(Status::Critical));
        assert_eq!(counted.take(Status::Passing), None);
        assert_eq!(counted.take(Status::Warning), Some(Status::Warning));
    }

    #[test]
    fn failures_warn_before_they_are_critical() {
        let mut counted = thresholds(0, 1, 3);
        let reported: Vec<_> = (0..4).map(|_| counted.take(Status::Critical)).collect();
        let (warning, critical) = (Some(Status::Warning), Some(Status::Critical));
        assert_eq!(reported, [warning, warning, critical, critical]);
    }

    proptest! {
        /// What is reported is what the last results in a row say, counted from the whole history.
        #[test]
        fn it_reports_what_the_history_says(
            counts in (0u32..4, 0u32..4, 0u32..4),
            history in prop::collection::vec(0u8..3, 1..60),
        ) {
            let mut counted = thresholds(counts.0, counts.1.min(counts.2), counts.2);
            let statuses: Vec<_> =
                history.iter().map(|kind| [Status::Passing, Status::Warning, Status::Critical][usize::from(*kind)]).collect();
            for (at, status) in statuses.iter().enumerate() {
                let bad = |status: &Status| *status == Status::Critical;
                let run = statuses[..=at].iter().rev().take_while(|other| bad(other) == bad(status)).count() as u32;
                let expected = match status {
                    Status::Critical if run >= counts.2 => Some(Status::Critical),
                    Status::Critical => (run >= counts.1.min(counts.2)).then_some(Status::Warning),
                    good => (run >= counts.0).then_some(*good),
                };
                prop_assert_eq!(counted.take(*status), expected);
            }
        }
    }
}
