//! Runs health checks: one file per kind, one map of running checks.
//!
//! TTL checks share one task that sleeps until the earliest of them lapses; every other check is a task of its own.
//! Results go to [`LocalAgent`], which owns the runner.

pub mod output;
mod ttl;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use model::{CheckId, Status};
use tokio::sync::Notify;

use crate::local::{CheckSpec, LocalAgent, Probe};
use ttl::Ttl;

/// The checks that are running.
pub struct Runner {
    local: Weak<LocalAgent>,
    running: Mutex<BTreeMap<CheckId, Running>>,
    /// A TTL check began that may lapse before all others.
    ttl_began: Notify,
}

enum Running {
    Ttl(Ttl),
}

impl Runner {
    /// A runner that reports to `local`.
    #[must_use]
    pub fn new(local: Weak<LocalAgent>) -> Self {
        Self { local, running: Mutex::default(), ttl_began: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CheckId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a check, in place of one with the same id.
    pub fn start(&self, id: &CheckId, spec: &CheckSpec, now: Instant) {
        let running = match spec.probe() {
            Ok(Probe::Ttl(ttl)) => Some(Running::Ttl(Ttl::new(ttl, now))),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(target: "agent.checks", check = %id, %error, "a check cannot be run");
                None
            }
        };
        match running {
            Some(running) => {
                self.lock().insert(id.clone(), running);
                self.ttl_began.notify_one();
            }
            None => self.stop(id),
        }
    }

    /// Stops a check, if it runs.
    pub fn stop(&self, id: &CheckId) {
        self.lock().remove(id);
    }

    /// Begins the time of a TTL check anew; `None` if it is not one.
    pub fn refresh_ttl(&self, id: &CheckId, output: &str, now: Instant) -> Option<Duration> {
        match self.lock().get_mut(id)? {
            Running::Ttl(ttl) => Some(ttl.refresh(output, now)),
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
            let Running::Ttl(ttl) = running;
            if let Some(text) = ttl.lapse(now) {
                lapsed.push((id.clone(), text));
            } else if let Some(deadline) = ttl.deadline() {
                next = Some(next.map_or(deadline, |earlier| earlier.min(deadline)));
            }
        }
        if let Some(local) = self.local.upgrade() {
            for (id, text) in lapsed {
                tracing::warn!(target: "agent.checks", check = %id, "missed its TTL, is now critical");
                local.set_result(&id, Status::Critical, &text);
            }
        }
        next
    }
}
