//! Serf's messages, which travel inside user messages and in the user state of a push/pull.

use super::WireError;
use super::msgpack::{Reader, Writer};
use super::swim::{decode_name, parse_ip};
use crate::limits::{EVENT_SLOTS, EVENTS_PER_SLOT_MAX, PEER_EVENT_BYTES_MAX, PUSH_PULL_NODES_MAX};
use std::collections::BTreeMap;
use std::net::SocketAddr;

mod kind {
    pub const LEAVE: u8 = 0;
    pub const JOIN: u8 = 1;
    pub const PUSH_PULL: u8 = 2;
    pub const USER_EVENT: u8 = 3;
    pub const QUERY: u8 = 4;
    pub const QUERY_RESPONSE: u8 = 5;
    pub const CONFLICT_RESPONSE: u8 = 6;
    pub const KEY_REQUEST: u8 = 7;
    pub const KEY_RESPONSE: u8 = 8;
    pub const RELAY: u8 = 9;
}

/// A Lamport time.
pub type LTime = u64;

/// A node means to join or to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// When, in the member clock.
    pub ltime: LTime,
    /// Who; not always the sender (force-leave).
    pub node: String,
    /// Forget the node as well; in leave intents only.
    pub prune: bool,
}

/// A named event for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEvent {
    /// When, in the event clock.
    pub ltime: LTime,
    /// What.
    pub name: String,
    /// Opaque.
    pub payload: Vec<u8>,
    /// Receivers may fold repeats into one.
    pub coalesce: bool,
}

/// A question to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// When, in the query clock.
    pub ltime: LTime,
    /// Tells queries of the same time apart.
    pub id: u32,
    /// Where answers go.
    pub addr: SocketAddr,
    /// Name of the asker; empty from old agents.
    pub source: String,
    /// Encoded filters; all must accept.
    pub filters: Vec<Vec<u8>>,
    /// Bit 0: acknowledge. Bit 1: do not pass on.
    pub flags: u32,
    /// Copies of each answer sent through other members.
    pub relay_factor: u8,
    /// How long the asker waits, in nanoseconds.
    pub timeout_ns: u64,
    /// What is asked; names that start with `_serf_` are for Serf itself.
    pub name: String,
    /// Opaque.
    pub payload: Vec<u8>,
}

impl Query {
    /// An acknowledgement is wanted.
    pub fn wants_ack(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The query must not be passed on.
    pub fn no_broadcast(&self) -> bool {
        self.flags & 2 != 0
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryResponse {
    /// Of the query.
    pub ltime: LTime,
    /// Of the query.
    pub id: u32,
    /// Who answers.
    pub from: String,
    /// Bit 0: only an acknowledgement.
    pub flags: u32,
    /// Opaque.
    pub payload: Vec<u8>,
}

/// Serf's part of a push/pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Member clock.
    pub ltime: LTime,
    /// When each member last changed, by name.
    pub status_ltimes: BTreeMap<String, LTime>,
    /// Members that left.
    pub left: Vec<String>,
    /// Event clock.
    pub event_ltime: LTime,
    /// Recent events.
    pub events: Vec<UserEvent>,
    /// Query clock.
    pub query_ltime: LTime,
}

/// Any message of Serf.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum SerfMessage {
    Leave(Intent),
    Join(Intent),
    State(State),
    UserEvent(UserEvent),
    Query(Query),
    QueryResponse(QueryResponse),
    /// Answer to a name conflict query: where the answerer sees the node.
    ConflictResponse {
        name: String,
        addr: SocketAddr,
    },
    /// A key operation, inside a query.
    KeyRequest {
        key: Vec<u8>,
    },
    /// What came of it, inside a query response.
    KeyResponse {
        result: bool,
        message: String,
        keys: Vec<String>,
        primary: String,
    },
    /// Pass `message` on to `to`.
    Relay {
        to: SocketAddr,
        name: String,
        message: Vec<u8>,
    },
}

impl SerfMessage {
    /// Decodes a message with its type byte.
    pub fn decode(bytes: &[u8]) -> Result<SerfMessage, WireError> {
        let (&head, body) = bytes.split_first().ok_or(WireError::Truncated)?;
        let mut r = Reader::new(body);
        Ok(match head {
            kind::LEAVE => SerfMessage::Leave(decode_intent(&mut r)?),
            kind::JOIN => SerfMessage::Join(decode_intent(&mut r)?),
            kind::PUSH_PULL => SerfMessage::State(decode_state(&mut r)?),
            kind::USER_EVENT => SerfMessage::UserEvent(decode_event(&mut r, 0)?),
            kind::QUERY => SerfMessage::Query(decode_query(&mut r)?),
            kind::QUERY_RESPONSE => SerfMessage::QueryResponse(decode_response(&mut r)?),
            kind::CONFLICT_RESPONSE => {
                let (addr, name) = decode_place(&mut r)?;
                SerfMessage::ConflictResponse { name, addr }
            }
            kind::KEY_REQUEST => SerfMessage::KeyRequest { key: decode_key(&mut r)? },
            kind::KEY_RESPONSE => decode_key_response(&mut r)?,
            kind::RELAY => decode_relay(&mut r)?,
            other => return Err(WireError::UnknownMessage(other)),
        })
    }

