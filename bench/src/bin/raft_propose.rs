//! Writes per second through the whole server path: prepare, propose, log on disk, majority over TCP, apply, answer.
//!
//! `cargo run --release -p bench --bin raft_propose [seconds]`: one and three servers in this process, over loopback,
//! with 1, 64 and 256 writers of values of 256 bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::raft::RaftNode;
use agent::raft::node::NewServer;
use agent::raft::settings::RaftSettings;
use agent::rpc::directory::Directory;
use agent::rpc::listener::{Admission, Listener};
use agent::rpc::local::{LocalServer, Service};
use agent::rpc::pool::ConnectionPool;
use anyhow::{Context, Result};
use model::{Blob, Key};
use server::request::{Action, KvChange, KvVerb, Request, Write};
use tokio::net::TcpListener;
use uuid::Uuid;

struct Server {
    local: Arc<LocalServer>,
    itself: NewServer,
    _listener: Listener,
}

async fn start(folder: &std::path::Path) -> Result<Server> {
    let socket = TcpListener::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let (id, pool) = (Uuid::new_v4(), ConnectionPool::new());
    let directory = Directory::new(pool.clone(), None);
    let settings = RaftSettings::new(id, id.to_string().into(), address, Some(folder.join(id.to_string())));
    let raft = RaftNode::start(settings, state::Store::new(), directory.clone(), pool.clone()).await?;
    let local = Arc::new(LocalServer::new("dc1", raft, pool, directory));
    let listener = Listener::run(socket, id, Admission::default(), Service(local.clone()))?;
    Ok(Server { local, itself: NewServer { id, name: id.to_string().into(), address }, _listener: listener })
}

async fn write(server: &LocalServer, writer: usize, number: u64) -> Result<()> {
    let change = KvChange {
        verb: KvVerb::Set,
        key: Key::from(format!("bench/{writer}/{}", number % 1000).as_str()),
        value: Blob::new(vec![b'x'; 256]),
        ..KvChange::default()
    };
    let action = Action::Write(Write::Kv(change));
    server.call(Request { datacenter: String::new(), token: model::Token::default(), action }).await?;
    Ok(())
}

async fn measure(leader: &Arc<LocalServer>, writers: usize, time: Duration) -> Result<()> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let leader = leader.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begun.elapsed() < time {
                    let one = Instant::now();
                    write(&leader, writer, times.len() as u64).await?;
                    times.push(one.elapsed());
                }
                Ok::<_, anyhow::Error>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("  {writers:>4} writers: {rate:>9.0} writes/s, p50 {:>8.2?}, p99 {:>8.2?}", at(0.5), at(0.99));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(4), |text| text.parse()).context("seconds must be a number")?;
    for count in [1, 3] {
        let folder = tempfile::tempdir()?;
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(start(folder.path()).await?);
        }
        let members: Vec<NewServer> = servers.iter().map(|server| server.itself.clone()).collect();
        servers[0].local.raft().bootstrap(&members).await?;
        servers[0].local.raft().leadership().wait_for(|state| state.is_local).await?;
        println!("{count} server(s), log on {}:", folder.path().display());
        for writers in [1, 64, 256] {
            measure(&servers[0].local, writers, Duration::from_secs(seconds)).await?;
        }
    }
    Ok(())
}
