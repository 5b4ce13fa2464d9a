//! Births, suspicions and obituaries: who is in the cluster, by incarnation.

use super::peer::{Peer, Swim, same_id};
use super::{GossipCore, Life, Timer};
use crate::limits::{INCARNATION_JUMP_MAX, MEMBERS_MAX, REJOIN_NOTICES_MAX};
use crate::member::PoolEvent;
use crate::suspicion::Suspicion;
use crate::wire::packet::encode_compound;
use crate::wire::swim::{Accusation, Alive, Message};
use crate::wire::tags::decode_tags;
use rand::Rng;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A name conflict is told at most this often per member.
const CONFLICT_PAUSE: Duration = Duration::from_secs(30);
/// Repetitions of a new address within one reclaim time.
const INSISTENCE: u32 = 10;

impl GossipCore {
    pub(super) fn on_alive(&mut self, alive: &Alive) {
        if !alive.versions.understood() {
            return;
        }
        let Ok(tags) = decode_tags(&alive.meta) else { return };
        if *alive.node == *self.name {
            self.on_alive_self(alive, &tags);
        } else if self.admits(alive, &tags) && self.accepts(alive, &tags) {
            self.accept(alive, tags);
        }
    }

    /// Whether an `alive` about somebody else is news.
    fn accepts(&mut self, alive: &Alive, tags: &BTreeMap<String, String>) -> bool {
        let (now, reclaim) = (self.now, self.timing.dead_reclaim);
        let Some(peer) = self.peers.get(alive.node.as_str()) else {
            return self.peers.len() < MEMBERS_MAX && alive.incarnation <= INCARNATION_JUMP_MAX;
        };
        if forged(alive.incarnation, peer) {
            return false;
        }
        if peer.swim == Swim::Gone {
            return true;
        }
        let newer = alive.incarnation > peer.incarnation;
        if peer.addr == alive.addr {
            return newer;
        }
        let free = match peer.swim {
            Swim::Left => true,
            Swim::Dead => now - peer.since > reclaim || same_id(&peer.tags, tags),
            // The same node at a new address: no other node can have its id.
            _ => newer && same_id(&peer.tags, tags),
        };
        if !free && !same_id(&peer.tags, tags) {
            self.tell_conflict(&alive.node, alive.addr);
        }
        free
    }

    fn accept(&mut self, alive: &Alive, tags: BTreeMap<String, String>) {
        let now = self.now;
        let name: Arc<str> = alive.node.as_str().into();
        let known = self.peers.contains_key(&name);
        let peer = self.peers.entry(name.clone()).or_insert_with(|| Peer::new(name.clone(), alive.addr, now));
        let (was, unlisted) = (peer.swim, peer.swim == Swim::Gone);
        let changed = peer.addr != alive.addr || *peer.meta != *alive.meta || peer.versions != alive.versions;
        peer.suspicion = None;
        peer.addr = alive.addr;
        peer.incarnation = alive.incarnation;
        peer.versions = alive.versions;
        if *peer.meta != *alive.meta {
            peer.meta = alive.meta.as_slice().into();
            peer.tags = Arc::new(tags);
        }
        peer.set_swim(Swim::Alive, now);
        self.changed = true;
        if unlisted {
            self.list(name.clone());
        }
        self.broadcast_swim(&name, Message::Alive(alive.clone()).encode());
        if !was.is_up() {
            self.serf_join(&name, known);
        } else if changed {
            let member = self.peers[&name].member();
            self.emit(PoolEvent::Update(member));
        }
    }

    /// Puts a node at a random place of the probe order, so that nodes differ in whom they ask.
    fn list(&mut self, name: Arc<str>) {
        self.order.push(name);
        let last = self.order.len() - 1;
        let place = self.rng.random_range(0..=last);
        self.order.swap(place, last);
    }

    fn on_alive_self(&mut self, alive: &Alive, tags: &BTreeMap<String, String>) {
        if self.life != Life::Alive {
            return;
        }
        let me = self.me();
        if alive.incarnation < me.incarnation || forged(alive.incarnation, me) {
            return;
        }
        let addr = me.addr;
        if alive.addr == addr {
            let equal = alive.incarnation == me.incarnation && *alive.meta == *me.meta && alive.versions == me.versions;
            if !equal {
                self.refute(alive.incarnation);
            }
        } else if same_id(&me.tags, tags) {
            self.rejoin_from(alive);
        } else {
            self.tell_conflict(&alive.node, alive.addr);
            self.call_vote(alive.addr);
        }
    }

    /// The cluster remembers this node at the address it had before a restart. Our own kind
    /// accepts the new address by the node id. Others need an obituary of the old self signed by
    /// the node itself before they listen; it goes out between two births, so that a peer which
    /// already accepted the first takes it for old news.
    fn rejoin_from(&mut self, old: &Alive) {
        let me = self.me_mut();
        me.incarnation = old.incarnation.saturating_add(1);
        let birth = Message::Alive(me.alive()).encode();
        let name = self.name.to_string();
        let obituary = Message::Dead(Accusation { incarnation: old.incarnation, node: name.clone(), from: name });
        let notice = encode_compound(&[birth.clone(), obituary.encode(), birth]);
        let peers: Vec<SocketAddr> = self
            .peers
            .values()
            .filter(|p| p.swim.is_up() && p.name != self.name)
            .map(|p| p.addr)
            .take(REJOIN_NOTICES_MAX)
            .collect();
        for to in peers {
            self.put_datagram(to, notice.clone());
        }
        let name = self.name.clone();
        self.broadcast_swim(&name, notice);
        self.insist();
    }

