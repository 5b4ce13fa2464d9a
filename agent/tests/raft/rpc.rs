//! Clients behind a router, and peers that mean no good.

use std::sync::Arc;
use std::time::Duration;

use agent::backend::Backend;
use agent::rpc::directory::Directory;
use agent::rpc::frame::{GREETING_BYTES, Greeting, Lane, WELCOME_BYTES, Welcome};
use agent::rpc::pool::ConnectionPool;
use agent::rpc::router::Router;
use model::MemberStatus;
use server::request::{Consistency, ReadOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use crate::harness::{Options, PATIENCE, TestServer, get, get_with, put};

async fn one_server() -> TestServer {
    let server = TestServer::start(Uuid::new_v4(), &Options::default()).await;
    server.raft.bootstrap(&[server.as_new()]).await.unwrap();
    server.until_leader_known().await;
    server
}

fn client() -> (Backend, Directory) {
    let pool = ConnectionPool::new();
    let directory = Directory::new(pool.clone(), None);
    (Backend::Remote(Arc::new(Router::new("dc1", pool, directory.clone()))), directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_servers_says_so() {
    let (backend, _) = client();
    assert_eq!(put(&backend, "a", "1").await.unwrap_err().message, "No known Consul servers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_asks_servers_and_leaves_the_dead_ones() {
    let server = one_server().await;
    let (backend, directory) = client();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut dead = server.as_known();
    dead.id = Uuid::new_v4().to_string().into();
    dead.address = gone.local_addr().unwrap();
    drop(gone);
    directory.update_from_gossip(vec![dead, server.as_known()]);
    for number in 0..10 {
        put(&backend, &format!("k/{number}"), "v").await.unwrap();
        let value = get(&backend, &format!("k/{number}"), Consistency::Default).await.unwrap();
        assert_eq!(value.as_deref(), Some("v"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_follows_a_server_to_its_new_address() {
    let server = one_server().await;
    let (backend, directory) = client();
    directory.update_from_gossip(vec![server.as_known()]);
    put(&backend, "a", "1").await.unwrap();
    let mut moved = server.as_known();
    // Another server answers there now: the greeting names the one that is meant, so it must be refused.
    let other = one_server().await;
    moved.address = other.address;
    directory.update_from_gossip(vec![moved.clone()]);
    let refused = timeout(Duration::from_secs(1), put(&backend, "b", "1")).await;
    assert!(refused.is_err() || refused.unwrap().is_err());
    moved.address = server.address;
    moved.status = MemberStatus::Failed;
    directory.update_from_gossip(vec![moved]);
    put(&backend, "b", "1").await.unwrap();
    assert_eq!(get(&server.backend, "b", Consistency::Default).await.unwrap().as_deref(), Some("1"));
    assert_eq!(get(&other.backend, "b", Consistency::Default).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_waiting_queries_share_a_connection() {
    let server = one_server().await;
    let (backend, directory) = client();
    directory.update_from_gossip(vec![server.as_known()]);
    put(&backend, "a", "1").await.unwrap();
    let (index, _) = get_with(&backend, "a", ReadOptions::default()).await.unwrap();
    let options = ReadOptions { min_index: index, wait_ms: 15_000, ..ReadOptions::default() };
    let waiting: Vec<_> = (0..2000)
        .map(|_| {
            let (backend, options) = (backend.clone(), options.clone());
            tokio::spawn(async move { get_with(&backend, "a", options).await })
        })
        .collect();
    // Half of them lose patience: the others must not notice.
    for task in waiting.iter().step_by(2) {
        task.abort();
    }
    put(&backend, "a", "2").await.unwrap();
    for task in waiting.into_iter().skip(1).step_by(2) {
        let (_, value) = timeout(PATIENCE, task).await.unwrap().unwrap().unwrap();
        assert_eq!(value.as_deref(), Some("2"));
    }
}

async fn closes(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the server keeps the connection open");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_first_bytes_are_closed_at_once() {
    let server = one_server().await;
    for first in (0..=255u8).filter(|byte| *byte != 0xC0) {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[first; 64]).await.unwrap();
        closes(&mut stream).await;
    }
    put(&server.backend, "alive", "1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_greeting_is_not_waited_for_long() {
    let server = one_server().await;
    let mut streams = Vec::new();
    for length in 0..GREETING_BYTES {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let greeting = Greeting { lane: Lane::Requests, server: None }.encode();
        stream.write_all(&greeting[..length]).await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        closes(stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_frames_end_the_connection_and_garbage_calls_get_an_answer() {
    let server = one_server().await;
    for lane in [Lane::Requests, Lane::Entries, Lane::Heartbeats, Lane::Snapshots] {
        let greeting = Greeting { lane, server: Some(server.id) }.encode();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&greeting).await.unwrap();
        let mut welcome = [0; WELCOME_BYTES];
        stream.read_exact(&mut welcome).await.unwrap();
        assert_eq!(Welcome::decode(welcome), Ok(Welcome::Yes));
        for method in 0..=40u8 {
            let payload = [0xC1u8, 0xFF, 0x00, method];
            let mut frame = Vec::new();
            frame.extend_from_slice(&(10 + payload.len() as u32).to_le_bytes());
            frame.extend_from_slice(&[0, method]);
            frame.extend_from_slice(&u64::from(method).to_le_bytes());
            frame.extend_from_slice(&payload);
            stream.write_all(&frame).await.unwrap();
            let length = timeout(PATIENCE, stream.read_u32_le()).await.unwrap().unwrap();
            let mut answer = vec![0; length as usize];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[..2], [1, method], "a reply of the same method");
        }
        stream.write_all(&u32::MAX.to_le_bytes()).await.unwrap();
        closes(&mut stream).await;
    }
    put(&server.backend, "alive", "1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_connections() {
    let server = one_server().await;
    let mut streams = Vec::new();
    let mut refused = 0;
    for _ in 0..agent::rpc::limits::CONNECTIONS_PER_ADDRESS_MAX + 10 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&Greeting { lane: Lane::Requests, server: None }.encode()).await.unwrap();
        let mut welcome = [0; WELCOME_BYTES];
        stream.read_exact(&mut welcome).await.unwrap();
        match Welcome::decode(welcome) {
            Ok(Welcome::Yes) => streams.push(stream),
            Ok(Welcome::Full) => refused += 1,
            other => panic!("unexpected welcome {other:?}"),
        }
    }
    assert_eq!(refused, 10);
}
