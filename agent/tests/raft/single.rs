//! One server alone.

use server::request::{Action, Cluster, Consistency, ErrorKind, ReadOptions, Response};
use uuid::Uuid;

use crate::harness::{Options, TestServer, get, get_with, on_disk, put, request};

#[tokio::test(flavor = "multi_thread")]
async fn answers_in_memory_as_soon_as_it_began_a_cluster() {
    let server = TestServer::start(Uuid::new_v4(), &Options::default()).await;
    assert!(!server.raft.is_initialized().await.unwrap());
    server.raft.bootstrap(&[server.as_new()]).await.unwrap();
    put(&server.backend, "a", "1").await.unwrap();
    for consistency in [Consistency::Default, Consistency::Consistent, Consistency::Stale] {
        assert_eq!(get(&server.backend, "a", consistency).await.unwrap().as_deref(), Some("1"));
    }
    let leader = server.backend.call(request(Action::Cluster(Cluster::Leader))).await.unwrap();
    assert!(matches!(leader, Response::Leader(address) if address == server.address.to_string()));
    let stats = server.raft.stats();
    assert_eq!(stats["state"], "Leader");
    assert_eq!(stats["num_peers"], "0");
    assert!(stats["latest_configuration"].contains("Suffrage:Voter"), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cluster_requests_are_held_and_then_refused() {
    let server = TestServer::start(Uuid::new_v4(), &Options::default()).await;
    let held = tokio::time::Instant::now();
    let error = put(&server.backend, "a", "1").await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NoLeader, "No cluster leader"));
    assert!(held.elapsed() >= std::time::Duration::from_secs(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_query_wakes_with_the_write() {
    let server = TestServer::start(Uuid::new_v4(), &Options::default()).await;
    server.raft.bootstrap(&[server.as_new()]).await.unwrap();
    put(&server.backend, "a", "1").await.unwrap();
    let (index, _) = get_with(&server.backend, "a", ReadOptions::default()).await.unwrap();
    let backend = server.backend.clone();
    let waiting = tokio::spawn(async move {
        get_with(&backend, "a", ReadOptions { min_index: index, wait_ms: 10_000, ..ReadOptions::default() }).await
    });
    put(&server.backend, "a", "2").await.unwrap();
    let (later, value) = waiting.await.unwrap().unwrap();
    assert!(later > index);
    assert_eq!(value.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn comes_back_from_its_data_directory() {
    let folder = tempfile::tempdir().unwrap();
    let id = Uuid::new_v4();
    let server = TestServer::start(id, &on_disk(folder.path())).await;
    server.raft.bootstrap(&[server.as_new()]).await.unwrap();
    for number in 0..100 {
        put(&server.backend, &format!("k/{number}"), &number.to_string()).await.unwrap();
    }
    server.stop().await;
    for round in 0..3 {
        let server = TestServer::start(id, &on_disk(folder.path())).await;
        assert!(server.raft.is_initialized().await.unwrap());
        for number in 0..100 {
            let value = get(&server.backend, &format!("k/{number}"), Consistency::Consistent).await.unwrap();
            assert_eq!(value, Some(number.to_string()), "round {round}");
        }
        put(&server.backend, &format!("round/{round}"), "x").await.unwrap();
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_replaces_the_log_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let id = Uuid::new_v4();
    let options =
        super::harness::Options { snapshot_threshold: Some(50), trailing_logs: Some(5), ..on_disk(folder.path()) };
    let server = TestServer::start(id, &options).await;
    server.raft.bootstrap(&[server.as_new()]).await.unwrap();
    for number in 0..300 {
        put(&server.backend, &format!("k/{number}"), &number.to_string()).await.unwrap();
    }
    assert_ne!(server.raft.stats()["last_snapshot_index"], "0");
    server.stop().await;
    assert!(folder.path().join("raft/snapshots/current.snap").exists());
    let server = TestServer::start(id, &options).await;
    for number in 0..300 {
        let value = get(&server.backend, &format!("k/{number}"), Consistency::Default).await.unwrap();
        assert_eq!(value, Some(number.to_string()));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_datacenter_cannot_be_reached() {
    let server = TestServer::start(Uuid::new_v4(), &Options::default()).await;
    let mut elsewhere = request(Action::Cluster(Cluster::Leader));
    elsewhere.datacenter = "moon".to_owned();
    let error = server.backend.call(elsewhere).await.unwrap_err();
    assert_eq!(error.message, "No path to datacenter");
}
