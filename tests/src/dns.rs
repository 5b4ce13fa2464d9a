//! A DNS client for tests: requests over UDP and TCP, and answers as text; and a server to stand in for others.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
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

/// A name server of others, over UDP and TCP, for as long as the value lives.
pub struct Upstream {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What an upstream server says about a name and type: records as text (`name TTL TYPE data`), or `None` for no such name.
pub type Respond = fn(&str, &str) -> Option<Vec<String>>;

impl Upstream {
    /// Starts a server.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn start(respond: Respond) -> Self {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = tcp.local_addr().expect("bound");
        let udp = UdpSocket::bind(address).expect("the same port for UDP");
        let stop = Arc::new(AtomicBool::new(false));
        let (stop_udp, stop_tcp) = (Arc::clone(&stop), Arc::clone(&stop));
        let datagrams = move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut buffer) {
                if stop_udp.load(Ordering::Relaxed) {
                    return;
                }
                if let Some(answer) = upstream_answer(&buffer[..length], respond) {
                    let _ = udp.send_to(&answer, from);
                }
            }
        };
        let streams = move || {
            for stream in tcp.incoming().map_while(Result::ok) {
                if stop_tcp.load(Ordering::Relaxed) {
                    return;
                }
                let _ = answer_stream(stream, respond);
            }
        };
        Self { address, stop, threads: vec![std::thread::spawn(datagrams), std::thread::spawn(streams)] }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes both threads up.
        let _ = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.send_to(&[0], self.address));
        let _ = TcpStream::connect(self.address);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer_stream(mut stream: TcpStream, respond: Respond) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut request = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut request)?;
    let answer = upstream_answer(&request, respond).unwrap_or_default();
    let length = u16::try_from(answer.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat())
}

fn upstream_answer(request: &[u8], respond: Respond) -> Option<Vec<u8>> {
    let request = Message::from_vec(request).ok()?;
    let query = request.queries.first()?;
    let mut answer = Message::response(request.metadata.id, OpCode::Query);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    match respond(&query.name().to_string(), &query.query_type().to_string()) {
        Some(records) => {
            answer.add_answers(records.iter().filter_map(|text| read_record(text)));
        }
        None => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    answer.to_vec().ok()
}

fn read_record(text: &str) -> Option<Record> {
    let words: Vec<&str> = text.split(' ').collect();
    let [name, ttl, record_type, data] = words[..] else { return None };
    let data = match record_type {
        "A" => RData::A(data.parse().ok()?),
        "AAAA" => RData::AAAA(data.parse().ok()?),
        "CNAME" => RData::CNAME(CNAME(Name::from_ascii(data).ok()?)),
        _ => return None,
    };
    Some(Record::from_rdata(Name::from_ascii(name).ok()?, ttl.parse().ok()?, data))
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
