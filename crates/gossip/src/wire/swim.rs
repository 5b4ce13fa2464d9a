//! The messages of the membership protocol below Serf: pings, suspicions, obituaries and births.

use super::WireError;
use super::msgpack::{Reader, Writer};
use crate::limits::{META_BYTES_MAX, NAME_BYTES_MAX};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// First byte of each message.
pub mod kind {
    #![expect(missing_docs, reason = "the names are the documentation")]
    pub const PING: u8 = 0;
    pub const INDIRECT_PING: u8 = 1;
    pub const ACK: u8 = 2;
    pub const SUSPECT: u8 = 3;
    pub const ALIVE: u8 = 4;
    pub const DEAD: u8 = 5;
    pub const PUSH_PULL: u8 = 6;
    pub const COMPOUND: u8 = 7;
    pub const USER: u8 = 8;
    pub const COMPRESS: u8 = 9;
    pub const ENCRYPT: u8 = 10;
    pub const NACK: u8 = 11;
    pub const CHECKSUM: u8 = 12;
    pub const ERROR: u8 = 13;
    pub const LABEL: u8 = 244;
}

/// Protocol versions a node speaks: membership min, max, current, then Serf min, max, current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions(pub [u8; 6]);

impl Versions {
    /// What this crate speaks.
    pub const OURS: Versions = Versions([1, 5, 2, 2, 5, 4]);

    /// Both currents lie in their ranges, and the ranges meet ours.
    pub fn understood(self) -> bool {
        let [pmin, pmax, pcur, dmin, dmax, dcur] = self.0;
        let ours = Versions::OURS.0;
        pmin <= pcur
            && pcur <= pmax
            && dmin <= dcur
            && dcur <= dmax
            && pcur >= ours[0]
            && pcur <= ours[1]
            && dcur >= ours[3]
            && dcur <= ours[4]
    }

    /// The node understands nacks for indirect pings.
    pub fn nacks(self) -> bool {
        self.0[1] >= 4
    }
}

/// Asks a node to prove it is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Repeated in the answer.
    pub seq: u32,
    /// The node meant; empty means whoever listens there.
    pub node: String,
}

/// Asks a node to ping another for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndirectPing {
    /// Repeated in the answer.
    pub seq: u32,
    /// Where the node in question listens.
    pub target: SocketAddr,
    /// Its name.
    pub node: String,
    /// Whether silence of the target should be answered with a nack.
    pub nack: bool,
}

/// Answer to a ping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Of the ping.
    pub seq: u32,
    /// For Serf, the sender's network coordinate.
    pub payload: Vec<u8>,
}

/// Somebody did not answer `from`, or is known to be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accusation {
    /// The incarnation that was silent.
    pub incarnation: u32,
    /// Who.
    pub node: String,
    /// Accuser; equal to `node` in an obituary means the node left by itself.
    pub from: String,
}

/// A node is there, at this address, with this meta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Raised by the node itself to overrule accusations.
    pub incarnation: u32,
    /// Name, unique in the cluster.
    pub node: String,
    /// Where it listens for datagrams and streams.
    pub addr: SocketAddr,
    /// Encoded tags.
    pub meta: Vec<u8>,
    /// What it speaks.
    pub versions: Versions,
}

/// One message of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum Message {
    Ping(Ping),
    IndirectPing(IndirectPing),
    Ack(Ack),
    Nack {
        seq: u32,
    },
    Suspect(Accusation),
    Alive(Alive),
    Dead(Accusation),
    /// A Serf message.
    User(Vec<u8>),
    /// An error text, in streams only.
    Error(String),
}