    /// Somebody remembers this node at another address. A stock peer that took the old one for
    /// dead listens to the new one only after its reclaim time, and nobody would tell it then: so
    /// this node repeats itself until that time is over.
    pub(super) fn insist(&mut self) {
        if self.insist_until < self.now {
            self.arm(self.timing.dead_reclaim / INSISTENCE, Timer::Insist);
        }
        self.insist_until = self.now + self.timing.dead_reclaim + self.timing.dead_reclaim / 2;
    }

    pub(super) fn insist_again(&mut self) {
        if self.life == Life::Alive && self.now <= self.insist_until {
            self.announce_self();
            self.arm(self.timing.dead_reclaim / INSISTENCE, Timer::Insist);
        }
    }

    fn tell_conflict(&mut self, name: &str, claimed: SocketAddr) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(name) else { return };
        if peer.conflict_told.is_some_and(|told| now - told < CONFLICT_PAUSE) {
            return;
        }
        peer.conflict_told = Some(now);
        let known = peer.member();
        tracing::warn!(node = name, known = %known.addr, %claimed, "two nodes claim the same name");
        self.emit(PoolEvent::Conflict { known, claimed });
    }

    /// Overrules what others think of this node. That they had to ask counts against our health.
    pub(super) fn refute(&mut self, accused: u32) {
        let me = self.me_mut();
        me.incarnation = me.incarnation.max(accused).saturating_add(1);
        self.awareness.worsen(1);
        self.announce_self();
    }

    pub(super) fn announce_self(&mut self) {
        let bytes = Message::Alive(self.me().alive()).encode();
        let name = self.name.clone();
        self.broadcast_swim(&name, bytes);
    }

    pub(super) fn on_suspect(&mut self, suspect: &Accusation) {
        let members = self.order.len();
        let now = self.now;
        let Some(peer) = self.peers.get_mut(suspect.node.as_str()) else { return };
        let stale = suspect.incarnation < peer.incarnation;
        if stale || forged(suspect.incarnation, peer) || !peer.swim.is_up() {
            return;
        }
        let name = peer.name.clone();
        if name == self.name {
            if self.life == Life::Alive {
                self.refute(suspect.incarnation);
            }
            return;
        }
        if let Some(suspicion) = &mut peer.suspicion {
            if !suspicion.confirm(&suspect.from) {
                return;
            }
        } else {
            let wanted = (self.timing.suspicion_mult as usize).saturating_sub(2);
            let wanted = if members.saturating_sub(2) < wanted { 0 } else { wanted };
            let min = self.timing.suspicion_min(members);
            let max = min * self.timing.suspicion_max_mult;
            peer.incarnation = suspect.incarnation;
            peer.suspicion = Some(Suspicion::new(now, &suspect.from, wanted, min, max));
            peer.set_swim(Swim::Suspect, now);
        }
        if let Some(suspicion) = &peer.suspicion {
            self.timers.insert((suspicion.deadline(), Timer::Suspicion(name.clone())));
        }
        self.broadcast_swim(&name, Message::Suspect(suspect.clone()).encode());
    }

    pub(super) fn suspicion_expired(&mut self, name: &Arc<str>) {
        let Some(peer) = self.peers.get(name) else { return };
        if peer.suspicion.as_ref().is_none_or(|suspicion| suspicion.deadline() > self.now) {
            return;
        }
        let (incarnation, from) = (peer.incarnation, self.name.to_string());
        self.on_dead(&Accusation { incarnation, node: name.to_string(), from });
    }

    pub(super) fn on_dead(&mut self, dead: &Accusation) {
        let now = self.now;
        let alive = self.life == Life::Alive;
        let Some(peer) = self.peers.get_mut(dead.node.as_str()) else { return };
        let stale = dead.incarnation < peer.incarnation;
        if stale || forged(dead.incarnation, peer) || !peer.swim.is_up() {
            return;
        }
        let name = peer.name.clone();
        if name == self.name {
            if alive {
                self.refute(dead.incarnation);
            }
            return;
        }
        let by_itself = dead.node == dead.from;
        peer.suspicion = None;
        peer.incarnation = dead.incarnation;
        peer.set_swim(if by_itself { Swim::Left } else { Swim::Dead }, now);
        self.changed = true;
        self.broadcast_swim(&name, Message::Dead(dead.clone()).encode());
        self.serf_gone(&name, by_itself);
    }
}

/// No node gets this far ahead of what others know by honest means.
fn forged(incarnation: u32, peer: &Peer) -> bool {
    incarnation.saturating_sub(peer.incarnation) > INCARNATION_JUMP_MAX
}
