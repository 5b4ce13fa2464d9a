//! All series, found by kind, name and labels, and the sources of gauges.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::limits::{LABEL_CHARS_MAX, SERIES_MAX};
use super::names::{Naming, PrefixFilter};
use super::series::{Kind, Series};
use super::sinks::Sender;

/// A value that is read when somebody looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// Name without prefix and host name.
    pub name: String,
    /// Its value now.
    pub value: f64,
    /// Labels.
    pub labels: Vec<(&'static str, String)>,
}

impl Gauge {
    /// A gauge without labels.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value, labels: Vec::new() }
    }
}

/// Gives gauges.
pub(super) type Source = Box<dyn Fn(&mut Vec<Gauge>) + Send + Sync>;

type Key = (Kind, String, Vec<(&'static str, String)>);

/// All that is recorded.
pub struct Registry {
    naming: Naming,
    filter: ArcSwap<PrefixFilter>,
    retention: Duration,
    series: RwLock<HashMap<Key, Arc<Series>>>,
    sources: Mutex<Vec<Source>>,
    dropped: AtomicU64,
    sinks: Sender,
}

impl Registry {
    /// An empty registry. `retention` is how long Prometheus is shown a series without news; zero turns it off.
    #[must_use]
    pub fn new(naming: Naming, retention: Duration) -> Self {
        Self {
            filter: ArcSwap::from_pointee(naming.filter.clone()),
            naming,
            retention,
            series: RwLock::default(),
            sources: Mutex::default(),
            dropped: AtomicU64::new(0),
            sinks: Sender::default(),
        }
    }

    /// How names are made.
    #[must_use]
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// How long Prometheus is shown a series without news; zero when the format is off.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// Takes other rules on what is recorded.
    pub fn set_filter(&self, filter: PrefixFilter) {
        self.filter.store(Arc::new(filter));
        for series in self.series.read().unwrap_or_else(PoisonError::into_inner).values() {
            series.admit(self.admits(&series.name));
        }
    }

    fn admits(&self, name: &str) -> bool {
        self.filter.load().admits(&self.naming.full(name, false))
    }

    /// The way to the sinks.
    pub(super) fn sinks(&self) -> &Sender {
        &self.sinks
    }

    pub(super) fn add_source(&self, source: Source) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// The series of a name with labels; none when the settings leave the name out or there are too many series.
    pub fn series(&self, kind: Kind, name: &str, labels: &[(&'static str, &str)]) -> Option<Arc<Series>> {
        let labels = labels.iter().map(|(key, value)| (*key, cut(value))).collect::<Vec<_>>();
        let key = (kind, name.to_owned(), labels);
        if let Some(series) = self.series.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(series.clone());
        }
        if !self.admits(name) {
            return None;
        }
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SERIES_MAX && !all.contains_key(&key) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let make = || Arc::new(Series::new(kind, name, key.2.clone(), self.sinks.clone()));
        Some(all.entry(key.clone()).or_insert_with(make).clone())
    }

    /// All series by name and labels.
    #[must_use]
    pub fn all_series(&self) -> Vec<Arc<Series>> {
        let all = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = all.values().filter(|series| series.is_admitted()).cloned().collect();
        drop(all);
        list.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        list
    }

    /// All gauges now, by name.
    #[must_use]
    pub fn gauges(&self) -> Vec<Gauge> {
        let mut gauges = Vec::new();
        for source in self.sources.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            source(&mut gauges);
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            gauges.push(Gauge::new("telemetry.dropped_records", dropped as f64));
        }
        gauges.retain(|gauge| self.admits(&gauge.name));
        gauges.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        gauges
    }
}

fn cut(value: &str) -> String {
    value.chars().take(LABEL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn one_series_for_one_name_and_labels() {
        let registry = Registry::new(Naming::default(), Duration::ZERO);
        for service in ["a", "b", "a"] {
            let series = registry.series(Kind::Counter, "health.service.query", &[("service", service)]).unwrap();
            series.record(1.0, SystemTime::now());
        }
        let totals: Vec<u64> = registry.all_series().iter().map(|series| series.total().count).collect();
        assert_eq!(totals, [2, 1]);
    }

    #[test]
    fn other_rules_hold_from_now_on() {
        let registry = Registry::new(Naming::default(), Duration::ZERO);
        let series = registry.series(Kind::Counter, "raft.apply", &[]).unwrap();
        series.record(1.0, SystemTime::now());
        registry.set_filter(PrefixFilter::parse(&["-consul.raft".to_owned()], true).0);
        series.record(1.0, SystemTime::now());
        assert!(registry.all_series().is_empty() && registry.series(Kind::Counter, "raft.x", &[]).is_none());
        registry.set_filter(PrefixFilter::default());
        assert_eq!(registry.all_series()[0].total().count, 1);
    }

    #[test]
    fn series_are_bounded_and_what_is_dropped_is_told() {
        let registry = Registry::new(Naming::default(), Duration::ZERO);
        for number in 0..=SERIES_MAX {
            registry.series(Kind::Counter, "x", &[("n", &number.to_string())]);
        }
        assert_eq!(registry.all_series().len(), SERIES_MAX);
        assert_eq!(registry.gauges(), [Gauge::new("telemetry.dropped_records", 1.0)]);
    }
}