impl Message {
    /// Decodes one message that is not an envelope.
    pub fn decode(bytes: &[u8]) -> Result<Message, WireError> {
        let (&head, body) = bytes.split_first().ok_or(WireError::Truncated)?;
        let mut reader = Reader::new(body);
        Ok(match head {
            kind::PING => Message::Ping(decode_ping(&mut reader)?),
            kind::INDIRECT_PING => Message::IndirectPing(decode_indirect(&mut reader)?),
            kind::ACK => Message::Ack(decode_ack(&mut reader)?),
            kind::NACK => Message::Nack { seq: decode_ack(&mut reader)?.seq },
            kind::SUSPECT => Message::Suspect(decode_accusation(&mut reader)?),
            kind::ALIVE => Message::Alive(decode_node(&mut reader)?.0),
            kind::DEAD => Message::Dead(decode_accusation(&mut reader)?),
            kind::USER => Message::User(body.to_vec()),
            kind::ERROR => Message::Error(decode_error(&mut reader)?),
            other => return Err(WireError::UnknownMessage(other)),
        })
    }

    /// Encodes with the type byte first.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Message::Ping(ping) => {
                let mut w = Writer::message(kind::PING);
                w.map(2).text("SeqNo").unsigned(ping.seq.into()).text("Node").text(&ping.node);
                w.finish()
            }
            Message::IndirectPing(ping) => {
                let mut w = Writer::message(kind::INDIRECT_PING);
                w.map(5).text("SeqNo").unsigned(ping.seq.into());
                w.text("Target").raw(&ip_bytes(ping.target.ip()));
                w.text("Port").unsigned(ping.target.port().into());
                w.text("Node").text(&ping.node).text("Nack").boolean(ping.nack);
                w.finish()
            }
            Message::Ack(ack) => {
                let mut w = Writer::message(kind::ACK);
                w.map(2).text("SeqNo").unsigned(ack.seq.into()).text("Payload").slice(&ack.payload);
                w.finish()
            }
            Message::Nack { seq } => {
                let mut w = Writer::message(kind::NACK);
                w.map(1).text("SeqNo").unsigned((*seq).into());
                w.finish()
            }
            Message::Suspect(accusation) => encode_accusation(kind::SUSPECT, accusation),
            Message::Dead(accusation) => encode_accusation(kind::DEAD, accusation),
            Message::Alive(alive) => {
                let mut w = Writer::message(kind::ALIVE);
                w.map(6);
                write_alive(&mut w, "Node", alive);
                w.finish()
            }
            Message::User(payload) => {
                let mut bytes = Vec::with_capacity(payload.len() + 1);
                bytes.push(kind::USER);
                bytes.extend_from_slice(payload);
                bytes
            }
            Message::Error(text) => {
                let mut w = Writer::message(kind::ERROR);
                w.map(1).text("Error").text(text);
                w.finish()
            }
        }
    }
}

fn encode_accusation(kind: u8, accusation: &Accusation) -> Vec<u8> {
    let mut w = Writer::message(kind);
    w.map(3).text("Incarnation").unsigned(accusation.incarnation.into());
    w.text("Node").text(&accusation.node).text("From").text(&accusation.from);
    w.finish()
}

/// Writes the six fields of a node; its name has another key in push/pull than in `alive`.
pub(super) fn write_alive(w: &mut Writer, name_key: &str, alive: &Alive) {
    w.text("Incarnation").unsigned(alive.incarnation.into());
    w.text(name_key).text(&alive.node);
    w.text("Addr").raw(&ip_bytes(alive.addr.ip()));
    w.text("Port").unsigned(alive.addr.port().into());
    w.text("Meta").slice(&alive.meta).text("Vsn").raw(&alive.versions.0);
}

fn decode_ping(r: &mut Reader<'_>) -> Result<Ping, WireError> {
    let mut ping = Ping { seq: 0, node: String::new() };
    for _ in 0..r.map()? {
        match r.raw()? {
            b"SeqNo" => ping.seq = r.u32()?,
            b"Node" => ping.node = decode_name(r)?,
            _ => r.skip()?,
        }
    }
    Ok(ping)
}

