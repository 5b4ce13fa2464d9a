//! Serf queries. This node asks none; it passes them on and answers those meant for Serf itself.

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
        // Answers go to members only: nobody may aim us at strangers.
        let asker_known = self.peers.values().any(|peer| peer.addr == query.addr);
        if !asker_known || !query.filters.iter().all(|filter| self.passes(filter)) {
            return;
        }
        if query.wants_ack() {
            self.answer(query, 1, Vec::new());
        }
        if let Some(payload) = self.internal_answer(query) {
            self.answer(query, 0, payload);
        }
    }

    fn internal_answer(&self, query: &Query) -> Option<Vec<u8>> {
        match query.name.strip_prefix("_serf_")? {
            "conflict" => {
                let name = std::str::from_utf8(&query.payload).ok()?;
                let peer = self.peers.get(name).filter(|peer| peer.name != self.name)?;
                Some(SerfMessage::ConflictResponse { name: name.to_owned(), addr: peer.addr }.encode())
            }
            "install-key" | "use-key" | "remove-key" | "list-keys" => Some(
                SerfMessage::KeyResponse {
                    result: false,
                    message: "this node gossips without encryption, it has no keyring".to_owned(),
                    keys: Vec::new(),
                    primary: String::new(),
                }
                .encode(),
            ),
            _ => None,
        }
    }

    fn answer(&mut self, query: &Query, flags: u32, payload: Vec<u8>) {
        let from = self.name.to_string();
        let response =
            SerfMessage::QueryResponse(QueryResponse { ltime: query.ltime, id: query.id, from, flags, payload });
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
