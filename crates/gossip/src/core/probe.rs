//! Failure detection: one member per period is asked directly, then through others and by stream;
//! silence to the end of the (health-scaled) period makes it a suspect.

use super::peer::Swim;
use super::streams::Purpose;
use super::{GossipCore, Timer};
use crate::coordinate::Coordinate;
use crate::limits::RELAYS_MAX;
use crate::time::Time;
use crate::wire::swim::{Accusation, Ack, IndirectPing, Message, Ping};
use rand::seq::SliceRandom;
use std::net::SocketAddr;
use std::sync::Arc;

/// The probe in flight.
#[derive(Debug)]
pub(super) struct Probe {
    seq: u32,
    name: Arc<str>,
    sent: Time,
    end: Time,
    nacks_expected: u32,
    nacks: u32,
    /// Others were asked too: the time of an answer tells nothing.
    indirect: bool,
    /// The stream was answered: datagrams are lost, the member is there.
    stream_answered: bool,
}

/// A ping done for somebody else.
#[derive(Debug)]
pub(super) struct Relay {
    asker: SocketAddr,
    asker_seq: u32,
    nack: bool,
}

impl GossipCore {
    pub(super) fn probe_next(&mut self) {
        self.arm(self.timing.probe_interval, Timer::Probe);
        if self.probe.is_some() {
            return;
        }
        for _ in 0..=self.order.len() {
            if self.probe_at >= self.order.len() {
                self.forget_dead();
                let mut order = std::mem::take(&mut self.order);
                order.shuffle(&mut self.rng);
                self.order = order;
                self.probe_at = 0;
            }
            let Some(name) = self.order.get(self.probe_at).cloned() else { return };
            self.probe_at += 1;
            let up = self.peers.get(&name).is_some_and(|peer| peer.swim.is_up());
            if up && name != self.name {
                self.start_probe(name);
                return;
            }
        }
    }

    fn start_probe(&mut self, name: Arc<str>) {
        let Some(peer) = self.peers.get(&name) else { return };
        let (to, swim, incarnation) = (peer.addr, peer.swim, peer.incarnation);
        let seq = self.next_sequence();
        let end = self.now + self.awareness.scale(self.timing.probe_interval);
        let mut messages = vec![Message::Ping(Ping { seq, node: name.to_string() })];
        if swim == Swim::Suspect {
            // A suspect is told first, so that it can refute with its ack.
            let from = self.name.to_string();
            messages.push(Message::Suspect(Accusation { incarnation, node: name.to_string(), from }));
        }
        self.probe = Some(Probe {
            seq,
            name,
            sent: self.now,
            end,
            nacks_expected: 0,
            nacks: 0,
            indirect: false,
            stream_answered: false,
        });
        self.send(to, &messages);
        let patience = self.timing.probe_timeout.min(end - self.now);
        self.arm(patience, Timer::ProbeTimeout(seq));
        self.timers.insert((end, Timer::ProbeEnd(seq)));
    }

    pub(super) fn probe_indirectly(&mut self, seq: u32) {
        let Some((name, end)) = self.probe.as_ref().filter(|p| p.seq == seq).map(|p| (p.name.clone(), p.end)) else {
            return;
        };
        let Some(target) = self.peers.get(&name).map(|peer| peer.addr) else { return };
        if end <= self.now {
            return;
        }
        let me = self.name.clone();
        let helpers = self.random_peers(self.timing.indirect_checks, |peer| {
            peer.swim == Swim::Alive && peer.name != me && peer.name != name && peer.versions.nacks()
        });
        if let Some(probe) = &mut self.probe {
            probe.nacks_expected = helpers.len() as u32;
            probe.indirect = true;
        }
        for helper in helpers {
            let node = name.to_string();
            self.send(helper, &[Message::IndirectPing(IndirectPing { seq, target, node, nack: true })]);
        }
        let ping = Message::Ping(Ping { seq, node: name.to_string() }).encode();
        // A stream that outlives the probe would hide a dead host.
        self.connect(target, ping, end, Purpose::Ping(seq));
    }

    pub(super) fn probe_failed(&mut self, seq: u32) {
        let Some(probe) = self.probe.take_if(|probe| probe.seq == seq) else { return };
        if probe.nacks_expected > 0 {
            self.awareness.worsen(probe.nacks_expected.saturating_sub(probe.nacks));
        } else {
            self.awareness.worsen(1);
        }
        if probe.stream_answered {
            return;
        }
        let Some(peer) = self.peers.get(&probe.name) else { return };
        let (incarnation, from) = (peer.incarnation, self.name.to_string());
        self.on_suspect(&Accusation { incarnation, node: probe.name.to_string(), from });
    }

    pub(super) fn stream_ping_answered(&mut self, seq: u32, answered: u32) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq && seq == answered) {
            probe.stream_answered = true;
        }
    }

    pub(super) fn on_ping(&mut self, from: SocketAddr, ping: &Ping) {
        if ping.node.is_empty() || *ping.node == *self.name {
            let ack = self.ack(ping.seq);
            self.send(from, &[Message::Ack(ack)]);
        }
    }

    pub(super) fn ack(&self, seq: u32) -> Ack {
        Ack { seq, payload: self.position.coordinate.encode_payload() }
    }

    pub(super) fn on_ack(&mut self, ack: &Ack) {
        if let Some(probe) = self.probe.take_if(|probe| probe.seq == ack.seq) {
            self.awareness.improve();
            if !probe.indirect
                && let Some(other) = Coordinate::decode_payload(&ack.payload)
                && let Some(peer) = self.peers.get_mut(&probe.name)
            {
                let rtt = self.now - probe.sent;
                let vicinity = peer.vicinity.get_or_insert_default();
                self.position.observe(vicinity, other, rtt, &mut self.rng);
            }
        } else if let Some(relay) = self.relays.remove(&ack.seq) {
            let answer = Ack { seq: relay.asker_seq, payload: Vec::new() };
            self.send(relay.asker, &[Message::Ack(answer)]);
        }
    }

    pub(super) fn on_nack(&mut self, seq: u32) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
            probe.nacks += 1;
        }
    }

    pub(super) fn on_indirect_ping(&mut self, from: SocketAddr, ping: &IndirectPing) {
        // Only members are pinged for others: nobody may aim us at strangers.
        let known = self.peers.get(ping.node.as_str()).is_some_and(|peer| peer.addr == ping.target);
        if !known || self.relays.len() >= RELAYS_MAX {
            return;
        }
        let seq = self.next_sequence();
        self.relays.insert(seq, Relay { asker: from, asker_seq: ping.seq, nack: ping.nack });
        self.send(ping.target, &[Message::Ping(Ping { seq, node: ping.node.clone() })]);
        self.arm(self.timing.probe_timeout, Timer::Relay(seq));
    }

    pub(super) fn relay_silent(&mut self, seq: u32) {
        if let Some(relay) = self.relays.remove(&seq)
            && relay.nack
        {
            self.send(relay.asker, &[Message::Nack { seq: relay.asker_seq }]);
        }
    }
}
