//! Answers that this agent keeps, for `?cached` and for DNS where it is told to: each is followed by a blocking query of its own in the background, so that
//! it is as new as the servers can tell, and is given up when nobody has asked for it for a while.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::Token;
use server::request::{
    Action, Answer, Body, Consistency, ErrorKind, Form, Query, ReadMeta, ReadOptions, Request, RequestError, Response,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::backend::Backend;

/// Most answers that are kept.
const ENTRIES_MAX: usize = 2048;
/// Most bytes of answers that are kept.
const BYTES_MAX: usize = 64 << 20;
/// What a kept row of an instance or node counts, bytes.
const ROW_BYTES: usize = 2048;
/// An answer that nobody asked for in this time is given up.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// First pause after a failure; doubled with each further one.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest pause after failures.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How long each background query waits.
const WAIT_MS: u64 = 600_000;

/// What makes two cached reads equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Datacenter asked; empty for the own one.
    pub datacenter: String,
    /// Secret of the caller: what one may see is not shown to another.
    pub token: String,
    /// The question.
    pub query: Query,
    /// The expression that rows must match.
    pub filter: String,
    /// In which form the answer is kept.
    pub form: Form,
}

/// A kept answer.
#[derive(Clone)]
pub struct Held {
    /// Facts about it.
    pub meta: ReadMeta,
    /// The answer itself.
    pub body: Kept,
    /// Since when the servers cannot be asked whether it is still right.
    lost: Option<Instant>,
    _spent: Arc<Spent>,
}

impl Held {
    /// How long ago it was last known to be right; 0 while it is followed.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.lost.map_or(Duration::ZERO, |lost| lost.elapsed())
    }
}

/// An answer in the form that was asked for.
#[derive(Clone)]
pub enum Kept {
    /// The body of an HTTP answer.
    Json(Bytes),
    /// Rows to work with.
    Rows(Arc<Answer>),
}

impl Kept {
    /// What it counts against the memory of the cache, bytes; of rows roughly.
    fn bytes(&self) -> usize {
        match self {
            Self::Json(json) => json.len(),
            Self::Rows(rows) => match &**rows {
                Answer::Health(rows) => rows.len().max(1) * ROW_BYTES,
                Answer::NodeServices(Some(found)) => (found.services.len() + 1) * ROW_BYTES,
                _ => ROW_BYTES,
            },
        }
    }
}

