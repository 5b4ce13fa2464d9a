//! Starts and stops servers, and plays gossip: a test tells the directories who is where.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agent::backend::Backend;
use agent::raft::node::{NewServer, RaftNode};
use agent::raft::settings::RaftSettings;
use agent::rpc::directory::{Directory, KnownServer};
use agent::rpc::listener::{Admission, Listener};
use agent::rpc::local::{LocalServer, Service};
use agent::rpc::pool::ConnectionPool;
use model::{Key, MemberStatus};
use server::request::{
    Action, Answer, Body, Consistency, KvChange, KvVerb, Query, ReadOptions, Request, RequestError, Response, Write,
};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// Longest that anything in these tests may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One server.
pub struct TestServer {
    pub id: Uuid,
    pub address: SocketAddr,
    pub directory: Directory,
    pub backend: Backend,
    pub raft: RaftNode,
    _listener: Listener,
}

/// What may be set for a server in a test.
#[derive(Clone, Default)]
pub struct Options {
    pub data_dir: Option<PathBuf>,
    pub snapshot_threshold: Option<u64>,
    pub trailing_logs: Option<u64>,
}

impl TestServer {
    pub async fn start(id: Uuid, options: &Options) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let pool = ConnectionPool::new();
        let file = options.data_dir.as_ref().map(|folder| folder.join("servers.json"));
        let directory = Directory::new(pool.clone(), file);
        let name = format!("server-{id}").into();
        let mut settings = RaftSettings::new(id, name, address, options.data_dir.clone());
        settings.snapshot_threshold = options.snapshot_threshold.unwrap_or(settings.snapshot_threshold);
        settings.trailing_logs = options.trailing_logs.unwrap_or(settings.trailing_logs);
        let raft = RaftNode::start(settings, state::Store::new(), directory.clone(), pool.clone()).await.unwrap();
        let local = Arc::new(LocalServer::new("dc1", raft.clone(), pool, directory.clone()));
        let listener = Listener::run(socket, id, Admission::default(), Service(local.clone())).unwrap();
        Self { id, address, directory, backend: Backend::Local(local), raft, _listener: listener }
    }

    pub fn as_new(&self) -> NewServer {
        NewServer { id: self.id, name: format!("server-{}", self.id).into(), address: self.address }
    }

    pub fn as_known(&self) -> KnownServer {
        KnownServer {
            version: String::new(),
            is_non_voter: false,
            takes_tls: false,
            id: self.raft.id(),
            name: format!("server-{}", self.id).into(),
            address: self.address,
            status: MemberStatus::Alive,
            expect: 0,
            since: Instant::now(),
        }
    }

    pub async fn until_leader_known(&self) {
        let mut leadership = self.raft.leadership();
        let known = leadership.wait_for(|state| state.leader.is_some());
        timeout(PATIENCE, known).await.expect("no leader in time").unwrap();
    }

    pub async fn stop(self) {
        self.raft.shutdown().await;
    }
}

/// The options of a server with its data in a folder.
pub fn on_disk(folder: &Path) -> Options {
    Options { data_dir: Some(folder.to_owned()), ..Options::default() }
}

pub async fn put(backend: &Backend, key: &str, value: &str) -> Result<(), RequestError> {
    let change = KvChange {
        verb: KvVerb::Set,
        key: Key::from(key),
        value: model::Blob::new(value.as_bytes().to_vec()),
        ..KvChange::default()
    };
    match backend.call(request(Action::Write(Write::Kv(change)))).await? {
        Response::Written(true) => Ok(()),
        other => panic!("unexpected answer to a write: {other:?}"),
    }
}

pub fn request(action: Action) -> Request {
    Request { datacenter: String::new(), token: model::Token::default(), action }
}

pub async fn get(backend: &Backend, key: &str, consistency: Consistency) -> Result<Option<String>, RequestError> {
    let options = ReadOptions { consistency, ..ReadOptions::default() };
    get_with(backend, key, options).await.map(|(_, value)| value)
}

pub async fn get_with(
    backend: &Backend,
    key: &str,
    options: ReadOptions,
) -> Result<(u64, Option<String>), RequestError> {
    match backend.call(request(Action::Read(options, Query::KvGet { key: Key::from(key), times: false }))).await? {
        Response::Read(meta, Body::Rows(Answer::Kv(rows))) => {
            let value = rows.first().map(|row| String::from_utf8(row.value.0.to_vec()).unwrap());
            Ok((meta.index, value))
        }
        other => panic!("unexpected answer to a read: {other:?}"),
    }
}
