//! Queries that this node asks: sent to all, answered by those meant, collected until all have answered or the time is
//! over.

use super::{CommandError, GossipCore, Output, Timer};
use crate::limits::{QUERIES_MAX, QUERY_ANSWERS_MAX, QUERY_BYTES_MAX, QUERY_REMINDERS_MAX};
use crate::time::Time;
use crate::wire::msgpack::Writer;
use crate::wire::serf::{Query, QueryResponse, SerfMessage};
use crate::wire::swim::Message;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// A query lives this many gossip periods, times the logarithm of the pool's size.
const TIMEOUT_MULT: u32 = 16;

/// A question to the members of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What is asked; names that start with `_serf_` are for the pool itself.
    pub name: String,
    /// Opaque; name and payload have room for about 900 bytes.
    pub payload: Vec<u8>,
    /// Names of the nodes that are asked; empty for all.
    pub nodes: Vec<String>,
    /// Copies of each answer that are sent through other members, at most 5.
    pub relay_factor: u8,
    /// How long to wait; by default it follows from the size of the pool.
    pub timeout: Option<Duration>,
}

/// Names a query that this node asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(u64);

/// What came of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Nodes that were alive when it was asked.
    pub asked: usize,
    /// Nodes that received it.
    pub acks: Vec<String>,
    /// What they said, by node.
    pub answers: BTreeMap<String, Vec<u8>>,
}

/// A query under way.
#[derive(Debug)]
pub(super) struct Asked {
    query: Query,
    wanted: usize,
    end: Time,
    answers: Answers,
}

impl GossipCore {
    /// Asks all members, this node included; [`Output::Answered`] brings what they say.
    pub fn ask(&mut self, now: Time, question: Question) -> Result<QueryId, CommandError> {
        self.now = now;
        if self.asked.len() >= QUERIES_MAX {
            return Err(CommandError::TooManyQueries);
        }
        let asked = self.peers.values().filter(|peer| peer.swim.is_up()).count();
        let wanted = if question.nodes.is_empty() { asked } else { question.nodes.len() };
        let timeout = question.timeout.unwrap_or_else(|| self.query_timeout());
        let query = Query {
            ltime: self.clocks.query.time(),
            id: self.rng.random(),
            addr: self.me().addr,
            source: self.name.to_string(),
            filters: node_filter(&question.nodes).into_iter().collect(),
            flags: 1,
            relay_factor: question.relay_factor,
            timeout_ns: u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
            name: question.name,
            payload: question.payload,
        };
        let message = SerfMessage::Query(query.clone()).encode();
        if message.len() > QUERY_BYTES_MAX {
            return Err(CommandError::QueryTooLong);
        }
        self.clocks.query.tick();
        self.next_query += 1;
        let id = QueryId(self.next_query);
        let end = now + timeout;
        let answers = Answers { asked, ..Answers::default() };
        self.asked.insert(id, Asked { query: query.clone(), wanted, end, answers });
        self.arm(timeout / 2, Timer::QueryAgain(id));
        self.arm(timeout, Timer::QueryEnd(id));
        self.queries.note(query.ltime, query.id, self.clocks.query.time());
        self.queues.queries.push(None, Message::User(message).encode());
        self.arm_gossip();
        self.reply_to(&query);
        Ok(id)
    }

    fn query_timeout(&self) -> Duration {
        let scale = ((self.order.len() + 1) as f64).log10().ceil().max(1.0);
        self.timing.gossip_interval * TIMEOUT_MULT * (scale as u32)
    }

    /// An answer or an acknowledgement arrived. Late and repeated ones change nothing.
    pub(super) fn on_query_response(&mut self, response: QueryResponse) {
        let fits = |asked: &Asked| asked.query.ltime == response.ltime && asked.query.id == response.id;
        let Some((&id, asked)) = self.asked.iter_mut().find(|(_, asked)| fits(asked)) else { return };
        let answers = &mut asked.answers;
        if response.flags & 1 != 0 {
            if answers.acks.len() < QUERY_ANSWERS_MAX && !answers.acks.contains(&response.from) {
                answers.acks.push(response.from);
            }
        } else if answers.answers.len() < QUERY_ANSWERS_MAX {
            answers.answers.entry(response.from).or_insert(response.payload);
        }
        if answers.answers.len() >= asked.wanted {
            self.end_query(id);
        }
    }

    /// Half of the time is over: gossip reaches all but a few, so those that have not acknowledged are told directly.
    /// Who has seen the query drops it.
    pub(super) fn ask_again(&mut self, id: QueryId) {
        let Some(asked) = self.asked.get(&id) else { return };
        let acks: BTreeSet<&str> = asked.answers.acks.iter().map(String::as_str).collect();
        let silent = self.peers.values().filter(|peer| peer.swim.is_up() && !acks.contains(&*peer.name));
        let silent: Vec<SocketAddr> = silent.map(|peer| peer.addr).take(QUERY_REMINDERS_MAX).collect();
        let message = SerfMessage::Query(asked.query.clone());
        for to in silent {
            self.send_serf(to, &message);
        }
    }

    /// The time of a query is over.
    pub(super) fn query_expired(&mut self, id: QueryId) {
        if self.asked.get(&id).is_some_and(|asked| asked.end <= self.now) {
            self.end_query(id);
        }
    }

    fn end_query(&mut self, id: QueryId) {
        if let Some(asked) = self.asked.remove(&id) {
            if self.vote.as_ref().is_some_and(|vote| *vote == id) {
                self.count_votes(&asked.answers);
            } else {
                self.out.push(Output::Answered { query: id, answers: asked.answers });
            }
        }
    }
}

/// The filter that accepts these nodes; none accepts all.
fn node_filter(nodes: &[String]) -> Option<Vec<u8>> {
    if nodes.is_empty() {
        return None;
    }
    let mut writer = Writer::message(0);
    writer.array(nodes.len());
    for node in nodes {
        writer.text(node);
    }
    Some(writer.finish())
}
