//! Streams: full state exchange when joining, now and then, and with the failed; and the ping of
//! last resort.

use super::peer::Swim;
use super::{GossipCore, Life, Output, StreamId, Timer};
use crate::limits::STREAMS_MAX;
use crate::member::Status;
use crate::time::Time;
use crate::wire::stream::{Frame, NodeReport, NodeState, PushPull};
use crate::wire::swim::{Accusation, Message};
use rand::Rng;
use std::net::SocketAddr;

/// Why a stream was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A user wants it; the result is told.
    Join,
    /// Comparing notes.
    PushPull,
    /// The ping of a probe.
    Ping(u32),
}

impl GossipCore {
    /// Starts to join through whoever listens at `to`; the result comes as [`Output::Joined`].
    pub fn join(&mut self, now: Time, to: SocketAddr) -> StreamId {
        self.now = now;
        let state = self.local_state(true);
        let deadline = now + self.timing.stream_timeout;
        match self.connect(to, Frame::PushPull(state).encode(), deadline, Purpose::Join) {
            Some(stream) => stream,
            None => {
                let stream = self.new_stream();
                let result = Err("too many streams are open; try again".to_owned());
                self.out.push(Output::Joined { stream, result });
                stream
            }
        }
    }

    fn new_stream(&mut self) -> StreamId {
        self.next_stream += 1;
        StreamId(self.next_stream)
    }

    pub(super) fn connect(
        &mut self,
        to: SocketAddr,
        bytes: Vec<u8>,
        deadline: Time,
        purpose: Purpose,
    ) -> Option<StreamId> {
        if self.streams.len() >= STREAMS_MAX {
            return None;
        }
        let stream = self.new_stream();
        self.streams.insert(stream, purpose);
        let bytes = self.seal_frame(bytes);
        self.out.push(Output::Connect { stream, to, bytes, deadline });
        Some(stream)
    }

    /// The one frame that answered an [`Output::Connect`], or why there is none.
    pub fn on_reply(&mut self, now: Time, stream: StreamId, reply: Result<Frame, String>) {
        self.now = now;
        let Some(purpose) = self.streams.remove(&stream) else { return };
        let reply = reply.and_then(|frame| self.open_frame(frame).map_err(|error| error.to_string()));
        match (purpose, reply) {
            (Purpose::Ping(seq), Ok(Frame::Message(Message::Ack(ack)))) => {
                self.stream_ping_answered(seq, ack.seq);
            }
            (Purpose::Ping(_), _) => {}
            (_, Ok(Frame::PushPull(state))) => {
                if let Some(objection) = self.objection_to_state(&state) {
                    self.complain(&objection);
                    if purpose == Purpose::Join {
                        self.out.push(Output::Joined { stream, result: Err(objection) });
                    }
                    return;
                }
                self.merge(&state, purpose == Purpose::Join);
                if purpose == Purpose::Join {
                    self.broadcast_join();
                    self.out.push(Output::Joined { stream, result: Ok(()) });
                }
            }
            (Purpose::Join, answer) => {
                let reason = match answer {
                    Ok(Frame::Message(Message::Error(text))) => format!("peer refused: {text}"),
                    Ok(_) => "peer answered with something else than its state".to_owned(),
                    Err(reason) => reason,
                };
                self.out.push(Output::Joined { stream, result: Err(reason) });
            }
            (Purpose::PushPull, _) => {}
        }
    }

    /// A frame arrived on a stream a peer opened. Returns the answer; then the stream ends.
    pub fn on_frame(&mut self, now: Time, frame: Frame) -> Option<Vec<u8>> {
        self.now = now;
        let frame = match self.open_frame(frame) {
            Ok(frame) => frame,
            Err(error) => return Some(self.refuse(&error)),
        };
        match frame {
            Frame::PushPull(state) => {
                if let Some(objection) = self.objection_to_state(&state) {
                    return Some(self.refuse(&objection));
                }
                let answer = Frame::PushPull(self.local_state(false)).encode();
                self.merge(&state, false);
                Some(self.seal_frame(answer))
            }
            Frame::Message(Message::Ping(ping)) => {
                if !ping.node.is_empty() && *ping.node != *self.name {
                    return None;
                }
                let ack = Message::Ack(self.ack(ping.seq)).encode();
                Some(self.seal_frame(ack))
            }
            Frame::Message(Message::User(payload)) => {
                self.on_serf(&payload);
                None
            }
            Frame::Message(_) | Frame::Sealed(_) => None,
        }
    }

    fn local_state(&self, join: bool) -> PushPull {
        let report =
            |peer: &super::peer::Peer| peer.node_state().map(|state| NodeReport { alive: peer.alive(), state });
        PushPull { join, nodes: self.peers.values().filter_map(report).collect(), user_state: self.serf_state() }
    }

    fn merge(&mut self, state: &PushPull, joined: bool) {
        for report in &state.nodes {
            let (incarnation, node) = (report.alive.incarnation, report.alive.node.clone());
            if *node == *self.name && report.alive.addr != self.me().addr {
                self.insist();
            }
            match report.state {
                NodeState::Alive => self.on_alive(&report.alive),
                NodeState::Left => {
                    let from = node.clone();
                    self.on_dead(&Accusation { incarnation, node, from });
                }
                // An obituary at second hand is a reason to look, not a fact.
                NodeState::Dead | NodeState::Suspect => {
                    let from = self.name.to_string();
                    self.on_suspect(&Accusation { incarnation, node, from });
                }
            }
        }
        self.merge_serf(&state.user_state, joined);
    }

    pub(super) fn push_pull_random(&mut self) {
        self.arm(self.timing.push_pull_scaled(self.order.len()), Timer::PushPull);
        let me = self.name.clone();
        let partner = self.random_peers(1, |peer| peer.swim == Swim::Alive && peer.name != me);
        if let (Some(to), Life::Alive) = (partner.first(), self.life) {
            self.push_pull_with(*to, false);
        }
    }

    fn push_pull_with(&mut self, to: SocketAddr, join: bool) {
        let bytes = Frame::PushPull(self.local_state(join)).encode();
        let deadline = self.now + self.timing.stream_timeout;
        self.connect(to, bytes, deadline, Purpose::PushPull);
    }

    /// Dials one failed member now and then: a healed partition looks like this from both sides.
    pub(super) fn reconnect(&mut self) {
        self.arm(self.timing.reconnect_interval, Timer::Reconnect);
        let failed: Vec<SocketAddr> =
            self.peers.values().filter(|p| p.status == Status::Failed).map(|p| p.addr).collect();
        if failed.is_empty() || self.life != Life::Alive {
            return;
        }
        let alive = self.peers.values().filter(|p| p.status == Status::Alive).count().max(1);
        // The whole cluster together makes about one attempt per failed member and period.
        let chance = failed.len() as f64 / alive as f64;
        if self.rng.random_range(0.0..1.0) < chance {
            let to = failed[self.rng.random_range(0..failed.len())];
            self.push_pull_with(to, true);
        }
    }
}
