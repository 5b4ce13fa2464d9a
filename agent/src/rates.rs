//! How many requests may go per second: to the servers from this agent (`limits.rpc_rate`), and to this server from all
//! (`limits.request_limits`). A reload changes the rates.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use config::{Limits, RequestLimits};
use server::request::{Action, ErrorKind, Request, RequestError};

/// Requests that may come at once, as a multiple of those per second, where nothing else is said.
const BURST_FACTOR: f64 = 10.0;

/// A bucket that fills at a rate; each request takes one out.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    size: f64,
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    fn new(rate: f64, size: f64, now: Instant) -> Self {
        Self { rate, size, level: Mutex::new((size, now)) }
    }

    /// Takes one, if there is one.
    fn take(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let came = now.saturating_duration_since(level.1).as_secs_f64() * self.rate;
        *level = ((level.0 + came).min(self.size), now);
        let has_one = level.0 >= 1.0;
        if has_one {
            level.0 -= 1.0;
        }
        has_one
    }
}

#[derive(Debug, Default)]
struct Buckets {
    to_servers: Option<Bucket>,
    reads: Option<Bucket>,
    writes: Option<Bucket>,
    /// Whether too many reads and writes are refused; otherwise they are only told.
    enforce: bool,
}

impl Buckets {
    fn new(limits: &Limits, now: Instant) -> Self {
        let bucket = |rate: Option<f64>| rate.map(|rate| Bucket::new(rate, (rate * BURST_FACTOR).max(1.0), now));
        let RequestLimits { enforce, read_rate, write_rate } =
            limits.requests.unwrap_or(RequestLimits { enforce: false, read_rate: None, write_rate: None });
        Self {
            to_servers: limits.rpc_rate.map(|rate| Bucket::new(rate, f64::from(limits.rpc_max_burst), now)),
            reads: bucket(read_rate),
            writes: bucket(write_rate),
            enforce,
        }
    }
}

/// The rates in force.
#[derive(Debug, Default)]
pub struct Rates(ArcSwap<Buckets>);

impl Rates {
    /// Rates of a configuration.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self(ArcSwap::from_pointee(Buckets::new(limits, Instant::now())))
    }

    /// Takes other rates; all buckets are full again.
    pub fn configure(&self, limits: &Limits) {
        self.0.store(std::sync::Arc::new(Buckets::new(limits, Instant::now())));
    }

    /// Before this agent asks a server.
    ///
    /// # Errors
    /// When it has asked too much.
    pub fn before_sending(&self) -> Result<(), RequestError> {
        if self.0.load().to_servers.as_ref().is_none_or(|bucket| bucket.take(Instant::now())) {
            return Ok(());
        }
        crate::telemetry::count("client.rpc.exceeded", &[]);
        Err(RequestError::new(ErrorKind::Busy, "RPC rate limit exceeded"))
    }

    /// Before this server works on a request.
    ///
    /// # Errors
    /// When all clients together have asked too much.
    pub fn before_answering(&self, request: &Request) -> Result<(), RequestError> {
        let buckets = self.0.load();
        let (kind, bucket) = match &request.action {
            Action::Read(..) => ("read", &buckets.reads),
            Action::Write(_) => ("write", &buckets.writes),
            // Who leads and how the servers are must be known in a flood above all.
            Action::Cluster(_) => return Ok(()),
        };
        if bucket.as_ref().is_none_or(|bucket| bucket.take(Instant::now())) {
            return Ok(());
        }
        let mode = if buckets.enforce { "enforcing" } else { "permissive" };
        crate::telemetry::count("rpc.rate_limit.exceeded", &[("limit_type", kind), ("mode", mode)]);
        tracing::debug!(target: "agent::server", kind, mode, "RPC exceeded allowed rate limit");
        if !buckets.enforce {
            return Ok(());
        }
        let text = "rate limit exceeded, try again later or against a different server";
        Err(RequestError::new(ErrorKind::Busy, text))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_lets_its_size_through_at_once_and_its_rate_after_that() {
        let start = Instant::now();
        let bucket = Bucket::new(2.0, 3.0, start);
        let taken = |at: Instant| (0..10).filter(|_| bucket.take(at)).count();
        assert_eq!(taken(start), 3);
        assert_eq!(taken(start + Duration::from_millis(499)), 0);
        assert_eq!(taken(start + Duration::from_millis(1000)), 2);
        assert_eq!(taken(start + Duration::from_hours(1)), 3, "it does not grow beyond its size");
        assert_eq!(taken(start), 0, "time that runs backwards fills nothing");
    }

    #[test]
    fn a_rate_of_zero_stops_all() {
        let now = Instant::now();
        let bucket = Bucket::new(0.0, 0.0, now);
        assert!(!bucket.take(now + Duration::from_hours(1)));
    }
}
