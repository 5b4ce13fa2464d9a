//! Serf queries of others: passed on, and answered when they are meant for Serf itself. What this node asks is in
//! `ask.rs`.

use super::GossipCore;
use crate::wire::msgpack::Reader;
use crate::wire::serf::{Query, QueryResponse, SerfMessage};
use crate::wire::swim::Message;
use std::net::SocketAddr;

/// Answers are sent through at most this many other members.
const RELAY_FACTOR_MAX: u8 = 5;

impl GossipCore {
    pub(super) fn on_query(&mut self, query: &Query) {
        self.clocks.query.witness(query.ltime);
        if !self.queries.note(query.ltime, query.id, self.clocks.query.time()) {
            return;
        }
        if !query.no_broadcast() {
            let bytes = Message::User(SerfMessage::Query(query.clone()).encode()).encode();
            self.queues.queries.push(None, bytes);
            self.arm_gossip();
        }
        self.reply_to(query);
    }

    /// Answers a query if this node is meant.
    pub(super) fn reply_to(&mut self, query: &Query) {
        // Answers go to members only: nobody may aim us at strangers.
        let asker_known = self.peers.values().any(|peer| peer.addr == query.addr);
        if !asker_known || !query.filters.iter().all(|filter| self.passes(filter)) {
            return;
        }
        if query.wants_ack() {
            self.answer(query, 1, Vec::new());
        }
        match query.name.strip_prefix("_serf_") {
            Some("conflict") => {
                if let Some(payload) = self.place_of(&query.payload) {
                    self.answer(query, 0, payload);
                }
            }
            Some(verb @ ("install-key" | "use-key" | "remove-key" | "list-keys")) => self.on_key_query(verb, query),
            Some(_) | None => {}
        }
    }

    /// Where this node sees another one.
    fn place_of(&self, name: &[u8]) -> Option<Vec<u8>> {
        let name = std::str::from_utf8(name).ok()?;
        let peer = self.peers.get(name).filter(|peer| peer.name != self.name)?;
        Some(SerfMessage::ConflictResponse { name: name.to_owned(), addr: peer.addr }.encode())
    }

    pub(super) fn answer(&mut self, query: &Query, flags: u32, payload: Vec<u8>) {
        let from = self.name.to_string();
        let response = QueryResponse { ltime: query.ltime, id: query.id, from, flags, payload };
        if query.addr == self.me().addr {
            return self.on_query_response(response);
        }
        let response = SerfMessage::QueryResponse(response);
        self.send_serf(query.addr, &response);
        let (me, asker) = (self.name.clone(), query.addr);
        let count = usize::from(query.relay_factor.min(RELAY_FACTOR_MAX));
        let helpers = self.random_peers(count, |p| p.swim.is_up() && p.name != me && p.addr != asker);
        let name = query.source.clone();
        let relayed = SerfMessage::Relay { to: asker, name, message: response.encode() };
        for helper in helpers {
            self.send_serf(helper, &relayed);
        }
    }

    /// Whether this node is meant. A tag filter that needs a regular expression is not understood
    /// and does not pass: silence is safer than an answer nobody wanted.
    fn passes(&self, filter: &[u8]) -> bool {
        match filter.split_first() {
            Some((0, body)) => {
                let mut names = Reader::new(body);
                let Ok(count) = names.array() else { return false };
                (0..count).map_while(|_| names.raw().ok()).any(|name| name == self.name.as_bytes())
            }
            Some((1, body)) => tag_filter(body)
                .is_some_and(|(tag, wanted)| self.me().tags.get(&tag).is_some_and(|value| value.contains(&wanted))),
            _ => false,
        }
    }

    pub(super) fn on_relay(&mut self, to: SocketAddr, message: &[u8]) {
        let known = self.peers.values().any(|peer| peer.addr == to);
        if known && let Ok(response @ SerfMessage::QueryResponse(_)) = SerfMessage::decode(message) {
            self.send_serf(to, &response);
        }
    }
}

/// Tag and plain text it must contain; nothing when the expression is more than plain text.
fn tag_filter(body: &[u8]) -> Option<(String, String)> {
    let mut r = Reader::new(body);
    let (mut tag, mut wanted) = (String::new(), String::new());
    for _ in 0..r.map().ok()? {
        match r.raw().ok()? {
            b"Tag" => tag = r.text().ok()?,
            b"Expr" => wanted = r.text().ok()?,
            _ => r.skip().ok()?,
        }
    }
    let plain = !wanted.contains(['\\', '^', '$', '.', '|', '?', '*', '+', '(', ')', '[', '{']);
    plain.then_some((tag, wanted))
}
