//! One series: a name with labels, and what was recorded under it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::limits::INTERVAL;
use super::quantiles::Reservoir;
use super::sinks::Sender;

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Events.
    Counter,
    /// Values, mostly times in milliseconds.
    Sample,
}

/// A series. Shared by all who record into it.
pub struct Series {
    /// What is recorded.
    pub kind: Kind,
    /// Name without the prefix.
    pub name: String,
    /// Labels in the order given.
    pub labels: Vec<(&'static str, String)>,
    values: Mutex<Values>,
    admitted: AtomicBool,
    sinks: Sender,
}

/// Figures of some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// How many values.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_of_squares: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Figures {
    const NONE: Self = Self { count: 0, sum: 0.0, sum_of_squares: 0.0, min: 0.0, max: 0.0 };

    fn add(&mut self, value: f64) {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = if self.count == 0 { value } else { self.max.max(value) };
        self.count += 1;
        self.sum += value;
        self.sum_of_squares += value * value;
    }

    /// The mean, 0 of no values.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// The sample's standard deviation, 0 of fewer than two values.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let count = self.count as f64;
        let variance = (count * self.sum_of_squares - self.sum * self.sum) / (count * (count - 1.0));
        variance.max(0.0).sqrt()
    }
}

struct Values {
    total: Figures,
    window: Window,
    before: Option<Window>,
}

/// What was recorded in one interval, counted from the epoch.
#[derive(Clone)]
struct Window {
    interval: u64,
    figures: Figures,
    values: Reservoir,
}

impl Window {
    fn new(interval: u64) -> Self {
        Self { interval, figures: Figures::NONE, values: Reservoir::new(interval) }
    }
}

/// The number of the interval in which a time lies.
#[must_use]
pub fn interval_of(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / INTERVAL.as_secs())
}

impl Series {
    pub(super) fn new(kind: Kind, name: &str, labels: Vec<(&'static str, String)>, sinks: Sender) -> Self {
        let values = Values { total: Figures::NONE, window: Window::new(0), before: None };
        Self { kind, name: name.to_owned(), labels, values: Mutex::new(values), admitted: AtomicBool::new(true), sinks }
    }

    /// Whether the rules let it be recorded.
    pub(super) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Relaxed)
    }

    pub(super) fn admit(&self, admitted: bool) {
        self.admitted.store(admitted, Ordering::Relaxed);
    }

    /// Records one value.
    pub fn record(&self, value: f64, now: SystemTime) {
        if !self.is_admitted() {
            return;
        }
        let interval = interval_of(now);
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.window.interval != interval {
            let old = std::mem::replace(&mut values.window, Window::new(interval));
            values.before = Some(old);
        }
        values.total.add(value);
        values.window.figures.add(value);
        if self.kind == Kind::Sample {
            values.window.values.add(value);
        }
        drop(values);
        self.sinks.send(self, value);
    }

    /// Figures of one interval, if anything was recorded in it and it is not too long ago.
    #[must_use]
    pub fn figures(&self, interval: u64) -> Option<Figures> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let windows = [Some(&values.window), values.before.as_ref()];
        let found = windows.into_iter().flatten().find(|window| window.interval == interval)?;
        (found.figures.count > 0).then_some(found.figures)
    }

    /// Figures since the start.
    #[must_use]
    pub fn total(&self) -> Figures {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Quantiles over the interval under way, or the one before it when there is nothing yet; NaN when both are empty.
    #[must_use]
    pub fn quantiles(&self, shares: &[f64], now: SystemTime) -> Vec<f64> {
        let interval = interval_of(now);
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = [Some(&values.window), values.before.as_ref()];
        let window = recent.into_iter().flatten().find(|window| window.interval + 1 >= interval);
        shares.iter().map(|share| window.map_or(f64::NAN, |window| window.values.quantile(*share))).collect()
    }

    /// When it was last recorded into, as an interval.
    #[must_use]
    pub fn last_interval(&self) -> u64 {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).window.interval
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_interval_keeps_its_figures_until_the_one_after_the_next() {
        let series = Series::new(Kind::Sample, "a", Vec::new(), Sender::default());
        for (second, value) in [(100, 1.0), (109, 3.0), (110, 10.0)] {
            series.record(value, at(second));
        }
        let first = series.figures(10).unwrap();
        assert_eq!((first.count, first.sum, first.min, first.max, first.mean()), (2, 4.0, 1.0, 3.0, 2.0));
        assert!((first.deviation() - std::f64::consts::SQRT_2).abs() < 1e-9);
        assert_eq!(series.figures(11).unwrap().count, 1);
        assert_eq!((series.figures(12), series.total().count), (None, 3));
        series.record(1.0, at(300));
        assert_eq!((series.figures(10), series.last_interval()), (None, 30));
    }

    #[test]
    fn quantiles_are_of_recent_values_only() {
        let series = Series::new(Kind::Sample, "a", Vec::new(), Sender::default());
        series.record(5.0, at(100));
        assert_eq!(series.quantiles(&[0.5], at(115)), [5.0]);
        assert!(series.quantiles(&[0.5], at(200))[0].is_nan());
    }
}
