//! Pools with real sockets on loopback: they find, lose and leave each other.

use agent::gossip::{Admission, Pool, PoolConfig, PoolError, PoolEvent, Status, Timing};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn config(name: &str) -> PoolConfig {
    let bind: SocketAddr = "127.0.0.1:0".parse().unwrap();
    PoolConfig {
        name: name.to_owned(),
        bind,
        advertise: bind,
        tags: BTreeMap::from([("id".to_owned(), format!("id-{name}"))]),
        timing: Timing::local(),
        seed: 7,
        snapshot: None,
        rejoins_after_leave: false,
        admission: Admission::Any,
        encryption: None,
    }
}

/// Waits until `pool` sees `name` as `wanted`, driven by the pool's events.
async fn see(pool: &Pool, name: &str, wanted: Status) {
    let mut events = pool.events();
    let seen = async {
        while !pool.members().iter().any(|m| *m.name == *name && m.status == wanted) {
            // Leaving is no event, so look again now and then.
            let _ = timeout(Duration::from_millis(100), events.recv()).await;
        }
    };
    if timeout(PATIENCE, seen).await.is_err() {
        panic!("{name} is not {wanted:?}: {:?}", pool.members());
    }
}

#[tokio::test]
async fn two_pools_join_change_tags_send_events_and_leave() {
    let a = Pool::start(config("a")).await.unwrap();
    let b = Pool::start(config("b")).await.unwrap();
    let mut events = b.events();
    let (contacted, errors) = a.join(&[b.local().addr]).await;
    assert_eq!((contacted, errors), (1, vec![]));
    see(&a, "b", Status::Alive).await;
    see(&b, "a", Status::Alive).await;

    a.set_tags(BTreeMap::from([("role".to_owned(), "web".to_owned())])).await.unwrap();
    a.user_event("deploy", b"now", false).await.unwrap();
    let (mut tags, mut deploy) = (false, false);
    while !(tags && deploy) {
        match timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
            PoolEvent::Update(member) => tags |= member.tags.get("role").is_some_and(|role| role == "web"),
            PoolEvent::UserEvent(event) => deploy |= event.name == "deploy" && event.payload == b"now",
            _ => {}
        }
    }
    let long = BTreeMap::from([("long".to_owned(), "x".repeat(600))]);
    assert!(matches!(a.set_tags(long).await, Err(PoolError::Command(_))));

    a.leave(PATIENCE).await;
    a.shutdown().await;
    see(&b, "a", Status::Left).await;
    assert_eq!(b.stats()["left"], "1");
}

#[tokio::test]
async fn a_dead_node_fails_and_is_forced_out_and_comes_back_elsewhere() {
    let a = Pool::start(config("a")).await.unwrap();
    let b = Pool::start(config("b")).await.unwrap();
    let c = Pool::start(config("c")).await.unwrap();
    assert_eq!(a.join(&[b.local().addr, c.local().addr]).await.0, 2);
    see(&b, "c", Status::Alive).await;

    // Still alive in everybody's eyes, the node is back at another port.
    c.shutdown().await;
    let c = Pool::start(config("c")).await.unwrap();
    let mut events = b.events();
    assert_eq!(c.join(&[a.local().addr]).await.0, 1);
    let moved = c.local().addr;
    let accepted = async {
        while !b.members().iter().any(|m| *m.name == *"c" && m.addr == moved) {
            events.recv().await.unwrap();
        }
    };
    timeout(PATIENCE, accepted).await.expect("the new address is accepted");
    assert_eq!(b.members()[2].status, Status::Alive);

    c.shutdown().await;
    see(&a, "c", Status::Failed).await;
    see(&b, "c", Status::Failed).await;
    assert!(matches!(a.force_leave("nobody", false).await, Err(PoolError::Command(_))));
    a.force_leave("c", false).await.unwrap();
    see(&b, "c", Status::Left).await;
    a.force_leave("c", true).await.unwrap();
    let gone = async {
        while b.members().len() != 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("pruned everywhere");
    assert_eq!(a.members().len(), 2);
}

#[tokio::test]
async fn known_peers_on_disk_bring_a_node_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("peers");
    let a = Pool::start(config("a")).await.unwrap();
    let mut with_snapshot = config("b");
    with_snapshot.snapshot = Some(path.clone());
    let b = Pool::start(with_snapshot.clone()).await.unwrap();
    b.join(&[a.local().addr]).await;
    b.shutdown().await;
    assert!(std::fs::read_to_string(&path).unwrap().contains(&a.local().addr.to_string()));

    let b = Pool::start(with_snapshot.clone()).await.unwrap();
    see(&b, "a", Status::Alive).await;
    b.leave(PATIENCE).await;
    b.shutdown().await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
}

#[tokio::test]
async fn unusable_addresses_are_named() {
    let a = Pool::start(config("a")).await.unwrap();
    let mut taken = config("b");
    taken.bind = a.local().addr;
    let error = Pool::start(taken).await.unwrap_err().to_string();
    assert!(error.contains(&a.local().addr.to_string()), "{error}");
    let mut everywhere = config("b");
    everywhere.bind = "0.0.0.0:0".parse().unwrap();
    everywhere.advertise = everywhere.bind;
    assert!(matches!(Pool::start(everywhere).await, Err(PoolError::Advertise(_))));
    // Nobody listens there: port 1 needs rights that tests do not have.
    let (contacted, errors) = a.join(&["127.0.0.1:1".parse().unwrap()]).await;
    assert_eq!((contacted, errors.len()), (0, 1));
}
