//! The sockets, with questions that need no server of the cluster: `.addr` names, outside names, garbage.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dns::Settings;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Current, DnsServer, Freshness, Recursors, bind, serve};
use crate::backend::Backend;
use crate::rpc::directory::Directory;
use crate::rpc::pool::ConnectionPool;
use crate::rpc::router::Router;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WAIT: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    _task: AbortOnDropHandle<std::io::Result<()>>,
}

/// A DNS interface on a free port, over a backend that knows no server.
fn start(ip: IpAddr, recursors: Vec<SocketAddr>) -> Running {
    let pool = ConnectionPool::new();
    let directory = Directory::new(pool.clone(), None);
    let backend = Backend::Remote(Arc::new(Router::new("dc1", pool, directory)));
    let settings = Settings { has_recursors: !recursors.is_empty(), ..Settings::default() };
    let freshness = Freshness { allows_stale: true, stale_ms_max: u64::MAX, uses_cache: false, cache_age_max: None };
    let recursors = Recursors::new(recursors, Duration::from_millis(300));
    let server =
        Arc::new(Current::from_pointee(DnsServer::new(backend, settings, freshness, recursors, Arc::default())));
    let listeners = bind(&[(ip, 0).into()]).expect("a free port");
    let address = listeners[0].address;
    let task = AbortOnDropHandle::new(tokio::spawn(serve(server, listeners, CancellationToken::new())));
    Running { address, _task: task }
}

fn question(id: u16, name: &str) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::A));
    message.to_vec().expect("a message")
}

async fn client(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.expect("a free port");
    // Connected: an answer from any other address than the one asked is not delivered.
    socket.connect(to).await.expect("loopback");
    socket
}

async fn receive(socket: &UdpSocket) -> Message {
    let mut buffer = [0; 4096];
    let length = tokio::time::timeout(WAIT, socket.recv(&mut buffer)).await.expect("an answer").expect("an answer");
    Message::from_vec(&buffer[..length]).expect("a message")
}

async fn ask(to: SocketAddr, packet: &[u8]) -> Message {
    let socket = client(to).await;
    socket.send(packet).await.expect("loopback");
    receive(&socket).await
}

fn addresses(message: &Message) -> Vec<String> {
    let texts = message.answers.iter().map(|record| match &record.data {
        RData::A(ip) => ip.to_string(),
        other => format!("{other:?}"),
    });
    texts.collect()
}

#[tokio::test]
async fn answers_come_from_the_address_that_was_asked() {
    let running = start(Ipv4Addr::UNSPECIFIED.into(), Vec::new());
    for ip in [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 9, 8, 7)] {
        let answer = ask((ip, running.address.port()).into(), &question(7, "0a000001.addr.consul.")).await;
        assert_eq!((answer.metadata.id, addresses(&answer)), (7, vec!["10.0.0.1".to_owned()]));
    }
}

#[tokio::test]
async fn a_stream_carries_many_questions() {
    let running = start(LOOPBACK, Vec::new());
    let mut stream = TcpStream::connect(running.address).await.expect("listening");
    let mut sent = Vec::new();
    for id in 0..50 {
        let packet = question(id, "0a000001.addr.consul.");
        sent.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        sent.extend_from_slice(&packet);
    }
    // In pieces, so that messages are cut anywhere.
    for piece in sent.chunks(13) {
        stream.write_all(piece).await.expect("connected");
    }
    for id in 0..50 {
        let length = tokio::time::timeout(WAIT, stream.read_u16()).await.expect("an answer").expect("an answer");
        let mut packet = vec![0; usize::from(length)];
        stream.read_exact(&mut packet).await.expect("a whole answer");
        let answer = Message::from_vec(&packet).expect("a message");
        assert_eq!((answer.metadata.id, addresses(&answer)), (id, vec!["10.0.0.1".to_owned()]));
    }
}

#[tokio::test]
async fn garbage_does_not_stop_the_service() {
    let running = start(LOOPBACK, Vec::new());
    let socket = client(running.address).await;
    for first in 0..=255_u8 {
        socket.send(&[first; 40]).await.expect("loopback");
        socket.send(&[first]).await.expect("loopback");
        let mut stream = TcpStream::connect(running.address).await.expect("listening");
        stream.write_all(&[0, 3, first, first, first]).await.expect("connected");
        let mut rest = Vec::new();
        // Too short for a header: the connection is closed without an answer.
        let read = tokio::time::timeout(WAIT, stream.read_to_end(&mut rest)).await.expect("closed");
        assert!(read.is_err() || rest.is_empty(), "{rest:?}");
    }
    let answer = ask(running.address, &question(9, "0a000001.addr.consul.")).await;
    assert_eq!(addresses(&answer), ["10.0.0.1"]);
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_the_address() {
    let running = start(LOOPBACK, Vec::new());
    let error = bind(&[running.address]).expect_err("the port is taken").to_string();
    assert!(error.contains(&running.address.to_string()) && error.contains("-dns-port"), "{error}");
}

#[tokio::test]
async fn without_servers_lookups_fail_and_outside_names_are_refused() {
    let running = start(LOOPBACK, Vec::new());
    let answer = ask(running.address, &question(1, "web.service.consul.")).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    let answer = ask(running.address, &question(2, "example.com.")).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
}

/// An upstream server that answers everything with one response code and, for `NoError`, one address.
async fn upstream(code: ResponseCode) -> (SocketAddr, AbortOnDropHandle<()>) {
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.expect("a free port");
    let address = socket.local_addr().expect("bound");
    let task = tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let Ok(request) = Message::from_vec(&buffer[..length]) else { continue };
            let mut answer = Message::response(request.metadata.id, OpCode::Query);
            answer.metadata.response_code = code;
            answer.add_queries(request.queries.clone());
            if code == ResponseCode::NoError {
                let data = RData::A(Ipv4Addr::new(192, 0, 2, 1).into());
                let name = request.queries[0].name().clone();
                answer.add_answer(hickory_proto::rr::Record::from_rdata(name, 60, data));
            }
            let packet = answer.to_vec().expect("a message");
            let _ = socket.send_to(&packet, from).await;
        }
    });
    (address, AbortOnDropHandle::new(task))
}

#[tokio::test]
async fn recursors_are_asked_in_order_until_one_answers() {
    let silent = UdpSocket::bind((LOOPBACK, 0)).await.expect("a free port");
    let (failing, _a) = upstream(ResponseCode::ServFail).await;
    let (good, _b) = upstream(ResponseCode::NoError).await;
    let running = start(LOOPBACK, vec![silent.local_addr().expect("bound"), failing, good]);
    let answer = ask(running.address, &question(77, "Example.com.")).await;
    assert_eq!((answer.metadata.id, addresses(&answer)), (77, vec!["192.0.2.1".to_owned()]));
    assert!(answer.metadata.recursion_available);
}

#[tokio::test]
async fn when_all_recursors_fail_the_answer_says_so() {
    let (failing, _a) = upstream(ResponseCode::Refused).await;
    let running = start(LOOPBACK, vec![failing]);
    let answer = ask(running.address, &question(78, "example.com.")).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
}
