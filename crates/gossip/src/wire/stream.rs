//! Stream frames: push/pull state, pings and user messages over TCP. A [`FrameReader`] takes bytes
//! as they come and gives a frame when it is whole; it allocates only what has arrived.

use super::WireError;
use super::msgpack::{Reader, Scanner, Writer};
use super::packet::inflate;
use super::swim::{Alive, Message, decode_node, kind, write_alive};
use crate::limits::{PUSH_PULL_NODES_MAX, STREAM_BYTES_MAX};

/// How a peer sees a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum NodeState {
    Alive,
    Suspect,
    Dead,
    Left,
}

/// One node of a push/pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// Name, address, meta, incarnation.
    pub alive: Alive,
    /// How the sender sees it.
    pub state: NodeState,
}

/// All a node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushPull {
    /// The sender is joining, not just comparing notes.
    pub join: bool,
    /// Every node the sender knows.
    pub nodes: Vec<NodeReport>,
    /// Serf's part, still encoded.
    pub user_state: Vec<u8>,
}

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// State exchange.
    PushPull(PushPull),
    /// A ping, its ack, a user message, or an error text.
    Message(Message),
    /// An encrypted frame with its head, as it came.
    Sealed(Vec<u8>),
}

/// Bytes before the encrypted part of a sealed frame: type and length.
pub const SEAL_HEAD: usize = 5;

/// The head of a sealed frame with `len` bytes after it.
pub fn seal_head(len: usize) -> [u8; SEAL_HEAD] {
    let [a, b, c, d] = (len as u32).to_be_bytes();
    [kind::ENCRYPT, a, b, c, d]
}

impl Frame {
    /// Encodes with the type byte first.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Frame::PushPull(push_pull) => push_pull.encode(),
            Frame::Message(Message::User(payload)) => {
                let mut w = Writer::message(kind::USER);
                w.map(1).text("UserMsgLen").unsigned(payload.len() as u64).append(payload);
                w.finish()
            }
            Frame::Message(message) => message.encode(),
            Frame::Sealed(bytes) => bytes.clone(),
        }
    }

    /// Decodes a whole plain frame, such as the contents of a sealed one.
    pub fn decode(bytes: &[u8]) -> Result<Frame, WireError> {
        decode_frame(bytes, true)
    }
}

impl PushPull {
    /// Encodes with the type byte first.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::message(kind::PUSH_PULL);
        w.map(3).text("Nodes").unsigned(self.nodes.len() as u64);
        w.text("UserStateLen").unsigned(self.user_state.len() as u64);
        w.text("Join").boolean(self.join);
        for node in &self.nodes {
            w.map(7);
            write_alive(&mut w, "Name", &node.alive);
            w.text("State").unsigned(node.state as u64);
        }
        w.append(&self.user_state);
        w.finish()
    }
}

#[derive(Debug)]
enum Stage {
    Kind,
    SealLength,
    Value(Scanner),
    Header(Scanner),
    Nodes(Scanner, usize),
    Tail(usize),
}

/// Collects the bytes of one frame.
#[derive(Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    scanned: usize,
    stage: Stage,
    head_end: usize,
}

impl Default for FrameReader {
    fn default() -> FrameReader {
        FrameReader { bytes: Vec::new(), scanned: 0, stage: Stage::Kind, head_end: 0 }
    }
}

impl FrameReader {
    /// Waits for a first byte.
    pub fn new() -> FrameReader {
        FrameReader::default()
    }

    /// Takes what arrived. `Ok(None)` means more is needed; after an error the stream must be
    /// closed. Bytes behind the frame are ignored.
    pub fn push(&mut self, arrived: &[u8]) -> Result<Option<Frame>, WireError> {
        if self.bytes.len() + arrived.len() > STREAM_BYTES_MAX {
            return Err(WireError::TooLong { what: "stream frame", max: STREAM_BYTES_MAX });
        }
        self.bytes.extend_from_slice(arrived);
        while self.scanned < self.bytes.len() {
            if self.advance()? {
                let whole = &self.bytes[..self.scanned];
                return match whole[0] {
                    kind::ENCRYPT => Ok(Some(Frame::Sealed(whole.to_vec()))),
                    _ => decode_frame(whole, true).map(Some),
                };
            }
        }
        Ok(None)
    }

