//! Certificates of services that were asked for at this agent. Their keys are made here and never leave the agent but to
//! who asks for them; each certificate is renewed before it ends and when the root changes, until nobody asks any more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use model::{Json, Token};
use server::mesh::authority::{DISABLED, Identity, IssuedCertificate, new_request};
use server::request::{
    Action, Answer, Body, Cluster, Consistency, ErrorKind, MeshQuery, Query, ReadOptions, Request, RequestError,
    Response,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::backend::Backend;

/// Most certificates that are kept new.
const ENTRIES_MAX: usize = 4096;
/// A certificate that nobody asked for in this time is given up: as long as Consul keeps it.
const IDLE_MAX: Duration = Duration::from_secs(3 * 24 * 3600);
/// First pause after a failure; doubled with each further one.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest pause after failures.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long each question for the roots waits. The clock on the wall is looked at as often, as it may be set.
const WAIT: Duration = Duration::from_secs(60);
/// A certificate is renewed after this part of its life at the earliest, and after that plus [`RENEW_SPREAD`] at the
/// latest.
const RENEW_AFTER: f64 = 0.6;
/// See [`RENEW_AFTER`].
const RENEW_SPREAD: f64 = 0.3;
/// After a change of the root all certificates are renewed within this time, not all at once.
const ROTATION_SPREAD: Duration = Duration::from_secs(2);

/// A certificate to show.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate and its key as JSON.
    pub json: Bytes,
    /// Its index, to block on.
    pub index: u64,
}

type Seen = Option<Result<Leaf, RequestError>>;
type Key = (String, Token);

struct Entry {
    seen: watch::Receiver<Seen>,
    /// Seconds since the cache began at which it was last asked for.
    used: Arc<AtomicU64>,
    task: AbortOnDropHandle<()>,
}

/// The certificates of an agent.
pub struct LeafCache {
    datacenter: String,
    entries: Mutex<HashMap<Key, Entry>>,
    began: Instant,
}

impl LeafCache {
    /// No certificates yet. They are for services of this datacenter.
    #[must_use]
    pub fn new(datacenter: String) -> Self {
        Self { datacenter, entries: Mutex::default(), began: Instant::now() }
    }

    /// The certificate of a service, and whether it was there already. With `min_index` it waits until the index is above
    /// that, at most until `deadline`.
    ///
    /// # Errors
    /// The servers' refusal, or that they cannot be asked.
    pub async fn get(
        &self,
        backend: &Backend,
        service: &str,
        token: &Token,
        min_index: u64,
        deadline: Instant,
    ) -> Result<(Leaf, bool), RequestError> {
        let mut seen = self.follow(backend, service, token)?;
        let mut is_first = true;
        loop {
            let is_late = Instant::now() >= deadline;
            match &*seen.borrow_and_update() {
                Some(Ok(leaf)) if is_late || leaf.index > min_index => return Ok((leaf.clone(), is_first)),
                Some(Err(error)) => return Err(error.clone()),
                _ => {}
            }
            is_first = false;
            match timeout_at(deadline, seen.changed()).await {
                Err(_) if seen.borrow().is_none() => return Err(failed("the servers did not sign in time; try again")),
                Ok(Err(_)) => return Err(failed("the certificate was given up meanwhile; try again")),
                Ok(Ok(())) | Err(_) => {}
            }
        }
    }

    /// Where the certificate appears; begins to keep it when nobody does.
    fn follow(&self, backend: &Backend, service: &str, token: &Token) -> Result<watch::Receiver<Seen>, RequestError> {
        let now = self.began.elapsed().as_secs();
        let key = (service.to_owned(), token.clone());
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&key).filter(|entry| !entry.task.is_finished()) {
            entry.used.store(now, Ordering::Relaxed);
            return Ok(entry.seen.clone());
        }
        entries.retain(|_, entry| !entry.task.is_finished());
        if entries.len() >= ENTRIES_MAX {
            return Err(failed(format!("this agent keeps {ENTRIES_MAX} certificates already; ask another one")));
        }
        let (sender, seen) = watch::channel(None);
        let used = Arc::new(AtomicU64::new(now));
        let keeper = Keeper {
            backend: backend.clone(),
            datacenter: self.datacenter.clone(),
            service: service.to_owned(),
            token: token.clone(),
            sender,
            used: Arc::clone(&used),
            began: self.began,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(keeper.run()));
        entries.insert(key, Entry { seen: seen.clone(), used, task });
        Ok(seen)
    }
}

/// The roots as far as leaves depend on them.
#[derive(Clone, PartialEq)]
struct Roots {
    active: String,
    trust_domain: String,
}

/// A certificate in hand.
struct Held {
    roots: Roots,
    index: u64,
    renew_at: SystemTime,
    ends: SystemTime,
}

/// Keeps one certificate new.
struct Keeper {
    backend: Backend,
    datacenter: String,
    service: String,
    token: Token,
    sender: watch::Sender<Seen>,
    used: Arc<AtomicU64>,
    began: Instant,
}

impl Keeper {
    async fn run(self) {
        let (mut held, mut roots_index, mut failures) = (None, 0, 0);
        while !self.is_idle() {
            match self.step(&mut held, roots_index).await {
                Ok(index) => (roots_index, failures) = (index, 0),
                Err(error) if held.is_none() || is_refusal(&error) => {
                    self.sender.send_replace(Some(Err(error)));
                    return;
                }
                Err(error) => {
                    let service = &self.service;
                    tracing::warn!(target: "agent::leaf", %error, service, "failed to renew a certificate, will retry");
                    if held.as_ref().is_some_and(|held: &Held| held.ends <= SystemTime::now()) {
                        self.sender.send_replace(Some(Err(error)));
                    }
                    // The servers are asked anew what the roots are.
                    roots_index = 0;
                    let pause = RETRY_FIRST.saturating_mul(1 << failures.min(10)).min(RETRY_MAX);
                    failures += 1;
                    sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
                }
            }
        }
    }

