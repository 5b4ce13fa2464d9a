//! Garbage on the gossip port of a running pool: silence or a closed stream, no spin, and honest
//! nodes still join at once.

use agent::gossip::{Admission, Pool, PoolConfig, Timing};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

async fn pool(name: &str) -> Pool {
    let bind: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let config = PoolConfig {
        name: name.to_owned(),
        bind,
        advertise: bind,
        tags: BTreeMap::new(),
        timing: Timing::local(),
        seed: 3,
        snapshot: None,
        rejoins_after_leave: false,
        admission: Admission::Any,
        encryption: None,
    };
    Pool::start(config).await.unwrap()
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let both = usage.user_time() + usage.system_time();
    Duration::from_micros(u64::try_from(both.num_microseconds()).unwrap())
}

async fn honest_join_is_quick(target: &Pool, name: &str) {
    let honest = pool(name).await;
    let started = Instant::now();
    let (contacted, errors) = honest.join(&[target.local().addr]).await;
    assert_eq!(contacted, 1, "{errors:?}");
    assert!(started.elapsed() < Duration::from_secs(1), "took {:?}", started.elapsed());
    assert!(target.members().iter().any(|m| *m.name == *name));
    honest.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_survived() {
    let target = pool("target").await;
    let addr = target.local().addr;

    // Each first byte, held open, and more open streams than are served at once.
    let mut open = Vec::new();
    for byte in 0..=255u8 {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(&[byte]).await.unwrap();
        open.push(stream);
    }
    for _ in 0..400 {
        open.push(TcpStream::connect(addr).await.unwrap());
    }
    honest_join_is_quick(&target, "first").await;

    // Prefixes of a push/pull that promises a lot, held open; datagrams of all sorts.
    let promise = [
        &[6, 0x83, 0xa5][..],
        b"Nodes",
        &[0xcd, 0x40, 0x00],
        &[0xac],
        b"UserStateLen",
        &[0xce, 0x01, 0x00, 0x00, 0x00, 0xa4],
        b"Join",
        &[0xc3],
        &[0x87; 32],
    ]
    .concat();
    for len in 1..promise.len().min(64) {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(&promise[..len]).await.unwrap();
        open.push(stream);
    }
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for byte in 0..=255u8 {
        udp.send_to(&[byte], addr).await.unwrap();
        udp.send_to(&[byte, 1, 0, 0], addr).await.unwrap();
        udp.send_to(&[byte; 1400], addr).await.unwrap();
    }
    honest_join_is_quick(&target, "second").await;

    // With all that still open the pool idles.
    let before = cpu();
    let mut last = open.pop().unwrap();
    let held = timeout(Duration::from_secs(2), last.read(&mut [0; 1])).await;
    assert!(held.is_err(), "an unfinished stream is held for its time: {held:?}");
    let spent = cpu() - before;
    assert!(spent < Duration::from_millis(200), "2 s of waiting cost {spent:?} of CPU");

    // A wrong first byte is answered by closing the stream, without a byte.
    let mut wrong = TcpStream::connect(addr).await.unwrap();
    wrong.write_all(&[99]).await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(5), wrong.read_to_end(&mut answer)).await;
    assert!(ended.is_ok() && answer.is_empty(), "{ended:?} {answer:?}");
    target.shutdown().await;
}
