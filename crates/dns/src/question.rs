//! Reading a request. Whatever the bytes, the outcome is a question, a short refusal or silence.

use crate::limits::{HEADER_BYTES, NAME_BYTES_MAX, POINTERS_MAX, REQUEST_RECORDS_MAX};
use crate::{Name, Rcode};

/// A request with one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Identity that the answer repeats.
    pub id: u16,
    /// Whether the client asks for recursion.
    pub recursion_desired: bool,
    /// Name in the client's spelling.
    pub name: Name,
    /// Type of record wanted.
    pub record_type: RecordType,
    /// Class; every class is answered as Internet.
    pub class: u16,
    /// The client's extension record, if it sent one.
    pub edns: Option<Edns>,
}

/// What matters of a client's OPT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Largest UDP message that the client takes, in bytes.
    pub payload_bytes: u16,
    /// Network of the client behind a resolver.
    pub client_subnet: Option<ClientSubnet>,
}

/// A client subnet option (RFC 7871) as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSubnet {
    /// 1 for IPv4, 2 for IPv6.
    pub family: u16,
    /// Bits of the network.
    pub source_prefix: u8,
    /// The network's bytes, as many as the prefix needs.
    pub address: Vec<u8>,
}

impl ClientSubnet {
    /// The network's address, the bits behind its prefix 0; `None` for families that are none of ours.
    #[must_use]
    pub fn network(&self) -> Option<std::net::IpAddr> {
        let mut bytes = [0; 16];
        bytes.get_mut(..self.address.len())?.copy_from_slice(&self.address);
        match self.family {
            1 => <[u8; 4]>::try_from(&bytes[..4]).ok().map(Into::into),
            2 => Some(bytes.into()),
            _ => None,
        }
    }
}

/// Types of record that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the RFCs")]
pub enum RecordType {
    A,
    Ns,
    Cname,
    Soa,
    Ptr,
    Txt,
    Aaaa,
    Srv,
    Axfr,
    Any,
    /// Any other, by its number.
    Other(u16),
}

impl RecordType {
    /// The type with a number.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        match number {
            1 => Self::A,
            2 => Self::Ns,
            5 => Self::Cname,
            6 => Self::Soa,
            12 => Self::Ptr,
            16 => Self::Txt,
            28 => Self::Aaaa,
            33 => Self::Srv,
            252 => Self::Axfr,
            255 => Self::Any,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Ptr => 12,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Srv => 33,
            Self::Axfr => 252,
            Self::Any => 255,
            Self::Other(number) => number,
        }
    }
}

/// A packet that is not a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Not even a request: no answer, so that two servers never answer each other's answers.
    Silence,
    /// An answer of a header alone.
    Reply([u8; HEADER_BYTES]),
}

const OPCODE_QUERY: u8 = 0;
const TYPE_OPT: u16 = 41;
const OPTION_CLIENT_SUBNET: u16 = 8;

impl Question {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`Rejected`] with what to do about a packet that is not a question that can be answered.
    pub fn read(packet: &[u8]) -> Result<Self, Rejected> {
        let header: [u8; HEADER_BYTES] =
            packet.get(..HEADER_BYTES).and_then(|bytes| bytes.try_into().ok()).ok_or(Rejected::Silence)?;
        if header[2] & 0x80 != 0 {
            return Err(Rejected::Silence);
        }
        if (header[2] >> 3) & 0x0f != OPCODE_QUERY {
            return Err(reply(header, Rcode::NotImplemented));
        }
        let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (questions, answers, authorities, additionals) = (count(4), count(6), count(8), count(10));
        if questions != 1 || answers > 1 || authorities > 1 || additionals > REQUEST_RECORDS_MAX {
            return Err(reply(header, Rcode::FormatError));
        }
        let mut reader = Reader { packet, at: HEADER_BYTES };
        let read = reader.question().and_then(|(name, record_type, class)| {
            let edns = reader.extension(answers + authorities, additionals)?;
            Some(Self {
                id: u16::from_be_bytes([header[0], header[1]]),
                recursion_desired: header[2] & 1 != 0,
                name,
                record_type: RecordType::from_number(record_type),
                class,
                edns,
            })
        });
        read.ok_or_else(|| reply(header, Rcode::FormatError))
    }
}

/// The header of a refusal: identity, opcode and the wish for recursion of the request, no sections.
fn reply(mut header: [u8; HEADER_BYTES], rcode: Rcode) -> Rejected {
    header[2] = 0x80 | (header[2] & 0x79);
    header[3] = rcode.number();
    header[4..].fill(0);
    Rejected::Reply(header)
}

struct Reader<'a> {
    packet: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn question(&mut self) -> Option<(Name, u16, u16)> {
        Some((self.name()?, self.number()?, self.number()?))
    }

    /// Skips records up to the additional ones and returns the OPT record among those.
    fn extension(&mut self, skipped: u16, additionals: u16) -> Option<Option<Edns>> {
        let mut edns = None;
        for i in 0..skipped + additionals {
            self.name()?;
            let (record_type, class) = (self.number()?, self.number()?);
            self.take(4)?;
            let length = self.number()?;
            let data = self.take(usize::from(length))?;
            if i >= skipped && record_type == TYPE_OPT {
                edns = Some(Edns { payload_bytes: class, client_subnet: client_subnet(data)? });
            }
        }
        Some(edns)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let bytes = self.packet.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn name(&mut self) -> Option<Name> {
        let mut wire = [0_u8; NAME_BYTES_MAX];
        let (mut used, mut at, mut pointers) = (0, self.at, 0);
        loop {
            let length = usize::from(*self.packet.get(at)?);
            match length >> 6 {
                0 if length == 0 => {
                    if pointers == 0 {
                        self.at = at + 1;
                    }
                    return Name::from_wire(&wire[..used]).ok();
                }
                0 => {
                    let label = self.packet.get(at..at + 1 + length)?;
                    wire.get_mut(used..used + label.len())?.copy_from_slice(label);
                    used += label.len();
                    at += label.len();
                }
                3 => {
                    let low = usize::from(*self.packet.get(at + 1)?);
                    if pointers == 0 {
                        self.at = at + 2;
                    }
                    pointers += 1;
                    at = (length & 0x3f) << 8 | low;
                    if pointers > POINTERS_MAX {
                        return None;
                    }
                }
                _ => return None,
            }
        }
    }
}

/// The client subnet among the options of an OPT record; `None` when the options are malformed.
fn client_subnet(options: &[u8]) -> Option<Option<ClientSubnet>> {
    let mut reader = Reader { packet: options, at: 0 };
    let mut found = None;
    while reader.at < options.len() {
        let (code, length) = (reader.number()?, reader.number()?);
        let data = reader.take(usize::from(length))?;
        if code == OPTION_CLIENT_SUBNET {
            let (fixed, address) = data.split_at_checked(4)?;
            let source_prefix = fixed[2];
            let family = u16::from_be_bytes([fixed[0], fixed[1]]);
            let bytes_max = match family {
                1 => 4,
                2 => 16,
                // Of a family that nobody knows nothing can be told, so that it is as if it had not been sent.
                _ => continue,
            };
            if address.len() > bytes_max || usize::from(source_prefix) > bytes_max * 8 {
                return None;
            }
            found = Some(ClientSubnet { family, source_prefix, address: address.to_vec() });
        }
    }
    Some(found)
}
