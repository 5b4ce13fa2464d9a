//! A DNS client for tests: requests over UDP and TCP, and answers as text.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// Longest that an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A question as a test writes it: `web.service.consul SRV`, then any of `tcp`, `edns=SIZE` and `count` (show how many
/// records there are instead of the records, where which ones is left to chance).
#[derive(Clone, Debug)]
pub struct Question {
    name: Name,
    record_type: RecordType,
    edns: Option<u16>,
    is_tcp: bool,
    only_counts: bool,
}

impl Question {
    /// Reads the text of a question.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let name = words.next().and_then(|word| Name::from_ascii(word).ok());
        let record_type = words.next().and_then(|word| word.parse().ok());
        let (Some(mut name), Some(record_type)) = (name, record_type) else { panic!("{text:?} is no question") };
        name.set_fqdn(true);
        let mut question = Self { name, record_type, edns: None, is_tcp: false, only_counts: false };
        for word in words {
            match (word, word.strip_prefix("edns=").map(str::parse)) {
                ("tcp", _) => question.is_tcp = true,
                ("count", _) => question.only_counts = true,
                (_, Some(Ok(size))) => question.edns = Some(size),
                _ => panic!("{word:?} in {text:?} means nothing"),
            }
        }
        question
    }

    /// The packet that asks it.
    ///
    /// # Panics
    /// Never: the parts were checked before.
    #[must_use]
    pub fn packet(&self, id: u16) -> Vec<u8> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), self.record_type));
        if let Some(size) = self.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            message.set_edns(edns);
        }
        message.to_vec().expect("checked parts make a message")
    }

    /// Asks a server and shows its answer.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn ask(&self, server: SocketAddr) -> Result<String, String> {
        let packet = self.packet(7);
        let answer = if self.is_tcp { ask_tcp(server, &packet) } else { ask_udp(server, &packet) };
        let answer = answer.map_err(|error| format!("{}: {error}", self.name))?;
        let message = Message::from_vec(&answer).map_err(|error| format!("unreadable answer: {error}"))?;
        Ok(show(&message, server.ip(), self.only_counts))
    }
}

/// Sends a packet and returns what comes back for it: nothing, where the server keeps silent while it answers many good
/// questions that were sent later.
///
/// # Errors
/// When a good question gets no answer.
pub fn provoke(server: SocketAddr, packet: &[u8]) -> Result<Option<Vec<u8>>, String> {
    const GOOD: u16 = 0x7a7a;
    const ROUNDS: usize = 50;
    let run = || -> std::io::Result<Option<Vec<u8>>> {
        let socket = connect_udp(server)?;
        socket.send(packet)?;
        for _ in 0..ROUNDS {
            socket.send(&Question::parse("0a000001.addr.consul A").packet(GOOD))?;
            let mut buffer = [0; 4096];
            let length = socket.recv(&mut buffer)?;
            if buffer[..2] != GOOD.to_be_bytes() {
                return Ok(Some(buffer[..length].to_vec()));
            }
        }
        Ok(None)
    };
    run().map_err(|error| format!("no answer to a good question after {packet:?}: {error}"))
}

fn connect_udp(server: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((server.ip(), 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn ask_udp(server: SocketAddr, packet: &[u8]) -> std::io::Result<Vec<u8>> {
    let socket = connect_udp(server)?;
    socket.send(packet)?;
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer)?;
    buffer.truncate(length);
    Ok(buffer)
}

fn ask_tcp(server: SocketAddr, packet: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = u16::try_from(packet.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), packet].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// A message as text: code and flags, then the records of each section, sorted. What differs from run to run is named
/// instead: the server's own address, and the time in the SOA record.
fn show(message: &Message, own: IpAddr, only_counts: bool) -> String {
    let flags = &message.metadata;
    let mut out = format!("{:?}", flags.response_code);
    for (name, is_set) in [
        ("aa", flags.authoritative),
        ("tc", flags.truncation),
        ("rd", flags.recursion_desired),
        ("ra", flags.recursion_available),
    ] {
        if is_set {
            let _ = write!(out, " {name}");
        }
    }
    out.push('\n');
    for (title, records) in
        [("answer", &message.answers), ("authority", &message.authorities), ("additional", &message.additionals)]
    {
        if only_counts {
            let _ = writeln!(out, "{title} {}", records.len());
            continue;
        }
        let mut lines: Vec<String> = records.iter().map(|record| format!("{title} {}\n", line(record))).collect();
        lines.sort();
        out.push_str(&lines.concat());
    }
    if let Some(edns) = &message.edns {
        let _ = writeln!(out, "edns {}", edns.max_payload());
    }
    out.replace(&own.to_string(), "SELF")
}

fn line(record: &Record) -> String {
    let data = match &record.data {
        RData::TXT(texts) => {
            let parts = texts.txt_data.iter().map(|part| String::from_utf8_lossy(part).into_owned());
            parts.collect::<Vec<_>>().join("|")
        }
        RData::SOA(soa) => {
            let numbers = [soa.refresh as u32, soa.retry as u32, soa.expire as u32, soa.minimum];
            format!("{} {} TIME {numbers:?}", soa.mname, soa.rname)
        }
        other => other.to_string(),
    };
    format!("{} {} {} {data}", record.name, record.ttl, record.record_type())
}
