//! Three servers: forwarding, elections, moves, transfers, snapshots, removal.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use agent::backend::Backend;
use agent::raft::Duties;
use agent::raft::membership::Rules;
use agent::raft::node::NotDone;
use agent::rpc::directory::KnownServer;
use server::request::{Consistency, ReadOptions};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::harness::{Options, PATIENCE, TestServer, get, get_with, on_disk, put};

struct TestCluster {
    servers: Vec<TestServer>,
    folder: TempDir,
    options: Options,
}

impl TestCluster {
    async fn start(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut servers = Vec::new();
        for number in 0..3 {
            let id = Uuid::new_v4();
            let options = Options { ..on(&options, &folder.path().join(number.to_string())) };
            servers.push(TestServer::start(id, &options).await);
        }
        let cluster = Self { servers, folder, options };
        cluster.gossip();
        let members: Vec<_> = cluster.servers.iter().map(TestServer::as_new).collect();
        // All at the same time, as bootstrap-expect does it.
        let begun = cluster.servers.iter().map(|server| server.raft.bootstrap(&members));
        for result in futures::future::join_all(begun).await {
            result.unwrap();
        }
        for server in &cluster.servers {
            server.until_leader_known().await;
        }
        cluster
    }

    /// Tells all servers where all servers are.
    fn gossip(&self) {
        let known: Vec<_> = self.servers.iter().map(TestServer::as_known).collect();
        for server in &self.servers {
            server.directory.update_from_gossip(known.clone());
        }
    }

    fn position(&self, is_leader: bool) -> Option<usize> {
        self.servers.iter().position(|server| server.raft.leadership().borrow().is_local == is_leader)
    }

    async fn leader(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.position(true) {
                return at;
            }
            assert!(Instant::now() < deadline, "no leader in time");
            let changes = self.servers.iter().map(|server| {
                let mut leadership = server.raft.leadership();
                Box::pin(async move { leadership.changed().await })
            });
            let _ = timeout(PATIENCE, futures::future::select_all(changes)).await;
        }
    }

    /// Takes the leader away, as a crash does: nothing is handed over.
    async fn take_leader(&mut self) -> (Uuid, usize) {
        let at = self.leader().await;
        let server = self.servers.remove(at);
        let id = server.id;
        server.stop().await;
        (id, at)
    }

    fn folder_of(&self, number: usize) -> std::path::PathBuf {
        self.folder.path().join(number.to_string())
    }
}