    /// Encodes with the type byte first.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            SerfMessage::Leave(intent) => encode_intent(kind::LEAVE, intent),
            SerfMessage::Join(intent) => encode_intent(kind::JOIN, intent),
            SerfMessage::State(state) => encode_state(state),
            SerfMessage::UserEvent(event) => {
                let mut w = Writer::message(kind::USER_EVENT);
                w.map(4).text("LTime").unsigned(event.ltime).text("Name").text(&event.name);
                w.text("Payload").slice(&event.payload).text("CC").boolean(event.coalesce);
                w.finish()
            }
            SerfMessage::Query(query) => encode_query(query),
            SerfMessage::QueryResponse(response) => {
                let mut w = Writer::message(kind::QUERY_RESPONSE);
                w.map(5).text("LTime").unsigned(response.ltime).text("ID").unsigned(response.id.into());
                w.text("From").text(&response.from).text("Flags").unsigned(response.flags.into());
                w.text("Payload").slice(&response.payload);
                w.finish()
            }
            SerfMessage::ConflictResponse { name, addr } => {
                let mut w = Writer::message(kind::CONFLICT_RESPONSE);
                w.map(3).text("Name").text(name);
                w.text("Addr").raw(&super::swim::ip_bytes(addr.ip()));
                w.text("Port").unsigned(addr.port().into());
                w.finish()
            }
            SerfMessage::KeyRequest { key } => {
                let mut w = Writer::message(kind::KEY_REQUEST);
                w.map(1).text("Key").slice(key);
                w.finish()
            }
            SerfMessage::KeyResponse { result, message, keys, primary } => {
                let mut w = Writer::message(kind::KEY_RESPONSE);
                w.map(4).text("Result").boolean(*result).text("Message").text(message);
                w.text("Keys").array(keys.len());
                for key in keys {
                    w.text(key);
                }
                w.text("PrimaryKey").text(primary);
                w.finish()
            }
            SerfMessage::Relay { to, name, message } => {
                let mut w = Writer::message(kind::RELAY);
                w.map(2).text("DestAddr").map(3).text("IP").raw(&super::swim::ip_bytes(to.ip()));
                w.text("Port").unsigned(to.port().into()).text("Zone").text("");
                w.text("DestName").text(name).append(message);
                w.finish()
            }
        }
    }
}

fn encode_intent(kind: u8, intent: &Intent) -> Vec<u8> {
    let mut w = Writer::message(kind);
    w.map(if kind == kind::LEAVE { 3 } else { 2 });
    w.text("LTime").unsigned(intent.ltime).text("Node").text(&intent.node);
    if kind == kind::LEAVE {
        w.text("Prune").boolean(intent.prune);
    }
    w.finish()
}

fn encode_query(query: &Query) -> Vec<u8> {
    let mut w = Writer::message(kind::QUERY);
    w.map(11).text("LTime").unsigned(query.ltime).text("ID").unsigned(query.id.into());
    w.text("Addr").raw(&super::swim::ip_bytes(query.addr.ip()));
    w.text("Port").unsigned(query.addr.port().into()).text("SourceNode").text(&query.source);
    w.text("Filters").array(query.filters.len());
    for filter in &query.filters {
        w.raw(filter);
    }
    w.text("Flags").unsigned(query.flags.into());
    w.text("RelayFactor").unsigned(query.relay_factor.into());
    w.text("Timeout").unsigned(query.timeout_ns);
    w.text("Name").text(&query.name).text("Payload").slice(&query.payload);
    w.finish()
}

