//! Runs health checks: one file per kind, one map of running checks.
//!
//! TTL checks share one task that sleeps until the earliest of them lapses; every other check is a task of its own.
//! Results go to [`LocalAgent`], which owns the runner.

mod alias;
mod docker;
mod flapping;
mod grpc;
mod h2ping;
mod http;
pub mod net;
mod os_service;
pub mod output;
mod script;
mod tcp;
mod thresholds;
mod ttl;
mod udp;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use client::tls::TlsSettings;
use model::{CheckId, Status, Token, format_duration};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use crate::local::limits::{CONCURRENT_PROBES_MAX, CONCURRENT_PROGRAMS_MAX};
use crate::local::{Action, Ask, CheckSpec, LocalAgent, Probe, Timing};
use alias::Alias;
use flapping::Damper;
pub use http::run as http_request;
pub use net::CheckTls;
pub use output::Tail;
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
    equipment: Arc<Equipment>,
    /// The way to the servers, for aliases of other nodes.
    ask: Option<Ask>,
    /// Time in which half of a check's flapping is forgotten; zero for no damping.
    flap_half_life: Duration,
    generation: AtomicU64,
}

/// What runs of checks share.
struct Equipment {
    /// Programs that may run at the same moment.
    programs: Semaphore,
    /// Checks that may be at the network at the same moment.
    probes: Semaphore,
    tls: CheckTls,
    /// Address of the Docker daemon.
    docker: String,
}

enum Running {
    Ttl(Ttl),
    /// The number tells results of this task from those of one that it replaced.
    Task(u64, #[expect(dead_code, reason = "held for its drop, which ends the task")] AbortOnDropHandle<()>),
}

impl Runner {
    /// A runner that reports to `local`.
    #[must_use]
    pub fn new(local: Weak<LocalAgent>, tls: TlsSettings, ask: Option<Ask>, flap_half_life: Duration) -> Self {
        let docker = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        let equipment = Equipment {
            programs: Semaphore::new(CONCURRENT_PROGRAMS_MAX),
            probes: Semaphore::new(CONCURRENT_PROBES_MAX),
            tls: CheckTls::new(tls),
            docker: docker.unwrap_or_else(|| docker::HOST_DEFAULT.to_owned()),
        };
        Self {
            local,
            running: Mutex::default(),
            ttl_began: Notify::new(),
            equipment: Arc::new(equipment),
            ask,
            flap_half_life,
            generation: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CheckId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a check, in place of one with the same id. Must be called in a runtime.
    pub fn start(&self, id: &CheckId, spec: &CheckSpec, token: &Token, output_max: usize, now: Instant) {
        let running = match spec.probe() {
            Ok(Probe::Ttl(ttl)) => Running::Ttl(Ttl::new(ttl, now)),
            Ok(Probe::Repeated(action, timing)) => self.spawn(id, action, timing, output_max),
            Ok(Probe::Alias { node, service }) => self.spawn_alias(Alias { id: id.clone(), node, service }, token),
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
        let (local, equipment, id) = (self.local.clone(), Arc::clone(&self.equipment), id.clone());
        let flap_half_life = self.flap_half_life;
        let may_be_exposed = matches!(action, Action::Http(_) | Action::Grpc(_));
        let task = async move {
            // Spread the first runs, so that a restarted agent does not run all its checks at once.
            tokio::time::sleep(timing.interval.mul_f64(rand::random())).await;
            let mut thresholds = Thresholds::new(timing.thresholds);
            let mut damper = Damper::new(flap_half_life, Instant::now());
            loop {
                let routed = may_be_exposed.then(|| local.upgrade()?.routed(&id, &action)).flatten();
                let action = routed.as_ref().unwrap_or(&action);
                let outcome = equipment.run(action, timing.timeout, output_max).await;
                let Some(local) = local.upgrade() else { return };
                if let Some(status) = thresholds.take(outcome.status) {
                    let held = damper.take(status, Instant::now());
                    let output = match held == status {
                        true => outcome.output,
                        false => format!("Flapping, held at {held} until it is calm: {}", outcome.output),
                    };
                    local.report(&id, generation, &Outcome { status: held, output });
                }
                drop(local);
                tokio::time::sleep(timing.interval).await;
            }
        };
        Running::Task(generation, AbortOnDropHandle::new(tokio::spawn(task)))
    }

    fn spawn_alias(&self, alias: Alias, token: &Token) -> Running {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        let (local, id) = (self.local.clone(), alias.id.clone());
        let report = move |local: &LocalAgent, outcome: &Outcome| local.report(&id, generation, outcome);
        let own_node = |local: &Arc<LocalAgent>| local.node().node.eq_ignore_ascii_case(&alias.node);
        let is_own = alias.node.is_empty() || self.local.upgrade().as_ref().is_some_and(own_node);
        let task = match (&self.ask, is_own) {
            (Some(ask), false) => tokio::spawn(alias.follow_remote(local, Arc::clone(ask), token.clone(), report)),
            _ => tokio::spawn(alias.follow_local(local, report)),
        };
        Running::Task(generation, AbortOnDropHandle::new(task))
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

impl Equipment {
    /// Runs a check once, when it is its turn. The timeout counts from then.
    async fn run(&self, action: &Action, timeout: Duration, limit: usize) -> Outcome {
        let is_program = matches!(action, Action::Script(_) | Action::Docker { .. } | Action::OsService(_));
        // Nobody closes the semaphores; a check without a turn would only run beyond the budget.
        let _turn = if is_program { &self.programs } else { &self.probes }.acquire().await;
        match action {
            // These end in time by themselves, with more to say than that the time is over.
            Action::Http(probe) => http::run(probe, &self.tls, timeout, limit).await,
            Action::Script(args) => script::run(args, timeout, limit).await,
            Action::OsService(service) => os_service::run("systemctl", service, timeout).await,
            Action::Tcp(address) => within(timeout, &format!("dial tcp {address}"), tcp::run(address)).await,
            Action::Udp(address) => within(timeout, &format!("dial udp {address}"), udp::run(address)).await,
            Action::Grpc(probe) => {
                let what = "rpc error: code = DeadlineExceeded desc = context deadline exceeded";
                within(timeout, what, grpc::run(probe, &self.tls)).await
            }
            Action::H2Ping(probe) => {
                within(timeout, &format!("HTTP2 ping of {}", probe.address), h2ping::run(probe, &self.tls)).await
            }
            Action::Docker { container, args } => {
                let what = format!("Timed out ({}) running check", format_duration(timeout));
                within(timeout, &what, docker::run(&self.docker, container, args, limit)).await
            }
        }
    }
}

/// The outcome of a run, or that it took too long.
async fn within(timeout: Duration, what: &str, run: impl Future<Output = Outcome>) -> Outcome {
    match tokio::time::timeout(timeout, run).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome { status: Status::Critical, output: format!("{what}: i/o timeout") },
    }
}

#[cfg(test)]
mod tests;
