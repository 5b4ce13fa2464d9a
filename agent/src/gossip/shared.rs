//! What the tasks and handles of one pool share: the protocol core behind a lock that is held for
//! one step at a time and never across a wait, and the published snapshot.

use arc_swap::ArcSwap;
use gossip::{GossipCore, Member, Output, PoolEvent, StreamId, Time, WireError};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
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
    origin: Instant,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) core: GossipCore,
    /// What the driver has to put on the network.
    outbox: Vec<Output>,
    joins: HashMap<StreamId, oneshot::Sender<Result<(), String>>>,
    pub(super) leaves: Vec<oneshot::Sender<()>>,
    pub(super) forced: Vec<(String, oneshot::Sender<()>)>,
}

impl Shared {
    pub(super) fn new(mut core: GossipCore, bind_ip: IpAddr) -> Shared {
        let members = ArcSwap::new(core.members());
        let inner = Inner { core, outbox: Vec::new(), joins: HashMap::new(), leaves: Vec::new(), forced: Vec::new() };
        Shared {
            inner: Mutex::new(inner),
            members,
            events: broadcast::Sender::new(EVENTS_MAX),
            wake: Notify::new(),
            stop: CancellationToken::new(),
            bind_ip,
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
                Output::Datagram { .. } | Output::Connect { .. } => inner.outbox.push(output),
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
