//! What a server counts and measures of the requests it answers, under Consul's names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use server::request::{Action, Consistency, Query, Request, Write};

use crate::telemetry::{self, Counter, Timer};

static REQUESTS: Counter = Counter::new("rpc.request");
static QUERIES: Counter = Counter::new("rpc.query");
static CONSISTENT: Timer = Timer::new("rpc.consistentRead");
static APPLIED: Counter = Counter::new("raft.apply");
static COMMITTED: Timer = Timer::new("raft.commitTime");
static KEYS: Timer = Timer::new("kvs.apply");
static TRANSACTIONS: Timer = Timer::new("txn.apply");
static REGISTERED: Timer = Timer::new("catalog.register");
static DEREGISTERED: Timer = Timer::new("catalog.deregister");
static SESSIONS: Timer = Timer::new("session.apply");
static PREPARED: Timer = Timer::new("prepared-query.apply");

static BLOCKING: AtomicU64 = AtomicU64::new(0);

/// Blocking queries that wait on this server now.
#[must_use]
pub fn queries_blocking() -> u64 {
    BLOCKING.load(Ordering::Relaxed)
}

/// A blocking query, counted for as long as this lives.
pub(super) struct Waiting(());

impl Waiting {
    /// Counts it.
    pub(super) fn new() -> Self {
        BLOCKING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        BLOCKING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request came in.
pub(super) fn received(request: &Request) {
    REQUESTS.count();
    let Action::Read(_, query) = &request.action else { return };
    QUERIES.count();
    let (name, service) = match query {
        Query::ServiceNodes { service, .. } => ("catalog.service.query", service),
        Query::ServiceHealth { service, .. } => ("health.service.query", service),
        _ => return,
    };
    telemetry::count(name, &[("service", service.as_str())]);
}

/// The leadership was confirmed for a read.
pub(super) fn ready(consistency: Consistency, started: Instant) {
    if consistency == Consistency::Consistent {
        CONSISTENT.since(started);
    }
}

/// A write was proposed and is applied, or not.
pub(super) fn written(write: &Write, started: Instant) {
    APPLIED.count();
    COMMITTED.since(started);
    match write {
        Write::Kv(_) | Write::KvCopy(_) => KEYS.since(started),
        Write::Txn(_) => TRANSACTIONS.since(started),
        Write::Register(_) | Write::RegisterAll(_) => REGISTERED.since(started),
        Write::Deregister(_) => DEREGISTERED.since(started),
        // Consul times these by kind of command; there is no figure of its own that dashboards know.
        Write::Mesh(_) => {}
        Write::SessionCreate(_) | Write::SessionDestroy(_) => SESSIONS.since(started),
        // They come by a way of their own.
        Write::Acl(_) => {}
        Write::Autopilot(_) => {}
        Write::PreparedQuery(_) => PREPARED.since(started),
        // These are written in groups, by the leader itself.
        Write::Coordinate(_) => {}
    }
}
