//! The Serf layer: intents, statuses and user events, ordered by Lamport time.

use super::{GossipCore, Life};
use crate::intents::IntentKind;
use crate::member::{PoolEvent, Status};
use crate::wire::serf::{Intent, SerfMessage, State, UserEvent};
use crate::wire::swim::Message;
use std::collections::BTreeSet;
use std::sync::Arc;

impl GossipCore {
    pub(super) fn on_serf(&mut self, payload: &[u8]) {
        match SerfMessage::decode(payload) {
            Ok(SerfMessage::Join(intent)) => self.on_join_intent(&intent),
            Ok(SerfMessage::Leave(intent)) => self.on_leave_intent(&intent),
            Ok(SerfMessage::UserEvent(event)) => self.on_user_event(event),
            Ok(SerfMessage::Query(query)) => self.on_query(&query),
            Ok(SerfMessage::Relay { to, message, .. }) => self.on_relay(to, &message),
            Ok(SerfMessage::QueryResponse(response)) => self.on_query_response(response),
            // States outside push/pull, and what belongs into queries and their answers.
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "unreadable Serf message"),
        }
    }

    /// A member went from not there to there.
    pub(super) fn serf_join(&mut self, name: &Arc<str>, known: bool) {
        let intent = if known { None } else { self.intents.take(name) };
        let Some(peer) = self.peers.get_mut(name) else { return };
        peer.status = Status::Alive;
        if let Some((kind, ltime)) = intent {
            peer.status_ltime = ltime;
            if kind == IntentKind::Leave {
                peer.status = Status::Leaving;
            }
        }
        let member = peer.member();
        self.emit(PoolEvent::Join(member));
    }

    /// A member went from there to not there. `by_itself` when its obituary is its own: then it
    /// left, even if the intent that should have come before was lost.
    pub(super) fn serf_gone(&mut self, name: &Arc<str>, by_itself: bool) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(name) else { return };
        peer.gone_since = now;
        let left = by_itself || peer.status == Status::Leaving;
        peer.status = if left { Status::Left } else { Status::Failed };
        let member = peer.member();
        self.emit(if left { PoolEvent::Leave(member) } else { PoolEvent::Failed(member) });
    }

    fn on_join_intent(&mut self, intent: &Intent) {
        if self.note_join(intent) {
            self.broadcast_intent(&SerfMessage::Join(intent.clone()));
        }
    }

    fn note_join(&mut self, intent: &Intent) -> bool {
        self.clocks.member.witness(intent.ltime);
        let Some(peer) = self.peers.get_mut(intent.node.as_str()) else {
            return self.intents.note(&intent.node, IntentKind::Join, intent.ltime, self.now);
        };
        if intent.ltime <= peer.status_ltime {
            return false;
        }
        peer.status_ltime = intent.ltime;
        if peer.status == Status::Leaving && *peer.name != *self.name {
            peer.status = Status::Alive;
            self.changed = true;
        }
        true
    }

    pub(super) fn on_leave_intent(&mut self, intent: &Intent) {
        if self.note_leave(intent) {
            self.broadcast_intent(&SerfMessage::Leave(intent.clone()));
        }
    }

    /// Applies a leave intent; true when it is news.
    pub(super) fn note_leave(&mut self, intent: &Intent) -> bool {
        self.clocks.member.witness(intent.ltime);
        let Some(peer) = self.peers.get_mut(intent.node.as_str()) else {
            return self.intents.note(&intent.node, IntentKind::Leave, intent.ltime, self.now);
        };
        if intent.ltime <= peer.status_ltime {
            return false;
        }
        let name = peer.name.clone();
        if name == self.name && self.life == Life::Alive {
            // An old or forged intent; a newer join overrules it.
            self.broadcast_join();
            return false;
        }
        peer.status_ltime = intent.ltime;
        self.changed = true;
        let before = peer.status;
        match before {
            Status::Alive => peer.status = Status::Leaving,
            Status::Failed => {
                peer.status = Status::Left;
                let member = peer.member();
                self.emit(PoolEvent::Leave(member));
            }
            Status::Leaving | Status::Left => {}
        }
        if intent.prune && before != Status::Alive {
            self.prune(&name);
        }
        before != Status::Left || intent.prune
    }

    /// Tells everybody that this node is here to stay.
    pub(super) fn broadcast_join(&mut self) {
        let intent = Intent { ltime: self.clocks.member.tick(), node: self.name.to_string(), prune: false };
        self.me_mut().status_ltime = intent.ltime;
        self.broadcast_intent(&SerfMessage::Join(intent));
    }

    pub(super) fn broadcast_intent(&mut self, message: &SerfMessage) -> crate::broadcast::BroadcastId {
        let bytes = Message::User(message.encode()).encode();
        let id = self.queues.intents.push(None, bytes);
        self.arm_gossip();
        id
    }

    pub(super) fn on_user_event(&mut self, event: UserEvent) {
        self.clocks.event.witness(event.ltime);
        if !self.events.note(&event, self.clocks.event.time()) {
            return;
        }
        let bytes = Message::User(SerfMessage::UserEvent(event.clone()).encode()).encode();
        self.queues.events.push(None, bytes);
        self.arm_gossip();
        self.emit(PoolEvent::UserEvent(event));
    }

    pub(super) fn serf_state(&self) -> Vec<u8> {
        let state = State {
            ltime: self.clocks.member.time(),
            status_ltimes: self.peers.values().map(|p| (p.name.to_string(), p.status_ltime)).collect(),
            left: self.peers.values().filter(|p| p.status == Status::Left).map(|p| p.name.to_string()).collect(),
            event_ltime: self.clocks.event.time(),
            events: self.events.all(),
            query_ltime: self.clocks.query.time(),
        };
        SerfMessage::State(state).encode()
    }

    /// Takes over Serf's part of a push/pull; `joined` when this node asked for it to join.
    pub(super) fn merge_serf(&mut self, user_state: &[u8], joined: bool) {
        let state = match SerfMessage::decode(user_state) {
            Ok(SerfMessage::State(state)) => state,
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(%error, "unreadable Serf state in a push/pull");
                return;
            }
        };
        // The sender's clocks stand one past the last message it knows.
        self.clocks.member.witness(state.ltime.saturating_sub(1));
        self.clocks.event.witness(state.event_ltime.saturating_sub(1));
        self.clocks.query.witness(state.query_ltime.saturating_sub(1));
        let left: BTreeSet<&str> = state.left.iter().map(String::as_str).collect();
        for (node, ltime) in &state.status_ltimes {
            let intent = Intent { ltime: *ltime, node: node.clone(), prune: false };
            if left.contains(node.as_str()) {
                self.note_leave(&intent);
            } else {
                self.note_join(&intent);
            }
        }
        if joined {
            // What happened before this node was there is not for it.
            self.events.not_before = self.events.not_before.max(state.event_ltime);
        }
        for event in state.events {
            self.on_user_event(event);
        }
    }
}