    /// Waits for news of the roots or the time to renew, and gets a new certificate if it needs one. Returns the index of
    /// the roots.
    async fn step(&self, held: &mut Option<Held>, roots_index: u64) -> Result<u64, RequestError> {
        let due = match &*held {
            Some(held) if roots_index > 0 => held.renew_at.duration_since(SystemTime::now()).unwrap_or_default(),
            // The roots are answered at once.
            _ => WAIT,
        };
        // A wait that ends early leaves the roots as they were.
        let Ok(news) = timeout(due, self.roots(roots_index)).await else {
            return self.renew(held, None).await.map(|()| roots_index);
        };
        let (roots, index) = news?;
        if let Some(held) = held.as_ref().filter(|held| held.roots != roots) {
            let spread = ROTATION_SPREAD.min(held.ends.duration_since(SystemTime::now()).unwrap_or_default());
            sleep(spread.mul_f64(rand::random())).await;
        }
        self.renew(held, Some(roots)).await?;
        Ok(index)
    }

    /// Gets a new certificate if there is none, if it is time, or if the root has changed.
    async fn renew(&self, held: &mut Option<Held>, roots: Option<Roots>) -> Result<(), RequestError> {
        let roots = match (roots, &*held) {
            (Some(roots), _) => roots,
            (None, Some(held)) => held.roots.clone(),
            (None, None) => return Err(failed("the servers did not tell the roots in time; try again")),
        };
        let is_good = |held: &Held| held.roots == roots && SystemTime::now() < held.renew_at;
        if held.as_ref().is_some_and(is_good) {
            return Ok(());
        }
        let (leaf, ends, renew_at) = self.issue(&roots, held.as_ref().map_or(0, |held| held.index)).await?;
        *held = Some(Held { roots, index: leaf.index, renew_at, ends });
        self.sender.send_replace(Some(Ok(leaf)));
        Ok(())
    }

    /// A new key and its certificate; when that ends, and when it is to be renewed.
    async fn issue(&self, roots: &Roots, last_index: u64) -> Result<(Leaf, SystemTime, SystemTime), RequestError> {
        let identity = Identity::Service {
            trust_domain: roots.trust_domain.clone(),
            datacenter: self.datacenter.clone(),
            name: self.service.clone(),
        };
        let (key, request) = new_request(&identity, &[], &[])?;
        let action = Action::Cluster(Cluster::SignCertificate { request });
        let Response::Json(json) = self.ask(action).await? else {
            return Err(failed("unexpected answer from the server in place of a certificate"));
        };
        let unreadable = |error: &dyn std::fmt::Display| failed(format!("the certificate cannot be read: {error}"));
        let mut issued: IssuedCertificate = serde_json::from_slice(&json).map_err(|error| unreadable(&error))?;
        issued.private_key_pem = key;
        // Who waits for another certificate must not miss it, though the state has no other index.
        issued.modify_index = issued.modify_index.max(last_index + 1);
        let begins = humantime::parse_rfc3339(&issued.valid_after).map_err(|error| unreadable(&error))?;
        let ends = humantime::parse_rfc3339(&issued.valid_before).map_err(|error| unreadable(&error))?;
        let life = ends.duration_since(begins).unwrap_or_default();
        let renew_at = begins + life.mul_f64(RENEW_AFTER + RENEW_SPREAD * rand::random::<f64>());
        let json = model::to_json(&issued).map_err(|error| unreadable(&error))?;
        Ok((Leaf { json: json.into(), index: issued.modify_index }, ends, renew_at))
    }

    async fn roots(&self, min_index: u64) -> Result<(Roots, u64), RequestError> {
        let options = ReadOptions {
            consistency: Consistency::Stale,
            min_index,
            wait_ms: WAIT.as_millis() as u64,
            ..ReadOptions::default()
        };
        let answer = self.ask(Action::Read(options, Query::Mesh(MeshQuery::CaRoots))).await?;
        let Response::Read(meta, Body::Rows(Answer::Document(Some(roots)))) = answer else {
            return Err(failed("unexpected answer from the server in place of the roots"));
        };
        let text = |name: &str| roots.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let found = Roots { active: text("ActiveRootID"), trust_domain: text("TrustDomain") };
        if found.active.is_empty() { Err(failed(DISABLED)) } else { Ok((found, meta.index)) }
    }

    async fn ask(&self, action: Action) -> Result<Response, RequestError> {
        let request = Request { datacenter: String::new(), token: self.token.clone(), action };
        self.backend.call(request).await
    }

    fn is_idle(&self) -> bool {
        let used = Duration::from_secs(self.used.load(Ordering::Relaxed));
        used + IDLE_MAX < self.began.elapsed()
    }
}

/// Whether asking again would bring the same.
fn is_refusal(error: &RequestError) -> bool {
    matches!(error.kind, ErrorKind::BadRequest | ErrorKind::Denied | ErrorKind::NotFound)
}

fn failed(text: impl Into<String>) -> RequestError {
    RequestError::new(ErrorKind::Failed, text)
}
