//! The listener with handlers made for the test: limits, slow and vanishing clients, an orderly stop.

use std::time::Instant;

use axum::routing::{get, put};
use tokio::sync::mpsc;

use std::net::SocketAddr;

use super::super::sockets::bind;
use super::*;

const WAITS: Waits = Waits { head: Duration::from_secs(30), stop: Duration::from_millis(400) };

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    ended: tokio::task::JoinHandle<io::Result<()>>,
}

fn start(router: Router, per_client_max: usize, waits: Waits) -> Running {
    let listeners = bind(&["127.0.0.1:0".parse().expect("an address")], None).expect("a free port");
    let address = listeners[0].local_addr().expect("bound");
    let stop = CancellationToken::new();
    let ended = tokio::spawn(Server::new(router, Seats::new(per_client_max), waits, stop.clone()).run(listeners));
    Running { address, stop, ended }
}

async fn connect(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("listening");
    stream.write_all(bytes).await.expect("connected");
    stream
}

async fn read_all(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer, not a reset");
    text
}

/// Reads until the head and the body `ok` came.
async fn read_ok(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    while !seen.ends_with(b"ok") {
        let byte = stream.read_u8().await.unwrap_or_else(|error| panic!("{error} after {seen:?}"));
        seen.push(byte);
    }
}

const OK: &[u8] = b"GET /ok HTTP/1.1\r\nHost: x\r\n\r\n";

fn ok_router() -> Router {
    Router::new().route("/ok", get(|| async { "ok" }))
}

#[tokio::test]
async fn too_many_connections_of_one_client_are_refused_with_a_reason() {
    let running = start(ok_router(), 1, WAITS);
    let mut first = connect(running.address, OK).await;
    read_ok(&mut first).await;
    let refused = read_all(TcpStream::connect(running.address).await.expect("listening")).await;
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    assert!(refused.ends_with("Your IP is issuing too many concurrent connections, please rate limit your calls\n"));
    // The first goes on, on the same connection.
    first.write_all(OK).await.expect("connected");
    read_ok(&mut first).await;
}

#[tokio::test]
async fn an_answer_arrives_although_the_request_was_not_read() {
    let router = Router::new().route("/refuse", put(|| async { ([("connection", "close")], "no") }));
    let running = start(router, 0, WAITS);
    let head = b"PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n";
    let mut stream = connect(running.address, head).await;
    stream.write_all(&vec![b'x'; 2_000_000]).await.expect("what nobody wants is still taken");
    let answer = read_all(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("no"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_dropped() {
    let running = start(ok_router(), 0, Waits { head: Duration::from_millis(200), ..WAITS });
    let begun = Instant::now();
    let stream = connect(running.address, b"GET /ok HTTP/1.1\r\nHost:").await;
    read_all(stream).await;
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

/// Tells when it is dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send("dropped");
    }
}

/// A handler that says that it was reached, and then never answers.
fn hanging(events: mpsc::UnboundedSender<&'static str>) -> Router {
    let handler = move || {
        let events = events.clone();
        async move {
            let _dropped = Dropped(events.clone());
            events.send("reached").expect("the test listens");
            std::future::pending::<&'static str>().await
        }
    };
    ok_router().route("/hang", get(handler))
}

const HANG: &[u8] = b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_request_ends_when_its_client_goes() {
    let (sender, mut events) = mpsc::unbounded_channel();
    let running = start(hanging(sender), 0, WAITS);
    let stream = connect(running.address, HANG).await;
    assert_eq!(events.recv().await, Some("reached"));
    drop(stream);
    assert_eq!(events.recv().await, Some("dropped"));
}

#[tokio::test]
async fn stopping_lets_requests_finish_and_then_cuts_them() {
    let (sender, mut events) = mpsc::unbounded_channel();
    let running = start(hanging(sender), 0, WAITS);
    let mut idle = connect(running.address, OK).await;
    read_ok(&mut idle).await;
    let _hanging = connect(running.address, HANG).await;
    assert_eq!(events.recv().await, Some("reached"));
    let begun = Instant::now();
    running.stop.cancel();
    assert_eq!(read_all(idle).await, "", "an idle connection is closed at once");
    assert!(begun.elapsed() < WAITS.stop, "the idle connection waited for the hanging one");
    running.ended.await.expect("no panic").expect("no error");
    assert!(begun.elapsed() >= WAITS.stop);
    assert_eq!(events.recv().await, Some("dropped"));
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}
