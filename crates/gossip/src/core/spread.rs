//! How news travels: queued, then piggybacked on pings and acks, and gossiped in between.

use super::peer::{Peer, Swim};
use super::{GossipCore, Timer};
use crate::wire::packet::{COMPOUND_OVERHEAD, PART_OVERHEAD, PARTS_MAX, encode_compound};
use crate::wire::serf::SerfMessage;
use crate::wire::swim::Message;
use rand::Rng;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

impl GossipCore {
    /// Queues news about `subject`, in place of older news about it.
    pub(super) fn broadcast_swim(&mut self, subject: &Arc<str>, bytes: Vec<u8>) {
        self.queues.swim.push(Some(subject.clone()), bytes);
        self.arm_gossip();
    }

    /// Sends as soon as the current gossip period ends, if anything is queued.
    pub(super) fn arm_gossip(&mut self) {
        if !self.gossip_armed {
            self.gossip_armed = true;
            let period = self.timing.gossip_interval;
            // The first news of a quiet time waits a random part of a period: no bursts.
            let wait = period.mul_f64(self.rng.random_range(0.0..1.0));
            self.arm(wait, Timer::Gossip);
        }
    }

    pub(super) fn gossip(&mut self) {
        self.gossip_armed = false;
        if self.queues_empty() {
            return;
        }
        let (now, to_dead) = (self.now, self.timing.gossip_to_dead);
        let me = self.name.clone();
        let targets = self.random_peers(self.timing.gossip_nodes, |peer| {
            peer.name != me && (peer.swim.is_up() || peer.swim != Swim::Gone && now - peer.since <= to_dead)
        });
        if targets.is_empty() {
            return;
        }
        for to in targets {
            let mut free = self.datagram_room() - COMPOUND_OVERHEAD;
            let parts = self.take_news(&mut free);
            if parts.is_empty() {
                break;
            }
            self.put_datagram(to, encode_compound(&parts));
        }
        if !self.queues_empty() {
            self.gossip_armed = true;
            self.arm(self.timing.gossip_interval, Timer::Gossip);
        }
    }

    fn queues_empty(&self) -> bool {
        let queues = &self.queues;
        queues.swim.is_empty() && queues.intents.is_empty() && queues.queries.is_empty() && queues.events.is_empty()
    }

    fn take_news(&mut self, free: &mut usize) -> Vec<Arc<[u8]>> {
        let limit = self.timing.transmit_limit(self.order.len());
        let mut parts = Vec::new();
        let queues = &mut self.queues;
        for queue in [&mut queues.swim, &mut queues.intents, &mut queues.queries, &mut queues.events] {
            queue.take(PART_OVERHEAD, free, limit, &mut parts);
        }
        parts.truncate(PARTS_MAX - 2);
        parts
    }

    /// Sends messages with as much news as fits behind them.
    pub(super) fn send(&mut self, to: SocketAddr, messages: &[Message]) {
        let mut parts: Vec<Arc<[u8]>> = messages.iter().map(|m| m.encode().into()).collect();
        let used: usize = parts.iter().map(|part| part.len() + PART_OVERHEAD).sum();
        let mut free = self.datagram_room().saturating_sub(used + COMPOUND_OVERHEAD);
        parts.extend(self.take_news(&mut free));
        self.put_datagram(to, encode_compound(&parts));
    }

    /// Sends one Serf message, without news.
    pub(super) fn send_serf(&mut self, to: SocketAddr, message: &SerfMessage) {
        let bytes = Message::User(message.encode()).encode();
        self.put_datagram(to, bytes);
    }

    /// Up to `count` different peers that `wanted` accepts, by chance.
    pub(super) fn random_peers(&mut self, count: usize, wanted: impl Fn(&Peer) -> bool) -> Vec<SocketAddr> {
        let mut chosen: Vec<(usize, SocketAddr)> = Vec::with_capacity(count);
        for _ in 0..3 * self.order.len() {
            if chosen.len() >= count {
                break;
            }
            let index = self.rng.random_range(0..self.order.len());
            if chosen.iter().any(|(known, _)| *known == index) {
                continue;
            }
            if let Some(peer) = self.peers.get(&self.order[index]).filter(|peer| wanted(peer)) {
                chosen.push((index, peer.addr));
            }
        }
        chosen.into_iter().map(|(_, addr)| addr).collect()
    }

    /// Other members that are up.
    pub(super) fn has_company(&self) -> bool {
        self.peers.values().any(|peer| peer.swim.is_up() && peer.name != self.name)
    }

    /// How long a message waits for its turn, at most, before its sender goes on.
    pub(super) fn broadcast_deadline(&self) -> Duration {
        self.timing.broadcast_timeout
    }
}
