//! Runs health checks: one file per kind, one map of running checks.
//!
//! TTL checks share one task that sleeps until the earliest of them lapses; every other check is a task of its own.
//! Results go to [`LocalAgent`], which owns the runner.

mod alias;
mod http;
pub mod output;
mod script;
mod tcp;
mod thresholds;
mod ttl;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use model::{CheckId, ServiceId, Status};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use crate::local::limits::CONCURRENT_CHECKS_MAX;
use crate::local::{CheckSpec, HttpProbe, LocalAgent, Probe, Timing};
use thresholds::Thresholds;
use ttl::Ttl;

/// The result of one run of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its status.
    pub status: Status,
    /// What is to be shown.
    pub output: String,
}

/// The checks that are running.
pub struct Runner {
    local: Weak<LocalAgent>,
    running: Mutex<BTreeMap<CheckId, Running>>,
    /// A TTL check began that may lapse before all others.
    ttl_began: Notify,
    /// Checks that may run at the same moment.
    turns: Arc<Semaphore>,
    generation: AtomicU64,
}

enum Running {
    Ttl(Ttl),
    /// The number tells results of this task from those of one that it replaced.
    Task(u64, #[expect(dead_code, reason = "held for its drop, which ends the task")] AbortOnDropHandle<()>),
}

/// Something that is run every so often.
enum Action {
    Http(HttpProbe),
    Tcp(String),
    Script(Vec<String>),
}

impl Runner {
    /// A runner that reports to `local`.
    #[must_use]
    pub fn new(local: Weak<LocalAgent>) -> Self {
        Self {
            local,
            running: Mutex::default(),
            ttl_began: Notify::new(),
            turns: Arc::new(Semaphore::new(CONCURRENT_CHECKS_MAX)),
            generation: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CheckId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a check, in place of one with the same id. Must be called in a runtime.
    pub fn start(&self, id: &CheckId, spec: &CheckSpec, output_max: usize, now: Instant) {
        let running = match spec.probe() {
            Ok(Probe::Ttl(ttl)) => Running::Ttl(Ttl::new(ttl, now)),
            Ok(Probe::Http(request, timing)) => self.spawn(id, Action::Http(request), timing, output_max),
            Ok(Probe::Tcp(address, timing)) => self.spawn(id, Action::Tcp(address), timing, output_max),
            Ok(Probe::Script(args, timing)) => self.spawn(id, Action::Script(args), timing, output_max),
            Ok(Probe::Alias { service, .. }) => self.spawn_alias(id, service),
            Err(error) => {
                tracing::warn!(target: "agent::checks", check = %id, %error, "a check cannot be run");
                return self.stop(id);
            }
        };
        let is_ttl = matches!(running, Running::Ttl(_));
        self.lock().insert(id.clone(), running);
        if is_ttl {
            self.ttl_began.notify_one();
        }
    }

    fn spawn(&self, id: &CheckId, action: Action, timing: Timing, output_max: usize) -> Running {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        let (local, turns, id) = (self.local.clone(), Arc::clone(&self.turns), id.clone());
        let task = async move {
            // Spread the first runs, so that a restarted agent does not run all its checks at once.
            tokio::time::sleep(timing.interval.mul_f64(rand::random())).await;
            let mut thresholds = Thresholds::new(timing.success_before_passing, timing.failures_before_critical);
            loop {
                let outcome = {
                    let Ok(_turn) = turns.acquire().await else { return };
                    action.run(timing.timeout, output_max).await
                };
                let Some(local) = local.upgrade() else { return };
                if thresholds.takes(outcome.status) {
                    local.report(&id, generation, &outcome);
                }
                drop(local);
                tokio::time::sleep(timing.interval).await;
            }
        };
        Running::Task(generation, AbortOnDropHandle::new(tokio::spawn(task)))
    }

    fn spawn_alias(&self, id: &CheckId, service: ServiceId) -> Running {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        let (local, id) = (self.local.clone(), id.clone());
        let task = async move {
            let Some(mut changes) = local.upgrade().map(|local| local.watch()) else { return };
            changes.mark_changed();
            while changes.changed().await.is_ok() {
                let Some(local) = local.upgrade() else { return };
                let outcome = local.with_registry(|registry| {
                    alias::evaluate(&id, &service, registry.checks().values().map(|entry| &*entry.check))
                });
                local.report(&id, generation, &outcome);
            }
        };
        Running::Task(generation, AbortOnDropHandle::new(tokio::spawn(task)))
    }

    /// Whether a task of this generation still runs the check.
    #[must_use]
    pub fn is_current(&self, id: &CheckId, generation: u64) -> bool {
        matches!(self.lock().get(id), Some(Running::Task(current, _)) if *current == generation)
    }

    /// Stops a check, if it runs.
    pub fn stop(&self, id: &CheckId) {
        self.lock().remove(id);
    }

    /// Begins the time of a TTL check anew; `None` if it is not one.
    pub fn refresh_ttl(&self, id: &CheckId, output: &str, now: Instant) -> Option<Duration> {
        match self.lock().get_mut(id)? {
            Running::Ttl(ttl) => Some(ttl.refresh(output, now)),
            Running::Task(..) => None,
        }
    }

    /// Numbers of TTL checks and of all others that run.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let running = self.lock();
        let ttls = running.values().filter(|running| matches!(running, Running::Ttl(_))).count();
        (ttls, running.len() - ttls)
    }

    /// Makes TTL checks critical when their time is over. Runs until dropped.
    pub async fn lapse_ttls(&self) {
        loop {
            match self.lapse_due(Instant::now()) {
                Some(next) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(next.into()) => {}
                        () = self.ttl_began.notified() => {}
                    }
                }
                None => self.ttl_began.notified().await,
            }
        }
    }

    /// Reports the lapsed checks and returns when the next one lapses.
    fn lapse_due(&self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut lapsed = Vec::new();
        for (id, running) in self.lock().iter_mut() {
            let Running::Ttl(ttl) = running else { continue };
            if let Some(text) = ttl.lapse(now) {
                lapsed.push((id.clone(), text));
            } else if let Some(deadline) = ttl.deadline() {
                next = Some(next.map_or(deadline, |earlier| earlier.min(deadline)));
            }
        }
        if let Some(local) = self.local.upgrade() {
            for (id, text) in lapsed {
                tracing::warn!(target: "agent::checks", check = %id, "missed its TTL, is now critical");
                local.set_result(&id, Status::Critical, &text);
            }
        }
        next
    }
}

impl Action {
    async fn run(&self, timeout: Duration, output_max: usize) -> Outcome {
        match self {
            Self::Http(request) => http::run(request, timeout, output_max).await,
            Self::Tcp(address) => tcp::run(address, timeout).await,
            Self::Script(args) => script::run(args, timeout, output_max).await,
        }
    }
}

/// Connects to a host by name or address; the error is worded as Go words it.
async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = tokio::net::lookup_host((host, port)).await;
    let mut addresses = addresses.map_err(|_| format!("dial tcp: lookup {host}: no such host"))?.peekable();
    if addresses.peek().is_none() {
        return Err(format!("dial tcp: lookup {host}: no such host"));
    }
    let mut first = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => first = first.or(Some(format!("dial tcp {address}: connect: {}", reason(&error)))),
        }
    }
    Err(first.unwrap_or_default())
}

/// The system's words, without the number that Rust adds.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
