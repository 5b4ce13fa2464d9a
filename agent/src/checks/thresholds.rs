//! How many results in a row it takes to change a check's status.

use model::Status;

/// Counts results. Warnings count as good ones, as in Consul.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    success_before_passing: u32,
    failures_before_critical: u32,
    good: u32,
    bad: u32,
}

impl Thresholds {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(success_before_passing: u32, failures_before_critical: u32) -> Self {
        Self { success_before_passing, failures_before_critical, good: 0, bad: 0 }
    }

    /// Whether the result is to be reported.
    pub fn takes(&mut self, status: Status) -> bool {
        if status == Status::Critical {
            (self.good, self.bad) = (0, self.bad.saturating_add(1));
            self.bad >= self.failures_before_critical
        } else {
            (self.good, self.bad) = (self.good.saturating_add(1), 0);
            self.good >= self.success_before_passing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_thresholds_every_result_counts() {
        let mut thresholds = Thresholds::new(0, 0);
        assert!(thresholds.takes(Status::Critical) && thresholds.takes(Status::Passing));
    }

    #[test]
    fn results_count_only_in_a_row() {
        let mut thresholds = Thresholds::new(2, 3);
        let results = [Status::Critical, Status::Critical, Status::Passing, Status::Critical, Status::Critical];
        assert!(results.iter().all(|status| !thresholds.takes(*status)));
        assert!(thresholds.takes(Status::Critical));
        assert!(!thresholds.takes(Status::Passing));
        assert!(thresholds.takes(Status::Warning));
    }
}