fn decode_indirect(r: &mut Reader<'_>) -> Result<IndirectPing, WireError> {
    let (mut seq, mut ip, mut port, mut node, mut nack) = (0, &[][..], 0, String::new(), false);
    for _ in 0..r.map()? {
        match r.raw()? {
            b"SeqNo" => seq = r.u32()?,
            b"Target" => ip = r.raw()?,
            b"Port" => port = r.u16()?,
            b"Node" => node = decode_name(r)?,
            b"Nack" => nack = r.boolean()?,
            _ => r.skip()?,
        }
    }
    Ok(IndirectPing { seq, target: SocketAddr::new(parse_ip(ip)?, port), node, nack })
}

fn decode_ack(r: &mut Reader<'_>) -> Result<Ack, WireError> {
    let mut ack = Ack { seq: 0, payload: Vec::new() };
    for _ in 0..r.map()? {
        match r.raw()? {
            b"SeqNo" => ack.seq = r.u32()?,
            b"Payload" => ack.payload = r.raw()?.to_vec(),
            _ => r.skip()?,
        }
    }
    Ok(ack)
}

fn decode_error(r: &mut Reader<'_>) -> Result<String, WireError> {
    let mut text = String::new();
    for _ in 0..r.map()? {
        match r.raw()? {
            b"Error" => text = r.text()?,
            _ => r.skip()?,
        }
    }
    Ok(text)
}

fn decode_accusation(r: &mut Reader<'_>) -> Result<Accusation, WireError> {
    let mut accusation = Accusation { incarnation: 0, node: String::new(), from: String::new() };
    for _ in 0..r.map()? {
        match r.raw()? {
            b"Incarnation" => accusation.incarnation = r.u32()?,
            b"Node" => accusation.node = decode_name(r)?,
            b"From" => accusation.from = decode_name(r)?,
            _ => r.skip()?,
        }
    }
    if accusation.node.is_empty() { Err(WireError::EmptyName) } else { Ok(accusation) }
}

/// Decodes a node of an `alive` message or of push/pull; also gives the raw push/pull state.
pub(super) fn decode_node(r: &mut Reader<'_>) -> Result<(Alive, u64), WireError> {
    let (mut incarnation, mut node, mut ip, mut port) = (0, String::new(), &[][..], 0);
    let (mut meta, mut vsn, mut state) = (&[][..], &[][..], 0);
    for _ in 0..r.map()? {
        match r.raw()? {
            b"Incarnation" => incarnation = r.u32()?,
            b"Node" | b"Name" => node = decode_name(r)?,
            b"Addr" => ip = r.raw()?,
            b"Port" => port = r.u16()?,
            b"Meta" => meta = r.raw()?,
            b"Vsn" => vsn = r.raw()?,
            b"State" => state = r.unsigned()?,
            _ => r.skip()?,
        }
    }
    if node.is_empty() {
        return Err(WireError::EmptyName);
    }
    if meta.len() > META_BYTES_MAX {
        return Err(WireError::TooLong { what: "meta", max: META_BYTES_MAX });
    }
    let versions = Versions(<[u8; 6]>::try_from(vsn).map_err(|_| WireError::Version)?);
    let addr = SocketAddr::new(parse_ip(ip)?, port);
    Ok((Alive { incarnation, node, addr, meta: meta.to_vec(), versions }, state))
}

/// A name within the limit; may be empty.
pub(super) fn decode_name(r: &mut Reader<'_>) -> Result<String, WireError> {
    let name = r.text()?;
    if name.len() > NAME_BYTES_MAX {
        return Err(WireError::TooLong { what: "node name", max: NAME_BYTES_MAX });
    }
    Ok(name)
}

/// An address as Go sends it: 4 or 16 bytes, IPv4 possibly mapped into IPv6.
pub(super) fn parse_ip(bytes: &[u8]) -> Result<IpAddr, WireError> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::V4(Ipv4Addr::from(four)));
    }
    let sixteen = <[u8; 16]>::try_from(bytes).map_err(|_| WireError::Address(bytes.len()))?;
    Ok(Ipv6Addr::from(sixteen).to_canonical())
}

/// An address as Go reads it.
pub(super) fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}
