//! When sessions with a TTL expire: their TTL and a second after the leader last heard of them.
//!
//! Consul promises an expiry between one and two TTLs; the earlier, the sooner a lock of a dead client is free. A leader
//! that is new gives every session its whole time again, because it does not know when it was renewed. A session that
//! has begun to expire cannot be renewed any more: its client would rely on what is about to go.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Session, SessionId, parse_duration};
use state::View;

use crate::limits::SESSION_GRACE;

/// The leader's memory of when sessions expire. Times are those of any clock that only rises.
#[derive(Debug, Default)]
pub struct SessionTimers(Mutex<Timers>);

#[derive(Debug, Default)]
struct Timers {
    /// The leadership that these timers belong to.
    term: u64,
    deadlines: HashMap<SessionId, Duration>,
    /// The same by time.
    order: BTreeSet<(Duration, SessionId)>,
    /// Over, but not yet destroyed.
    expired: BTreeSet<SessionId>,
}

/// The TTL of a session; `None` when it does not expire.
#[must_use]
pub fn ttl(session: &Session) -> Option<Duration> {
    parse_duration(&session.ttl).ok().filter(|ttl| !ttl.is_zero())
}

impl SessionTimers {
    /// No timers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn timers(&self) -> MutexGuard<'_, Timers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the leadership of a term, unless it has begun: every session gets its whole time.
    pub fn begin(&self, term: u64, now: Duration, view: &View) {
        let mut timers = self.timers();
        if timers.term != term {
            *timers = Timers { term, ..Timers::default() };
            for session in view.sessions() {
                timers.set(now, session);
            }
        }
    }

    /// Compares with what is there: for sessions that came or went without this server's doing.
    pub fn compare(&self, now: Duration, view: &View) {
        let mut timers = self.timers();
        for session in view.sessions() {
            if !timers.deadlines.contains_key(&session.id) && !timers.expired.contains(&session.id) {
                timers.set(now, session);
            }
        }
        timers.expired.retain(|id| view.session(id).is_some());
        let gone: Vec<SessionId> = timers.deadlines.keys().filter(|id| view.session(id).is_none()).cloned().collect();
        for id in gone {
            timers.forget(&id);
        }
    }

    /// Gives a session its whole time from now on; `false` when it has expired, and is about to be destroyed.
    ///
    /// Before [`Self::begin`] of the term there is nothing to do: it gives the whole time to all, and nothing expires
    /// until then.
    pub fn renew(&self, term: u64, now: Duration, session: &Session) -> bool {
        let mut timers = self.timers();
        if timers.term == term {
            if timers.expired.contains(&session.id) {
                return false;
            }
            timers.set(now, session);
        }
        true
    }

    /// How long a session surely lives if it is not renewed; `None` when it does not expire or this is not known.
    #[must_use]
    pub fn remaining(&self, term: u64, now: Duration, id: &str) -> Option<Duration> {
        let timers = self.timers();
        let deadline = timers.deadlines.get(id).filter(|_| timers.term == term)?;
        Some(deadline.saturating_sub(SESSION_GRACE).saturating_sub(now))
    }

    /// When the next session expires.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.timers().order.first().map(|(deadline, _)| *deadline)
    }

    /// The sessions to destroy: those that have expired now, and before, as long as they are there.
    #[must_use]
    pub fn expired(&self, term: u64, now: Duration, view: &View) -> Vec<SessionId> {
        let mut timers = self.timers();
        if timers.term != term {
            return Vec::new();
        }
        while let Some((deadline, id)) = timers.order.first().cloned() {
            if deadline > now {
                break;
            }
            timers.forget(&id);
            timers.expired.insert(id);
        }
        timers.expired.retain(|id| view.session(id).is_some());
        timers.expired.iter().cloned().collect()
    }

    /// Number of timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timers().deadlines.len()
    }

    /// Whether there are no timers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Timers {
    fn set(&mut self, now: Duration, session: &Session) {
        let Some(ttl) = ttl(session) else { return };
        self.forget(&session.id);
        let deadline = now + ttl + SESSION_GRACE;
        self.order.insert((deadline, session.id.clone()));
        self.deadlines.insert(session.id.clone(), deadline);
    }

    fn forget(&mut self, id: &SessionId) {
        if let Some(deadline) = self.deadlines.remove(id) {
            self.order.remove(&(deadline, id.clone()));
        }
    }
}
