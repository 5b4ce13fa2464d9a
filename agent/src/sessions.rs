//! The clocks of sessions and locks on one server, and the tasks around them: every server notes when lock-delays begin,
//! and the leader destroys sessions that have expired.

use std::time::Duration;

use model::{Session, SessionId, Token};
use server::endpoint::Leading;
use server::leader::lock_delays::LockClock;
use server::leader::session_timers::SessionTimers;
use server::limits::SESSION_TTL_MIN;
use server::request::{Action, Consistency, Request, RequestError, Write};
use state::{Reader, Source, Table};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backend::Backend;
use crate::raft::node::{NotDone, RaftNode};
use crate::tokens::now;

/// How often the leader compares its timers with the sessions, and looks for lock-delays to forget.
const COMPARE_INTERVAL: Duration = Duration::from_secs(10);

/// After a failure (no majority, most likely) the next try comes after this time.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// What one server knows of time about sessions and locks.
pub struct SessionClocks {
    timers: SessionTimers,
    locks: LockClock,
    began: Instant,
    ttl_min: Duration,
    /// Told when a session expires earlier than all others.
    earlier: Notify,
}

impl Default for SessionClocks {
    fn default() -> Self {
        Self::new(SESSION_TTL_MIN)
    }
}

impl SessionClocks {
    /// Clocks that have seen nothing; sessions may have TTLs from `ttl_min` on.
    #[must_use]
    pub fn new(ttl_min: Duration) -> Self {
        let (timers, locks) = (SessionTimers::new(), LockClock::new());
        Self { timers, locks, began: Instant::now(), ttl_min, earlier: Notify::new() }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// What a leader of this datacenter knows when it checks a write.
    #[must_use]
    pub fn leading<'a>(&'a self, datacenter: &'a str) -> Leading<'a> {
        Leading { datacenter, session_ttl_min: self.ttl_min, locks: &self.locks, now: self.now(), time: now() }
    }

    /// Gives a session its whole TTL from now on; `false` when it is about to be destroyed.
    pub fn renew(&self, term: u64, session: &Session) -> bool {
        let next = self.timers.next();
        let is_renewed = self.timers.renew(term, self.now(), session);
        if self.timers.next() < next || next.is_none() {
            self.earlier.notify_one();
        }
        is_renewed
    }

    /// Milliseconds that a session surely lives if it is not renewed; `None` when it does not expire or this server does
    /// not keep its time.
    #[must_use]
    pub fn remaining_ms(&self, term: u64, id: &SessionId) -> Option<u64> {
        let remaining = self.timers.remaining(term, self.now(), id)?;
        u64::try_from(remaining.as_millis()).ok()
    }

    /// Notes for ever when lock-delays begin.
    pub async fn observe_lock_delays(&self, reader: &Reader) {
        loop {
            let watches = {
                let view = reader.load();
                let watches = view.watches(Source::Tables(&[Table::LockDelays]));
                self.locks.observe(self.now(), &view);
                watches
            };
            watches.fired().await;
        }
    }

    /// Destroys expired sessions for as long as this server leads, which is for the caller to watch.
    pub async fn expire(&self, raft: &RaftNode, backend: &Backend) {
        let mut leadership = raft.leadership();
        let mut next_comparison = Instant::now() + COMPARE_INTERVAL;
        loop {
            // A server may lose the leadership and win it again before anyone looks: only the term tells.
            let term = leadership.borrow_and_update().term;
            // The view must have everything that earlier leaders did, or sessions would be missed.
            while raft.ready_to_read(Consistency::Consistent).await.is_err() {
                sleep(RETRY_INTERVAL).await;
            }
            self.timers.begin(term, self.now(), &raft.reader().load());
            let next = self.timers.next().map_or(next_comparison, |next| (self.began + next).min(next_comparison));
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.earlier.notified() => continue,
                Ok(()) = leadership.changed() => continue,
            }
            if Instant::now() >= next_comparison {
                self.compare(raft).await;
                next_comparison = Instant::now() + COMPARE_INTERVAL;
            }
            while !self.destroy_expired(term, raft, backend).await {
                sleep(RETRY_INTERVAL).await;
            }
        }
    }

    async fn compare(&self, raft: &RaftNode) {
        let reap = {
            let view = raft.reader().load();
            self.timers.compare(self.now(), &view);
            self.locks.reap(self.now(), &view)
        };
        let Some(command) = reap else { return };
        if let Err(NotDone::Failed(error)) = raft.propose(command.encode().into()).await {
            tracing::warn!(target: "agent::leader", %error, "failed to forget old lock-delays, will retry");
        }
    }

    /// Destroys what has expired; whether all of it was done.
    async fn destroy_expired(&self, term: u64, raft: &RaftNode, backend: &Backend) -> bool {
        if raft.leadership().borrow().term != term {
            return true;
        }
        let expired = self.timers.expired(term, self.now(), &raft.reader().load());
        let destroyed = futures::future::join_all(expired.iter().map(|id| destroy(backend, id))).await;
        let mut is_done = true;
        for (id, result) in expired.iter().zip(destroyed) {
            match result {
                Ok(()) => tracing::debug!(target: "agent::leader", session = %id, "session has expired"),
                Err(error) => {
                    tracing::warn!(target: "agent::leader", session = %id, %error, "failed to destroy an expired session, will retry");
                    is_done = false;
                }
            }
        }
        is_done
    }
}

async fn destroy(backend: &Backend, id: &SessionId) -> Result<(), RequestError> {
    let action = Action::Write(Write::SessionDestroy(id.clone()));
    backend.call_trusted(Request { datacenter: String::new(), token: Token::default(), action }).await.map(drop)
}