    /// One step; true when the frame is whole.
    fn advance(&mut self) -> Result<bool, WireError> {
        let fresh = &self.bytes[self.scanned..];
        match &mut self.stage {
            Stage::Kind => {
                self.stage = match fresh[0] {
                    kind::PING | kind::ACK | kind::COMPRESS | kind::ERROR => Stage::Value(Scanner::new(1)),
                    kind::PUSH_PULL | kind::USER => Stage::Header(Scanner::new(1)),
                    kind::ENCRYPT => Stage::SealLength,
                    kind::LABEL => return Err(WireError::Label),
                    other => return Err(WireError::UnknownMessage(other)),
                };
                self.scanned += 1;
                Ok(false)
            }
            Stage::SealLength => {
                self.scanned += 1;
                if self.scanned < SEAL_HEAD {
                    return Ok(false);
                }
                let length = self.bytes[1..SEAL_HEAD].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                if length > STREAM_BYTES_MAX {
                    return Err(WireError::TooLong { what: "encrypted frame", max: STREAM_BYTES_MAX });
                }
                Ok(self.enter_tail(length))
            }
            Stage::Value(scanner) => {
                self.scanned += scanner.feed(fresh)?;
                Ok(scanner.is_done())
            }
            Stage::Header(scanner) => {
                self.scanned += scanner.feed(fresh)?;
                if !scanner.is_done() {
                    return Ok(false);
                }
                self.head_end = self.scanned;
                let header = Header::decode(&mut Reader::new(&self.bytes[1..self.scanned]))?;
                Ok(self.enter_nodes(&header))
            }
            Stage::Nodes(scanner, tail) => {
                self.scanned += scanner.feed(fresh)?;
                if !scanner.is_done() {
                    return Ok(false);
                }
                let tail = *tail;
                Ok(self.enter_tail(tail))
            }
            Stage::Tail(left) => {
                let step = (*left).min(fresh.len());
                *left -= step;
                self.scanned += step;
                Ok(*left == 0)
            }
        }
    }

    fn enter_nodes(&mut self, header: &Header) -> bool {
        if header.nodes == 0 {
            return self.enter_tail(header.tail);
        }
        self.stage = Stage::Nodes(Scanner::new(header.nodes as u64), header.tail);
        false
    }

    fn enter_tail(&mut self, tail: usize) -> bool {
        self.stage = Stage::Tail(tail);
        tail == 0
    }
}

struct Header {
    nodes: usize,
    tail: usize,
    join: bool,
}

impl Header {
    fn decode(r: &mut Reader<'_>) -> Result<Header, WireError> {
        let mut header = Header { nodes: 0, tail: 0, join: false };
        for _ in 0..r.map()? {
            match r.raw()? {
                b"Nodes" => header.nodes = r.u32()? as usize,
                b"UserStateLen" | b"UserMsgLen" => header.tail = r.u32()? as usize,
                b"Join" => header.join = r.boolean()?,
                _ => r.skip()?,
            }
        }
        if header.nodes > PUSH_PULL_NODES_MAX {
            return Err(WireError::TooLong { what: "push/pull", max: PUSH_PULL_NODES_MAX });
        }
        if header.tail > STREAM_BYTES_MAX {
            return Err(WireError::TooLong { what: "user state", max: STREAM_BYTES_MAX });
        }
        Ok(header)
    }
}

fn decode_frame(bytes: &[u8], outer: bool) -> Result<Frame, WireError> {
    let (&head, body) = bytes.split_first().ok_or(WireError::Truncated)?;
    let mut r = Reader::new(body);
    match head {
        kind::COMPRESS if outer => decode_frame(&inflate(body, STREAM_BYTES_MAX)?, false),
        kind::PING | kind::ACK | kind::ERROR => Message::decode(bytes).map(Frame::Message),
        kind::USER => {
            let header = Header::decode(&mut r)?;
            Ok(Frame::Message(Message::User(r.take(header.tail)?.to_vec())))
        }
        kind::PUSH_PULL => {
            let header = Header::decode(&mut r)?;
            let mut nodes = Vec::with_capacity(header.nodes.min(body.len() / 16));
            for _ in 0..header.nodes {
                let (alive, state) = decode_node(&mut r)?;
                let state = match state {
                    0 => NodeState::Alive,
                    1 => NodeState::Suspect,
                    2 => NodeState::Dead,
                    3 => NodeState::Left,
                    _ => return Err(WireError::Range),
                };
                nodes.push(NodeReport { alive, state });
            }
            let user_state = r.take(header.tail)?.to_vec();
            Ok(Frame::PushPull(PushPull { join: header.join, nodes, user_state }))
        }
        other => Err(WireError::UnknownMessage(other)),
    }
}