fn encode_state(state: &State) -> Vec<u8> {
    let mut w = Writer::message(kind::PUSH_PULL);
    w.map(6).text("LTime").unsigned(state.ltime);
    w.text("StatusLTimes").map(state.status_ltimes.len());
    for (name, ltime) in &state.status_ltimes {
        w.text(name).unsigned(*ltime);
    }
    w.text("LeftMembers").array(state.left.len());
    for name in &state.left {
        w.text(name);
    }
    w.text("EventLTime").unsigned(state.event_ltime);
    let mut slots: BTreeMap<LTime, Vec<&UserEvent>> = BTreeMap::new();
    for event in &state.events {
        slots.entry(event.ltime).or_default().push(event);
    }
    w.text("Events").array(slots.len());
    for (ltime, events) in slots {
        w.map(2).text("LTime").unsigned(ltime).text("Events").array(events.len());
        for event in events {
            w.map(2).text("Name").text(&event.name).text("Payload").slice(&event.payload);
        }
    }
    w.text("QueryLTime").unsigned(state.query_ltime);
    w.finish()
}

fn decode_intent(r: &mut Reader<'_>) -> Result<Intent, WireError> {
    let mut intent = Intent { ltime: 0, node: String::new(), prune: false };
    for _ in 0..r.map()? {
        match r.raw()? {
            b"LTime" => intent.ltime = r.unsigned()?,
            b"Node" => intent.node = decode_name(r)?,
            b"Prune" => intent.prune = r.boolean()?,
            _ => r.skip()?,
        }
    }
    if intent.node.is_empty() { Err(WireError::EmptyName) } else { Ok(intent) }
}

fn decode_event(r: &mut Reader<'_>, ltime: LTime) -> Result<UserEvent, WireError> {
    let mut event = UserEvent { ltime, name: String::new(), payload: Vec::new(), coalesce: false };
    for _ in 0..r.map()? {
        match r.raw()? {
            b"LTime" => event.ltime = r.unsigned()?,
            b"Name" => event.name = r.text()?,
            b"Payload" => event.payload = r.raw()?.to_vec(),
            b"CC" => event.coalesce = r.boolean()?,
            _ => r.skip()?,
        }
    }
    if event.name.len() + event.payload.len() > PEER_EVENT_BYTES_MAX {
        return Err(WireError::TooLong { what: "user event", max: PEER_EVENT_BYTES_MAX });
    }
    Ok(event)
}

fn decode_query(r: &mut Reader<'_>) -> Result<Query, WireError> {
    let (mut ltime, mut id, mut ip, mut port, mut source) = (0, 0, &[][..], 0, String::new());
    let (mut filters, mut flags, mut relay_factor) = (Vec::new(), 0, 0);
    let (mut timeout_ns, mut name, mut payload) = (0, String::new(), Vec::new());
    for _ in 0..r.map()? {
        match r.raw()? {
            b"LTime" => ltime = r.unsigned()?,
            b"ID" => id = r.u32()?,
            b"Addr" => ip = r.raw()?,
            b"Port" => port = r.u16()?,
            b"SourceNode" => source = decode_name(r)?,
            b"Filters" => {
                for _ in 0..r.array()? {
                    filters.push(r.raw()?.to_vec());
                }
            }
            b"Flags" => flags = r.u32()?,
            b"RelayFactor" => relay_factor = u8::try_from(r.unsigned()?).map_err(|_| WireError::Range)?,
            b"Timeout" => timeout_ns = r.unsigned()?,
            b"Name" => name = r.text()?,
            b"Payload" => payload = r.raw()?.to_vec(),
            _ => r.skip()?,
        }
    }
    let addr = SocketAddr::new(parse_ip(ip)?, port);
    Ok(Query { ltime, id, addr, source, filters, flags, relay_factor, timeout_ns, name, payload })
}

fn decode_response(r: &mut Reader<'_>) -> Result<QueryResponse, WireError> {
    let mut response = QueryResponse { ltime: 0, id: 0, from: String::new(), flags: 0, payload: Vec::new() };
    for _ in 0..r.map()? {
        match r.raw()? {
            b"LTime" => response.ltime = r.unsigned()?,
            b"ID" => response.id = r.u32()?,
            b"From" => response.from = decode_name(r)?,
            b"Flags" => response.flags = r.u32()?,
            b"Payload" => response.payload = r.raw()?.to_vec(),
            _ => r.skip()?,
        }
    }
    Ok(response)
}

