//! What the tasks and handles of one pool share: the protocol core behind a lock that is held for
//! one step at a time and never across a wait, and the published snapshot.

use super::keyring_file;
use arc_swap::ArcSwap;
use gossip::{
    Answers, CommandError, GossipCore, KeyChange, Member, Output, PoolEvent, QueryId, Question, StreamId, Time,
    WireError,
};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Events a slow receiver may be behind.
const EVENTS_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    pub(super) members: ArcSwap<Vec<Member>>,
    pub(super) events: broadcast::Sender<PoolEvent>,
    /// The driver has something to send, or an earlier deadline.
    pub(super) wake: Notify,
    pub(super) stop: CancellationToken,
    /// Source of outgoing streams, so that peers and firewalls see the pool's address.
    pub(super) bind_ip: IpAddr,
    /// Where changed keys are kept; written by one task at a time.
    keyring_file: tokio::sync::Mutex<Option<PathBuf>>,
    origin: Instant,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) core: GossipCore,
    /// What the driver has to put on the network.
    outbox: Vec<Output>,
    joins: HashMap<StreamId, oneshot::Sender<Result<(), String>>>,
    questions: HashMap<QueryId, oneshot::Sender<Answers>>,
    pub(super) leaves: Vec<oneshot::Sender<()>>,
    pub(super) forced: Vec<(String, oneshot::Sender<()>)>,
}

impl Shared {
    pub(super) fn new(mut core: GossipCore, bind_ip: IpAddr, keyring_file: Option<PathBuf>) -> Shared {
        let members = ArcSwap::new(core.members());
        let inner = Inner {
            core,
            outbox: Vec::new(),
            joins: HashMap::new(),
            questions: HashMap::new(),
            leaves: Vec::new(),
            forced: Vec::new(),
        };
        Shared {
            inner: Mutex::new(inner),
            members,
            events: broadcast::Sender::new(EVENTS_MAX),
            wake: Notify::new(),
            stop: CancellationToken::new(),
            bind_ip,
            keyring_file: tokio::sync::Mutex::new(keyring_file),
            origin: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The core has no invariant that a panic in one step could leave half done for the next.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&GossipCore) -> T) -> T {
        look(&self.lock().core)
    }

    /// One step of the core. Before this returns, the new snapshot is published, events are sent
    /// and waiting commands are answered.
    pub(super) fn write<T>(&self, step: impl FnOnce(&mut Inner, Time) -> T) -> T {
        let mut inner = self.lock();
        let now = Time::from(self.origin.elapsed());
        let result = step(&mut inner, now);
        self.settle(&mut inner);
        drop(inner);
        self.wake.notify_one();
        result
    }

    /// A datagram arrived. What it changes is published by the next [`Shared::turn`]: once for a
    /// batch, not for each datagram.
    pub(super) fn receive(&self, from: SocketAddr, bytes: &[u8]) -> Result<(), WireError> {
        let now = Time::from(self.origin.elapsed());
        self.lock().core.on_datagram(now, from, bytes)
    }

    fn settle(&self, inner: &mut Inner) {
        let members = inner.core.members();
        if !Arc::ptr_eq(&members, &self.members.load()) {
            self.members.store(members);
        }
        for output in inner.core.drain() {
            match output {
                // Nobody listens: nobody missed anything.
                Output::Event(event) => drop(self.events.send(event)),
                Output::Joined { stream, result } => {
                    if let Some(waiter) = inner.joins.remove(&stream) {
                        let _ = waiter.send(result);
                    }
                }
                Output::LeaveDone => {
                    for waiter in inner.leaves.drain(..) {
                        let _ = waiter.send(());
                    }
                }
                Output::ForceLeaveDone { node } => inner.forced.retain(|(name, _)| *name != node),
                Output::Answered { query, answers } => {
                    if let Some(waiter) = inner.questions.remove(&query) {
                        let _ = waiter.send(answers);
                    }
                }
                Output::Datagram { .. } | Output::Connect { .. } | Output::StoreKeys { .. } => {
                    inner.outbox.push(output);
                }
            }
        }
    }

    pub(super) fn join(&self, addr: SocketAddr) -> oneshot::Receiver<Result<(), String>> {
        let (done, wait) = oneshot::channel();
        self.write(|inner, now| {
            let stream = inner.core.join(now, addr);
            inner.joins.insert(stream, done);
        });
        wait
    }

    pub(super) fn ask(&self, question: Question) -> Result<oneshot::Receiver<Answers>, CommandError> {
        let (done, wait) = oneshot::channel();
        self.write(|inner, now| {
            let query = inner.core.ask(now, question)?;
            inner.questions.insert(query, done);
            Ok(wait)
        })
    }

    /// Writes the keys to their file, if they have one, and tells the core how that went.
    pub(super) async fn store_keys(&self, change: KeyChange) {
        let file = self.keyring_file.lock().await;
        let result = match file.clone() {
            Some(path) => {
                // The newest keys, whatever other changes came in between.
                let keys = self.read(GossipCore::keys);
                let written = tokio::task::spawn_blocking(move || keyring_file::write(&path, &keys)).await;
                match written {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(error) => Err(error.to_string()),
                }
            }
            None => Ok(()),
        };
        drop(file);
        if let Err(error) = &result {
            tracing::error!(%error, "the changed gossip keys are not stored");
        }
        self.write(|inner, now| inner.core.keys_stored(now, change, result));
    }

    /// Runs timers, and gives what has to be sent and when to come back.
    pub(super) fn turn(&self) -> (Vec<Output>, Option<Instant>) {
        let mut inner = self.lock();
        let now = Time::from(self.origin.elapsed());
        inner.core.on_timer(now);
        self.settle(&mut inner);
        let next = inner.core.next_deadline().map(|at| self.origin + at.as_duration());
        (std::mem::take(&mut inner.outbox), next)
    }

    pub(super) fn instant(&self, at: Time) -> Instant {
        self.origin + at.as_duration()
    }
}
