//! Datagrams: envelopes around messages (checksum, compression, compound), opened and closed.

use super::WireError;
use super::msgpack::Reader;
use super::swim::{Message, kind};
use crate::limits::{DATAGRAM_INFLATED_MAX, DATAGRAM_MESSAGES_MAX, ENVELOPE_DEPTH_MAX};

/// Bytes a compound message needs besides its parts: type and count.
pub const COMPOUND_OVERHEAD: usize = 2;
/// Bytes a compound message needs for each part: its length.
pub const PART_OVERHEAD: usize = 2;
/// Parts of one compound message.
pub const PARTS_MAX: usize = 255;

/// Opens all envelopes. Parts that are damaged are left out; what is wrong with the first of them
/// is the error, given beside the messages that could be read.
pub fn decode_packet(bytes: &[u8]) -> (Vec<Message>, Option<WireError>) {
    let mut opened = Opened { messages: Vec::new(), error: None, inflated: 0 };
    opened.open(bytes, 0);
    (opened.messages, opened.error)
}

struct Opened {
    messages: Vec<Message>,
    error: Option<WireError>,
    inflated: usize,
}

impl Opened {
    fn open(&mut self, bytes: &[u8], depth: u32) {
        if let Err(error) = self.try_open(bytes, depth) {
            self.error.get_or_insert(error);
        }
    }

    fn try_open(&mut self, bytes: &[u8], depth: u32) -> Result<(), WireError> {
        if depth > ENVELOPE_DEPTH_MAX {
            return Err(WireError::Depth);
        }
        let (&head, body) = bytes.split_first().ok_or(WireError::Truncated)?;
        match head {
            kind::COMPOUND => self.open_compound(body, depth)?,
            kind::CHECKSUM => {
                let (sum, payload) = body.split_first_chunk::<4>().ok_or(WireError::Truncated)?;
                if crc32fast::hash(payload) != u32::from_be_bytes(*sum) {
                    return Err(WireError::Checksum);
                }
                self.open(payload, depth + 1);
            }
            kind::COMPRESS => {
                let budget = DATAGRAM_INFLATED_MAX - self.inflated;
                let payload = inflate(body, budget)?;
                self.inflated += payload.len();
                self.open(&payload, depth + 1);
            }
            kind::ENCRYPT => return Err(WireError::Encrypted),
            kind::LABEL => return Err(WireError::Label),
            _ => {
                if self.messages.len() >= DATAGRAM_MESSAGES_MAX {
                    return Err(WireError::TooLong { what: "packet", max: DATAGRAM_MESSAGES_MAX });
                }
                self.messages.push(Message::decode(bytes)?);
            }
        }
        Ok(())
    }

    fn open_compound(&mut self, body: &[u8], depth: u32) -> Result<(), WireError> {
        let (&count, rest) = body.split_first().ok_or(WireError::Truncated)?;
        let lengths = rest.get(..usize::from(count) * 2).ok_or(WireError::Truncated)?;
        let mut parts = &rest[lengths.len()..];
        for length in lengths.chunks_exact(2) {
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            if length == 0 {
                return Err(WireError::EmptyPart);
            }
            let part = parts.get(..length).ok_or(WireError::Truncated)?;
            parts = &parts[length..];
            self.open(part, depth + 1);
        }
        Ok(())
    }
}

/// Joins encoded messages; one message needs no envelope. More than [`PARTS_MAX`] are cut off.
pub fn encode_compound(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    if let [one] = parts {
        return one.as_ref().to_vec();
    }
    let parts = &parts[..parts.len().min(PARTS_MAX)];
    let total: usize = parts.iter().map(|p| p.as_ref().len() + PART_OVERHEAD).sum();
    let mut bytes = Vec::with_capacity(total + COMPOUND_OVERHEAD);
    bytes.extend_from_slice(&[kind::COMPOUND, parts.len() as u8]);
    for part in parts {
        bytes.extend_from_slice(&(part.as_ref().len() as u16).to_be_bytes());
    }
    for part in parts {
        bytes.extend_from_slice(part.as_ref());
    }
    bytes
}

/// Decompresses the body of a compressed message, up to `max` bytes.
pub fn inflate(body: &[u8], max: usize) -> Result<Vec<u8>, WireError> {
    let mut reader = Reader::new(body);
    let (mut algorithm, mut packed) = (0, &[][..]);
    for _ in 0..reader.map()? {
        match reader.raw()? {
            b"Algo" => algorithm = reader.unsigned()?,
            b"Buf" => packed = reader.raw()?,
            _ => reader.skip()?,
        }
    }
    if algorithm != 0 {
        return Err(WireError::Compression);
    }
    let mut decoder = weezl::decode::Decoder::new(weezl::BitOrder::Lsb, 8);
    let mut out = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        let step = decoder.decode_bytes(packed, &mut chunk);
        packed = &packed[step.consumed_in..];
        if out.len() + step.consumed_out > max {
            return Err(WireError::TooLong { what: "compressed message", max });
        }
        out.extend_from_slice(&chunk[..step.consumed_out]);
        match step.status {
            Ok(weezl::LzwStatus::Done) => return Ok(out),
            Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) | Err(_) => return Err(WireError::Compression),
        }
    }
}

/// Compresses as the Go agents do; for tests and for streams that are worth it.
pub fn deflate(payload: &[u8]) -> Vec<u8> {
    let packed = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(payload).unwrap_or_default();
    let mut writer = super::msgpack::Writer::message(kind::COMPRESS);
    writer.map(2).text("Algo").unsigned(0).text("Buf").raw(&packed);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::swim::Ping;

    fn ping(seq: u32) -> Message {
        Message::Ping(Ping { seq, node: "a".into() })
    }

    #[test]
    fn envelopes_open_in_any_order() {
        let compound = encode_compound(&[ping(1).encode(), ping(2).encode()]);
        let compressed = deflate(&compound);
        let mut sealed = vec![kind::CHECKSUM];
        sealed.extend_from_slice(&crc32fast::hash(&compressed).to_be_bytes());
        sealed.extend_from_slice(&compressed);
        let (messages, error) = decode_packet(&sealed);
        assert_eq!((messages, error), (vec![ping(1), ping(2)], None));
        sealed[8] ^= 1;
        assert_eq!(decode_packet(&sealed).1, Some(WireError::Checksum));
    }

    #[test]
    fn damaged_compounds_are_refused() {
        assert_eq!(decode_packet(&[7, 1, 0, 0]).1, Some(WireError::EmptyPart));
        assert_eq!(decode_packet(&[7, 1, 0]).1, Some(WireError::Truncated));
        assert_eq!(decode_packet(&[7, 1, 0, 9, 0]).1, Some(WireError::Truncated));
        assert_eq!(decode_packet(&[]).1, Some(WireError::Truncated));
        assert_eq!(decode_packet(&[kind::LABEL, 200, b'x']).1, Some(WireError::Label));
    }

    #[test]
    fn nesting_ends() {
        let mut bytes = ping(1).encode();
        for _ in 0..20 {
            bytes = [&[7, 1], &(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
        }
        assert_eq!(decode_packet(&bytes).1, Some(WireError::Depth));
    }

    #[test]
    fn a_compression_bomb_stops_at_the_limit() {
        let bomb = deflate(&vec![0u8; 4 * DATAGRAM_INFLATED_MAX]);
        assert!(bomb.len() < 60_000, "{}", bomb.len());
        assert!(matches!(decode_packet(&bomb).1, Some(WireError::TooLong { .. })));
        assert_eq!(inflate(&[0xc0], 10), Err(WireError::Compression));
    }
}