/// Bytes of an answer, given back with it.
struct Spent {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for Spent {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

type Seen = Option<Result<Held, RequestError>>;

struct Entry {
    seen: watch::Receiver<Seen>,
    /// Seconds since the cache began at which it was last asked for.
    used: Arc<AtomicU64>,
    task: AbortOnDropHandle<()>,
}

/// The kept answers of an agent.
pub struct AnswerCache {
    entries: Mutex<HashMap<Key, Entry>>,
    bytes: Arc<AtomicUsize>,
    began: Instant,
}

impl Default for AnswerCache {
    fn default() -> Self {
        Self { entries: Mutex::default(), bytes: Arc::default(), began: Instant::now() }
    }
}

impl AnswerCache {
    /// The answer to a question, and whether it was there already. With `min_index` it waits until the answer's index is
    /// above that, at most until `deadline`. `None` when nothing more can be kept.
    ///
    /// # Errors
    /// The servers' refusal.
    pub async fn get(
        &self,
        backend: &Backend,
        key: &Key,
        min_index: u64,
        deadline: Instant,
    ) -> Result<Option<(Held, bool)>, RequestError> {
        let Some(mut seen) = self.follow(backend, key) else { return Ok(None) };
        let mut is_first = true;
        loop {
            let is_late = Instant::now() >= deadline;
            match &*seen.borrow_and_update() {
                Some(Ok(held)) if is_late || held.meta.index > min_index => return Ok(Some((held.clone(), is_first))),
                Some(Err(error)) => return Err(error.clone()),
                _ => {}
            }
            is_first = false;
            match timeout_at(deadline, seen.changed()).await {
                // Nothing came yet, or the one who followed it gave up: the servers are asked as if there were no cache.
                Err(_) if seen.borrow().is_none() => return Ok(None),
                Ok(Err(_)) => return Ok(None),
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }

    /// Where the answer to a question appears; begins to follow it when nobody does.
    fn follow(&self, backend: &Backend, key: &Key) -> Option<watch::Receiver<Seen>> {
        let now = self.began.elapsed().as_secs();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(key).filter(|entry| !entry.task.is_finished()) {
            entry.used.store(now, Ordering::Relaxed);
            return Some(entry.seen.clone());
        }
        entries.retain(|_, entry| !entry.task.is_finished());
        if entries.len() >= ENTRIES_MAX || self.bytes.load(Ordering::Relaxed) >= BYTES_MAX {
            return None;
        }
        let (sender, seen) = watch::channel(None);
        let used = Arc::new(AtomicU64::new(now));
        let follower = Follower {
            backend: backend.clone(),
            key: key.clone(),
            sender,
            used: Arc::clone(&used),
            bytes: Arc::clone(&self.bytes),
            began: self.began,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(follower.run()));
        entries.insert(key.clone(), Entry { seen: seen.clone(), used, task });
        Some(seen)
    }
}

/// Keeps one answer new.
struct Follower {
    backend: Backend,
    key: Key,
    sender: watch::Sender<Seen>,
    used: Arc<AtomicU64>,
    bytes: Arc<AtomicUsize>,
    began: Instant,
}

impl Follower {
    async fn run(self) {
        let (mut index, mut failures) = (0, 0);
        loop {
            let answer = tokio::select! {
                answer = self.ask(index) => answer,
                () = self.idle() => return,
            };
            match answer {
                Ok((meta, body)) => {
                    failures = 0;
                    // An index that fell belongs to another history: it is asked for anew.
                    index = if meta.index < index { 0 } else { meta.index };
                    if !self.keep(meta, body) {
                        return;
                    }
                }
                Err(error) if index == 0 || is_refusal(&error) => {
                    self.sender.send_replace(Some(Err(error)));
                    return;
                }
                Err(_) => {
                    self.lose();
                    let pause = RETRY_FIRST.saturating_mul(1 << failures.min(10)).min(RETRY_MAX);
                    failures += 1;
                    tokio::select! {
                        () = sleep(pause) => {}
                        () = self.idle() => return,
                    }
                }
            }
        }
    }

    async fn ask(&self, min_index: u64) -> Result<(ReadMeta, Kept), RequestError> {
        let options = ReadOptions {
            // It is as old as its last change by the time it is looked at; no need to ask the leader.
            consistency: Consistency::Stale,
            min_index,
            wait_ms: WAIT_MS,
            filter: self.key.filter.clone(),
            form: self.key.form,
            ..ReadOptions::default()
        };
        let action = Action::Read(options, self.key.query.clone());
        let token = Token::new(self.key.token.clone());
        let request = Request { datacenter: self.key.datacenter.clone(), token, action };
        match self.backend.call(request).await? {
            Response::Read(meta, Body::Json { json, .. }) => Ok((meta, Kept::Json(json))),
            Response::Read(meta, Body::Rows(rows)) => Ok((meta, Kept::Rows(Arc::new(rows)))),
            _ => Err(RequestError::new(ErrorKind::Failed, "unexpected answer from the server in place of a read")),
        }
    }

    /// Shows an answer; whether there was room to keep it.
    fn keep(&self, meta: ReadMeta, body: Kept) -> bool {
        let bytes = body.bytes();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let spent = Arc::new(Spent { bytes, total: Arc::clone(&self.bytes) });
        self.sender.send_replace(Some(Ok(Held { meta, body, lost: None, _spent: spent })));
        before + bytes <= BYTES_MAX
    }

    fn lose(&self) {
        self.sender.send_modify(|seen| {
            if let Some(Ok(held)) = seen {
                held.lost.get_or_insert_with(Instant::now);
            }
        });
    }

    /// Returns when nobody has asked for the answer for a while.
    async fn idle(&self) {
        loop {
            let used = Duration::from_secs(self.used.load(Ordering::Relaxed));
            let Some(left) = (used + IDLE_MAX).checked_sub(self.began.elapsed()) else { return };
            sleep(left + Duration::from_millis(1)).await;
        }
    }
}

/// Whether asking again would bring the same.
fn is_refusal(error: &RequestError) -> bool {
    matches!(error.kind, ErrorKind::BadRequest | ErrorKind::Denied | ErrorKind::NotFound)
}