/// An address and a name: of a member record or of a relay's `net.UDPAddr`.
fn decode_place(r: &mut Reader<'_>) -> Result<(SocketAddr, String), WireError> {
    let (mut ip, mut port, mut name) = (&[][..], 0, String::new());
    for _ in 0..r.map()? {
        match r.raw()? {
            b"Addr" | b"IP" => ip = r.raw()?,
            b"Port" => port = r.u16()?,
            b"Name" => name = decode_name(r)?,
            _ => r.skip()?,
        }
    }
    Ok((SocketAddr::new(parse_ip(ip)?, port), name))
}

fn decode_key(r: &mut Reader<'_>) -> Result<Vec<u8>, WireError> {
    let mut key = Vec::new();
    for _ in 0..r.map()? {
        match r.raw()? {
            b"Key" => key = r.raw()?.to_vec(),
            _ => r.skip()?,
        }
    }
    Ok(key)
}

fn decode_key_response(r: &mut Reader<'_>) -> Result<SerfMessage, WireError> {
    let (mut result, mut message, mut keys, mut primary) = (false, String::new(), Vec::new(), String::new());
    for _ in 0..r.map()? {
        match r.raw()? {
            b"Result" => result = r.boolean()?,
            b"Message" => message = r.text()?,
            b"Keys" => {
                for _ in 0..r.array()? {
                    keys.push(r.text()?);
                }
            }
            b"PrimaryKey" => primary = r.text()?,
            _ => r.skip()?,
        }
    }
    Ok(SerfMessage::KeyResponse { result, message, keys, primary })
}

fn decode_relay(r: &mut Reader<'_>) -> Result<SerfMessage, WireError> {
    let (mut to, mut name) = (None, String::new());
    for _ in 0..r.map()? {
        match r.raw()? {
            b"DestAddr" => to = Some(decode_place(r)?.0),
            b"DestName" => name = decode_name(r)?,
            _ => r.skip()?,
        }
    }
    let to = to.ok_or(WireError::Address(0))?;
    Ok(SerfMessage::Relay { to, name, message: r.rest().to_vec() })
}

fn decode_state(r: &mut Reader<'_>) -> Result<State, WireError> {
    let mut state = State::default();
    for _ in 0..r.map()? {
        match r.raw()? {
            b"LTime" => state.ltime = r.unsigned()?,
            b"StatusLTimes" => {
                for _ in 0..bounded(r.map()?, PUSH_PULL_NODES_MAX, "status times")? {
                    state.status_ltimes.insert(decode_name(r)?, r.unsigned()?);
                }
            }
            b"LeftMembers" => {
                for _ in 0..bounded(r.array()?, PUSH_PULL_NODES_MAX, "left members")? {
                    state.left.push(decode_name(r)?);
                }
            }
            b"EventLTime" => state.event_ltime = r.unsigned()?,
            b"Events" => {
                for _ in 0..bounded(r.array()?, EVENT_SLOTS * 2, "events")? {
                    decode_slot(r, &mut state.events)?;
                }
            }
            b"QueryLTime" => state.query_ltime = r.unsigned()?,
            _ => r.skip()?,
        }
    }
    Ok(state)
}

/// The events of one Lamport time. Their time may come after them.
fn decode_slot(r: &mut Reader<'_>, events: &mut Vec<UserEvent>) -> Result<(), WireError> {
    let (mut ltime, first) = (0, events.len());
    for _ in 0..r.map()? {
        match r.raw()? {
            b"LTime" => ltime = r.unsigned()?,
            b"Events" => {
                for _ in 0..bounded(r.array()?, EVENTS_PER_SLOT_MAX * 32, "events of one time")? {
                    events.push(decode_event(r, 0)?);
                }
            }
            _ => r.skip()?,
        }
    }
    for event in &mut events[first..] {
        event.ltime = ltime;
    }
    Ok(())
}

fn bounded(len: usize, max: usize, what: &'static str) -> Result<usize, WireError> {
    if len > max { Err(WireError::TooLong { what, max }) } else { Ok(len) }
}