fn on(options: &Options, folder: &Path) -> Options {
    Options { data_dir: on_disk(folder).data_dir, ..options.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_takes_writes_and_reads() {
    let cluster = TestCluster::start(Options::default()).await;
    for (number, server) in cluster.servers.iter().enumerate() {
        put(&server.backend, &format!("k/{number}"), "v").await.unwrap();
        for reader in &cluster.servers {
            for consistency in [Consistency::Default, Consistency::Consistent] {
                let value = get(&reader.backend, &format!("k/{number}"), consistency).await.unwrap();
                assert_eq!(value.as_deref(), Some("v"));
            }
        }
    }
    let follower = &cluster.servers[cluster.position(false).unwrap()];
    let configuration = follower.raft.configuration();
    assert_eq!(configuration.servers.iter().filter(|server| server.voter).count(), 3);
    assert_eq!(configuration.servers.iter().filter(|server| server.leader).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_query_on_a_follower_wakes_with_a_write_elsewhere() {
    let cluster = TestCluster::start(Options::default()).await;
    let leader = cluster.leader().await;
    let follower = cluster.position(false).unwrap();
    put(&cluster.servers[leader].backend, "a", "1").await.unwrap();
    let backend = cluster.servers[follower].backend.clone();
    let (index, _) = get_with(&backend, "a", ReadOptions::default()).await.unwrap();
    let options = ReadOptions { min_index: index, wait_ms: 15_000, ..ReadOptions::default() };
    let waiting = tokio::spawn(async move { get_with(&backend, "a", options).await });
    put(&cluster.servers[leader].backend, "a", "2").await.unwrap();
    let (_, value) = timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(value.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_the_leader_loses_no_acknowledged_write() {
    let mut cluster = TestCluster::start(Options::default()).await;
    let follower = cluster.servers[cluster.position(false).unwrap()].backend.clone();
    let writer = tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        let end = Instant::now() + Duration::from_secs(4);
        let mut number = 0;
        while Instant::now() < end {
            let key = format!("w/{number}");
            if put(&follower, &key, &number.to_string()).await.is_ok() {
                acknowledged.push((key, number.to_string()));
            }
            number += 1;
        }
        acknowledged
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stopped = Instant::now();
    let (id, number) = cluster.take_leader().await;
    let leader = cluster.leader().await;
    put(&cluster.servers[leader].backend, "after", "1").await.unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(6), "took {:?}", stopped.elapsed());
    let acknowledged = writer.await.unwrap();
    assert!(acknowledged.len() > 10, "only {} writes", acknowledged.len());
    // It comes back at another address, and nobody changes the membership for that.
    let data = cluster.folder_of(number);
    cluster.servers.push(TestServer::start(id, &on(&cluster.options, &data)).await);
    cluster.gossip();
    let back = &cluster.servers[2];
    for (key, value) in &acknowledged {
        let found = get(&back.backend, key, Consistency::Consistent).await.unwrap();
        assert_eq!(found.as_ref(), Some(value), "{key}");
    }
    put(&back.backend, "back", "1").await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while get(&back.backend, "back", Consistency::Stale).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "the returned server does not follow");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_servers_come_back_at_other_addresses() {
    let mut cluster = TestCluster::start(Options::default()).await;
    put(&cluster.servers[0].backend, "a", "1").await.unwrap();
    let ids: Vec<Uuid> = cluster.servers.iter().map(|server| server.id).collect();
    for server in cluster.servers.drain(..) {
        server.stop().await;
    }
    for (number, id) in ids.into_iter().enumerate() {
        let data = cluster.folder_of(number);
        cluster.servers.push(TestServer::start(id, &on(&cluster.options, &data)).await);
    }
    cluster.gossip();
    for server in &cluster.servers {
        let value = get(&server.backend, "a", Consistency::Consistent).await.unwrap();
        assert_eq!(value.as_deref(), Some("1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_is_handed_over_in_a_moment() {
    let cluster = TestCluster::start(Options::default()).await;
    let old = cluster.leader().await;
    put(&cluster.servers[old].backend, "a", "1").await.unwrap();
    let begun = Instant::now();
    cluster.servers[old].raft.transfer_leader(None).await.unwrap();
    let follower = &cluster.servers[old];
    put(&follower.backend, "b", "1").await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(1500), "took {:?}", begun.elapsed());
    assert_ne!(cluster.leader().await, old);
    let not_leader = follower.raft.transfer_leader(None).await;
    assert!(matches!(not_leader, Err(NotDone::NotLeader)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lags_gets_a_snapshot() {
    let options = Options { snapshot_threshold: Some(100), trailing_logs: Some(10), ..Options::default() };
    let mut cluster = TestCluster::start(options).await;
    let at = cluster.position(false).unwrap();
    let server = cluster.servers.remove(at);
    let id = server.id;
    server.stop().await;
    let leader = cluster.leader().await;
    for number in 0..1000 {
        put(&cluster.servers[leader].backend, &format!("k/{number}"), &number.to_string()).await.unwrap();
    }
    let data = cluster.folder_of(at);
    cluster.servers.push(TestServer::start(id, &on(&cluster.options, &data)).await);
    cluster.gossip();
    let back = &cluster.servers[2];
    let deadline = Instant::now() + PATIENCE;
    while get(&back.backend, "k/999", Consistency::Stale).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "the server did not catch up: {:?}", back.raft.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for number in 0..1000 {
        let value = get(&back.backend, &format!("k/{number}"), Consistency::Stale).await.unwrap();
        assert_eq!(value, Some(number.to_string()));
    }
    assert!(back.raft.stats()["last_snapshot_index"].parse::<u64>().unwrap() > 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_join_and_leave() {
    let mut cluster = TestCluster::start(Options::default()).await;
    let leader = cluster.leader().await;
    put(&cluster.servers[leader].backend, "a", "1").await.unwrap();
    let data = cluster.folder_of(3);
    cluster.servers.push(TestServer::start(Uuid::new_v4(), &on(&cluster.options, &data)).await);
    cluster.gossip();
    let fourth = cluster.servers[3].as_new();
    cluster.servers[leader].raft.add_voter(&fourth).await.unwrap();
    let value = get(&cluster.servers[3].backend, "a", Consistency::Consistent).await.unwrap();
    assert_eq!(value.as_deref(), Some("1"));
    let voters = |at: usize| -> BTreeSet<String> {
        let servers = cluster.servers[at].raft.configuration().servers;
        servers.into_iter().filter(|server| server.voter).map(|server| server.id.to_string()).collect()
    };
    assert_eq!(voters(leader).len(), 4);
    cluster.servers[leader].raft.remove(fourth.id).await.unwrap();
    assert_eq!(voters(leader).len(), 3);
    // The leader itself can go too.
    let own = cluster.servers[leader].id;
    cluster.servers[leader].raft.remove(own).await.unwrap();
    let others: Vec<usize> = (0..3).filter(|at| *at != leader).collect();
    put(&cluster.servers[others[0]].backend, "b", "1").await.unwrap();
    assert!(!voters(others[0]).contains(&own.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn expected_servers_begin_one_cluster_and_later_ones_join_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut servers = Vec::new();
    for number in 0..4 {
        let data = on_disk(&folder.path().join(number.to_string()));
        servers.push(TestServer::start(Uuid::new_v4(), &data).await);
    }
    let rules = Rules { stable_after: Duration::from_millis(300), ..Rules::default() };
    let duties: Vec<_> = servers
        .iter()
        .map(|server| {
            let Backend::Local(local) = &server.backend else { panic!("a server answers itself") };
            let duties = Duties::new(local.clone(), 3, rules.clone());
            tokio::spawn(async move { duties.run().await })
        })
        .collect();
    let gossip = |count: usize| {
        let known: Vec<_> = servers[..count].iter().map(|it| KnownServer { expect: 3, ..it.as_known() }).collect();
        for server in &servers {
            server.directory.update_from_gossip(known.clone());
        }
    };
    gossip(2);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!servers[0].raft.is_initialized().await.unwrap(), "two of three must wait");
    let begun = Instant::now();
    gossip(3);
    put(&servers[2].backend, "a", "1").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    assert_eq!(servers[0].raft.configuration().servers.len(), 3);
    gossip(4);
    let deadline = Instant::now() + PATIENCE;
    while servers[3].raft.configuration().servers.iter().filter(|server| server.voter).count() < 4 {
        assert!(Instant::now() < deadline, "the fourth does not become a voter");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The leader leaves in good order: writes go on at once.
    let at = servers.iter().position(|server| server.raft.leadership().borrow().is_local).unwrap();
    let Backend::Local(leader) = &servers[at].backend else { panic!("a server answers itself") };
    leader.leave().await.unwrap();
    let other = (at + 1) % 4;
    put(&servers[other].backend, "b", "1").await.unwrap();
    assert_eq!(servers[other].raft.configuration().servers.len(), 3);
    for task in duties {
        task.abort();
    }
}
