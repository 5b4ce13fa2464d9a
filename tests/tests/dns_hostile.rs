//! DNS over real sockets of an agent as nobody should speak it: mutated datagrams, lying and missing lengths, many
//! questions at once, half-closed and slow connections. Good questions in between are answered all the same.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::{Agent, Program};

const PATIENCE: Duration = Duration::from_secs(30);

fn request(id: u16, name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    let mut query = Query::new();
    query.set_name(Name::from_ascii(name).expect("a name")).set_query_type(kind);
    message.add_query(query);
    message.to_vec().expect("a message")
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).expect("short");
    [&length.to_be_bytes()[..], packet].concat()
}

fn start() -> (Agent, SocketAddr) {
    let agent = Agent::server(&Program::ours(), &[]);
    agent.put("/v1/agent/service/register", r#"{"Name":"web","Port":80}"#);
    let address = agent.address().port(8600);
    (agent, address)
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Asks a good question until its own answer comes; answers to others are dropped.
fn assert_answers(address: SocketAddr) {
    let socket = socket();
    let packet = request(4711, "web.service.consul", RecordType::SRV);
    socket.send_to(&packet, address).expect("sent");
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("an answer");
    assert_good(&buffer[..length], 4711);
}

fn assert_good(answer: &[u8], id: u16) {
    let message = Message::from_vec(answer).expect("a message");
    assert_eq!((message.metadata.id, message.metadata.response_code), (id, ResponseCode::NoError));
    assert_eq!(message.answers.len(), 1, "{message:?}");
}

fn read_framed(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a length");
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).expect("an answer");
    answer
}

/// What still comes until the agent closes.
fn rest_of(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the connection is not closed");
    }
    rest
}

#[test]
fn mutated_datagrams_do_not_stop_good_ones() {
    let (agent, address) = start();
    let mut random = StdRng::seed_from_u64(8600);
    let kinds = [RecordType::A, RecordType::SRV, RecordType::ANY, RecordType::TXT, RecordType::SOA];
    let names = ["web.service.consul", "_web._tcp.service.consul", "n1.node.consul", "1.0.0.127.in-addr.arpa", "x"];
    let sender = socket();
    for round in 0..40 {
        for _ in 0..250 {
            let name = names[random.random_range(0..names.len())];
            let mut packet = request(random.random(), name, kinds[random.random_range(0..kinds.len())]);
            for _ in 0..random.random_range(1..6) {
                let at = random.random_range(0..packet.len());
                packet[at] = random.random();
            }
            packet.truncate(random.random_range(1..=packet.len()));
            sender.send_to(&packet, address).expect("loopback takes datagrams");
        }
        assert_answers(address);
        assert!(!agent.log().contains("panicked"), "round {round}: {}", agent.log());
    }
}

#[test]
fn lying_lengths_end_their_connection_and_no_other() {
    let (agent, address) = start();
    let good = request(1, "web.service.consul", RecordType::A);
    let long = [&60_000_u16.to_be_bytes()[..], &good].concat();
    let short = [&5_u16.to_be_bytes()[..], &good].concat();
    for wrong in [&long[..], &short, &[0, 0], &[0], &[0xff; 70_000]] {
        let mut stream = connect(address);
        // The agent may close before it has read all.
        let _ = stream.write_all(wrong);
        let _ = stream.shutdown(Shutdown::Write);
        let rest = rest_of(stream);
        assert!(rest.len() < 100, "{rest:?}");
        assert_answers(address);
    }
    // One that promises and says nothing more holds up nobody.
    let silent: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(&long).expect("it takes a few bytes");
            stream
        })
        .collect();
    let mut stream = connect(address);
    stream.write_all(&framed(&good)).expect("sent");
    assert_good(&read_framed(&mut stream), 1);
    drop(silent);
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
}

#[test]
fn pipelined_slow_and_half_closed_questions_are_all_answered() {
    let (_agent, address) = start();
    let mut stream = connect(address);
    let many: Vec<u8> = (0..200).flat_map(|id| framed(&request(id, "web.service.consul", RecordType::SRV))).collect();
    stream.write_all(&many).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half-closed");
    for id in 0..200 {
        assert_good(&read_framed(&mut stream), id);
    }
    assert!(rest_of(stream).is_empty());
    let mut slow = connect(address);
    for byte in framed(&request(9, "web.service.consul", RecordType::A)) {
        slow.write_all(&[byte]).expect("sent");
        slow.flush().expect("sent");
    }
    assert_good(&read_framed(&mut slow), 9);
    // A bad question between two good ones: the answer says so, and the connection goes on.
    let mut bad = request(2, "web.service.consul", RecordType::A);
    bad[5] = 7;
    slow.write_all(&[framed(&bad), framed(&request(3, "web.service.consul", RecordType::A))].concat()).expect("sent");
    let refusal = Message::from_vec(&read_framed(&mut slow)).expect("a message");
    assert_eq!((refusal.metadata.id, refusal.metadata.response_code), (2, ResponseCode::FormErr));
    assert_good(&read_framed(&mut slow), 3);
}
