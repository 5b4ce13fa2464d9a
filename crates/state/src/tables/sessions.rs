//! Sessions, the keys that they hold, and the delays before a lost lock can be taken again.
//!
//! A session ends with its node, with any check that it is bound to, or when it is destroyed; expiry is a destruction
//! that the leader proposes. How long a lock-delay has lasted is for the leader to know: here is only that it began.

use std::sync::Arc;

use model::{CheckId, HeldLock, Key, KvEntry, LockDelay, Session, SessionBehavior, SessionId};

use super::{Draft, Tables};
use crate::key::{Bytes, key};
use crate::limits::LOCK_DELAY_MAX_NANOS;
use crate::source::Table;

fn held_key(session: &str, locked: &Key) -> Bytes {
    let mut bytes = key([session]);
    bytes.extend_from_slice(locked);
    bytes
}

impl Tables {
    /// The session of an id, ignoring case.
    pub(crate) fn session(&self, id: &str) -> Option<&Arc<Session>> {
        self.sessions.get(&key([id]))
    }

    /// Raft index at which the holder of an entry took the lock; 0 when nobody holds it.
    pub(crate) fn fencing_token(&self, entry: &KvEntry) -> u64 {
        if entry.session.is_empty() {
            return 0;
        }
        self.held_locks.get(&held_key(&entry.session, &entry.key)).map_or(0, |held| held.token)
    }
}

impl Draft {
    /// Adds a session whose node and checks are known to be well.
    pub(crate) fn put_session(&mut self, index: u64, mut session: Session) {
        session.create_index = index;
        session.modify_index = index;
        self.place_session(&Arc::new(session));
        self.bump(Table::Sessions, index);
    }

    /// Puts a session into its trees; indexes are left alone.
    pub(crate) fn place_session(&mut self, session: &Arc<Session>) {
        let (node, id) = (&session.node, &session.id);
        let (tables, changes) = (&mut self.tables, &mut self.changes);
        tables.sessions.insert(&key([id]), Arc::clone(session), changes);
        tables.node_sessions.insert(&key([node, id]), Arc::clone(session), changes);
        for check in session.bound_checks() {
            tables.session_checks.insert(&key([node, check, id]), Arc::clone(session), changes);
        }
    }

    /// Notes that a session holds a key from an index on.
    pub(crate) fn hold(&mut self, held: HeldLock) {
        let at = held_key(&held.session, &held.key);
        self.tables.held_locks.insert(&at, Arc::new(held), &mut self.changes);
    }

    /// Notes that the holder of an entry holds it no more.
    pub(crate) fn let_go(&mut self, entry: &KvEntry) {
        if !entry.session.is_empty() {
            self.tables.held_locks.remove(&held_key(&entry.session, &entry.key), &mut self.changes);
        }
    }

    /// Puts a lock-delay into its tree; indexes are left alone.
    pub(crate) fn place_lock_delay(&mut self, delay: LockDelay) {
        let at = delay.key.clone();
        self.tables.lock_delays.insert(&at, Arc::new(delay), &mut self.changes);
    }

    /// Ends a session: its keys are released or deleted, and cannot be locked for its lock-delay. Unknown ones are fine.
    pub(crate) fn invalidate_session(&mut self, index: u64, id: &SessionId) {
        let Some(session) = self.tables.sessions.remove(&key([id]), &mut self.changes) else { return };
        self.tables.node_sessions.remove(&key([&session.node, id]), &mut self.changes);
        for check in session.bound_checks() {
            self.tables.session_checks.remove(&key([&session.node, check, id]), &mut self.changes);
        }
        let held: Vec<Arc<HeldLock>> = self.tables.held_locks.prefix(&key([id])).cloned().collect();
        let nanos = u64::try_from(session.lock_delay).unwrap_or(0).min(LOCK_DELAY_MAX_NANOS);
        for lock in &held {
            self.take_away(index, &lock.key, session.behavior);
            if nanos > 0 {
                self.place_lock_delay(LockDelay { key: lock.key.clone(), index, nanos });
            }
        }
        self.delete_prepared_queries_of(index, id);
        if nanos > 0 && !held.is_empty() {
            self.bump(Table::LockDelays, index);
        }
        self.bump(Table::Sessions, index);
    }

    fn take_away(&mut self, index: u64, locked: &Key, behavior: SessionBehavior) {
        let Some(entry) = self.tables.kv.get(locked).cloned() else { return };
        match behavior {
            SessionBehavior::Release => {
                self.let_go(&entry);
                let free = KvEntry { session: SessionId::default(), modify_index: index, ..KvEntry::clone(&entry) };
                self.put_entry(index, free);
            }
            SessionBehavior::Delete => self.delete_key(index, locked),
        }
    }

    /// Ends every session on a node.
    pub(crate) fn invalidate_sessions_on(&mut self, index: u64, node: &str) {
        let sessions: Vec<SessionId> =
            self.tables.node_sessions.prefix(&key([node])).map(|session| session.id.clone()).collect();
        for id in sessions {
            self.invalidate_session(index, &id);
        }
    }

    /// Ends every session that is bound to a check.
    pub(crate) fn invalidate_sessions_bound_to(&mut self, index: u64, node: &str, check: &CheckId) {
        let sessions: Vec<SessionId> =
            self.tables.session_checks.prefix(&key([node, check])).map(|session| session.id.clone()).collect();
        for id in sessions {
            self.invalidate_session(index, &id);
        }
    }

    /// Forgets the lock-delays that began at an index or before.
    pub(crate) fn reap_lock_delays(&mut self, up_to: u64) {
        let over: Vec<Key> = self
            .tables
            .lock_delays
            .iter()
            .filter(|delay| delay.index <= up_to)
            .map(|delay| delay.key.clone())
            .collect();
        for locked in over {
            self.tables.lock_delays.remove(&locked, &mut self.changes);
        }
    }
}
