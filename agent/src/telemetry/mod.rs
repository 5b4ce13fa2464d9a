//! What the agent counts and measures of itself, under the names that dashboards made for Consul know.
//!
//! A [`Series`] is made once for a name and its labels and then costs one lock to record into. Values are kept for the
//! interval under way and the one before it (`/v1/agent/metrics`), and in all since the start (Prometheus). What can be
//! read at any time, as memory or the log's index, is not recorded but asked for when somebody looks ([`collect`]).
//! Before [`start`] nothing is recorded.

mod json;
mod limits;
mod names;
mod process;
mod prometheus;
mod quantiles;
mod registry;
mod series;
mod sinks;

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

pub use json::json;
pub use limits::INTERVAL;
pub use names::{Naming, PrefixFilter};
pub use process::collect_process;
pub use prometheus::{CONTENT_TYPE, text};
pub use registry::{Gauge, Registry};
pub use series::{Kind, Series};
pub use sinks::{Protocol, Sink, run_sink};

static REGISTRY: OnceLock<Registry> = OnceLock::new();

/// Starts recording. A second start in the same process (tests) keeps the first registry.
pub fn start(naming: Naming, retention: Duration) -> &'static Registry {
    REGISTRY.get_or_init(|| Registry::new(naming, retention))
}

/// The registry, once started.
#[must_use]
pub fn registry() -> Option<&'static Registry> {
    REGISTRY.get()
}

/// Names a function that is asked for gauges whenever somebody looks.
pub fn collect(source: impl Fn(&mut Vec<Gauge>) + Send + Sync + 'static) {
    if let Some(registry) = REGISTRY.get() {
        registry.add_source(Box::new(source));
    }
}

/// Counts one event of a name that has labels or is only known at run time.
pub fn count(name: &str, labels: &[(&'static str, &str)]) {
    record(Kind::Counter, name, labels, 1.0);
}

/// Records how long something took, in milliseconds, under a name that has labels or is only known at run time.
pub fn measure(name: &str, labels: &[(&'static str, &str)], took: Duration) {
    record(Kind::Sample, name, labels, milliseconds(took));
}

fn record(kind: Kind, name: &str, labels: &[(&'static str, &str)], value: f64) {
    if let Some(series) = REGISTRY.get().and_then(|registry| registry.series(kind, name, labels)) {
        series.record(value, SystemTime::now());
    }
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// A counter with a fixed name and no labels, for hot paths: `static WRITES: Counter = Counter::new("raft.apply")`.
pub struct Counter(Named);

impl Counter {
    /// A counter of that name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Named { name, kind: Kind::Counter, series: OnceLock::new() })
    }

    /// Counts one event.
    pub fn count(&self) {
        self.0.record(1.0);
    }
}

/// A measured time with a fixed name and no labels, for hot paths.
pub struct Timer(Named);

impl Timer {
    /// A timer of that name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Named { name, kind: Kind::Sample, series: OnceLock::new() })
    }

    /// Records the time since `started`, in milliseconds.
    pub fn since(&self, started: Instant) {
        self.0.record(milliseconds(started.elapsed()));
    }
}

struct Named {
    name: &'static str,
    kind: Kind,
    series: OnceLock<std::sync::Arc<Series>>,
}

impl Named {
    fn record(&self, value: f64) {
        let Some(registry) = REGISTRY.get() else { return };
        if self.series.get().is_none()
            && let Some(series) = registry.series(self.kind, self.name, &[])
        {
            // Another thread may have been first with the same series.
            let _ = self.series.set(series);
        }
        if let Some(series) = self.series.get() {
            series.record(value, SystemTime::now());
        }
    }
}
