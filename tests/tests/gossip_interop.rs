//! Our pools beside real agents: Debian's `serf`, and the Consul that CONCORD_ORACLE names. Each
//! test starts its own processes on loopback and ends them by their process id. A test whose
//! program is absent says so and passes; a program that is named and does not work fails it.

use agent::gossip::{Admission, Pool, PoolConfig, PoolEvent, Status, Timing};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(40);
const SERF: &str = "/usr/bin/serf";

/// The path of the real Consul, checked; nothing when the tests should skip it.
async fn consul() -> Option<String> {
    let Ok(path) = std::env::var("CONCORD_ORACLE") else {
        println!("skipped: CONCORD_ORACLE names no consul binary");
        return None;
    };
    let output = Command::new(&path).arg("version").output().await;
    let output = output.unwrap_or_else(|e| panic!("CONCORD_ORACLE={path} cannot be run: {e}"));
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(version.starts_with("Consul v1."), "CONCORD_ORACLE={path} is no Consul: {version:?}");
    Some(path)
}

fn serf() -> Option<&'static str> {
    if std::path::Path::new(SERF).exists() {
        return Some(SERF);
    }
    println!("skipped: {SERF} is not installed");
    None
}

/// A loopback port that is free for TCP and UDP just now.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = tcp.local_addr().unwrap();
        if UdpSocket::bind(addr).is_ok() {
            return addr.port();
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn start(program: &str, arguments: &[String]) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    if std::env::var_os("CONCORD_SHOW").is_none() {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }
    command.spawn().unwrap_or_else(|e| panic!("cannot start {program}: {e}"))
}

async fn until<F: Future<Output = Option<T>>, T>(what: &str, mut look: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            println!("{what}: {:.2} s", started.elapsed().as_secs_f64());
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "gave up waiting: {what}");
        // Another process has no event to wait for.
        sleep(Duration::from_millis(50)).await;
    }
}

async fn pool(name: &str, tags: &[(&str, &str)], timing: Timing) -> Pool {
    pool_at(name, loopback(0), tags, timing).await
}

async fn pool_at(name: &str, bind: SocketAddr, tags: &[(&str, &str)], timing: Timing) -> Pool {
    let tags: BTreeMap<_, _> = tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let config = PoolConfig {
        name: name.to_owned(),
        bind,
        advertise: bind,
        tags,
        timing,
        seed: 1,
        snapshot: None,
        rejoins_after_leave: false,
        admission: Admission::Any,
        encryption: None,
    };
    Pool::start(config).await.unwrap()
}

async fn we_see(pool: &Pool, name: &str, status: Status) {
    until(&format!("we see {name} {}", status.as_str()), || async {
        pool.members().iter().any(|m| *m.name == *name && m.status == status).then_some(())
    })
    .await;
}

/// The next user event, by name.
async fn next_event(events: &mut tokio::sync::broadcast::Receiver<PoolEvent>, name: &str) -> Vec<u8> {
    let wait = async {
        loop {
            if let PoolEvent::UserEvent(event) = events.recv().await.unwrap()
                && event.name == name
            {
                return event.payload;
            }
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no event {name}"))
}

/// A real Serf agent.
struct Serf {
    child: Child,
    gossip: SocketAddr,
    rpc: String,
}

impl Serf {
    fn start(name: &str, more: &[String]) -> Serf {
        let gossip = loopback(free_port());
        let rpc = loopback(free_port()).to_string();
        let mut arguments = vec![
            "agent".to_owned(),
            format!("-node={name}"),
            format!("-bind={gossip}"),
            format!("-rpc-addr={rpc}"),
            "-profile=local".to_owned(),
            "-tag".to_owned(),
            "kind=real".to_owned(),
        ];
        arguments.extend_from_slice(more);
        Serf { child: start(SERF, &arguments), gossip, rpc }
    }

    async fn command(&self, arguments: &[&str]) -> String {
        let rpc = format!("-rpc-addr={}", self.rpc);
        let (command, rest) = arguments.split_first().unwrap();
        let output = Command::new(SERF).arg(command).arg(rpc).args(rest).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn member(&self, name: &str) -> Option<Value> {
        let text = self.command(&["members", "-format=json"]).await;
        let all: Value = serde_json::from_str(&text).ok()?;
        all["members"].as_array()?.iter().find(|m| m["name"] == name).cloned()
    }

    async fn sees(&self, name: &str, wanted: impl Fn(&Value) -> bool, what: &str) {
        until(&format!("serf sees {name} {what}"), || async {
            self.member(name).await.filter(|member| wanted(member)).map(|_| ())
        })
        .await;
    }

    async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn serf_joins_through_us_and_everything_reaches_the_other_side() {
    if serf().is_none() {
        return;
    }
    let ours = pool("ours", &[("role", "node")], Timing::local()).await;
    let mut events = ours.events();
    let real = Serf::start("real", &[format!("-join={}", ours.local().addr)]);
    we_see(&ours, "real", Status::Alive).await;
    real.sees("ours", |m| m["status"] == "alive" && m["tags"]["role"] == "node", "alive with tags").await;
    let seen = ours.members().iter().find(|m| *m.name == *"real").unwrap().clone();
    assert_eq!(seen.tags["kind"], "real");
    assert_eq!(seen.addr, real.gossip);

    ours.set_tags(BTreeMap::from([("role".to_owned(), "other".to_owned())])).await.unwrap();
    real.sees("ours", |m| m["tags"]["role"] == "other", "with new tags").await;
    real.command(&["tags", "-set", "kind=changed"]).await;
    until("we see new tags", || async {
        ours.members().iter().any(|m| m.tags.get("kind").is_some_and(|kind| kind == "changed")).then_some(())
    })
    .await;

    real.command(&["event", "-coalesce=false", "deploy", "payload"]).await;
    assert_eq!(next_event(&mut events, "deploy").await, b"payload");
    let answers = real.command(&["query", "-format=json", "-timeout=1s", "anything"]).await;
    assert!(answers.contains("ours"), "our ack to a query is missing: {answers}");

    until("serf estimates the way to us", || async {
        real.command(&["rtt", "ours"]).await.contains("rtt:").then_some(())
    })
    .await;
    assert_ne!(ours.coordinate(), Default::default(), "its coordinate moves ours");

    ours.leave(PATIENCE).await;
    ours.shutdown().await;
    real.sees("ours", |m| m["status"] == "left", "left").await;
}

#[tokio::test]
async fn we_join_serf_see_it_fail_return_and_leave() {
    if serf().is_none() {
        return;
    }
    let ours = pool("ours", &[], Timing::local()).await;
    let mut real = Serf::start("real", &[]);
    until("we join", || async { (ours.join(&[real.gossip]).await.0 == 1).then_some(()) }).await;
    we_see(&ours, "real", Status::Alive).await;
    real.sees("ours", |m| m["status"] == "alive", "alive").await;
    real.kill().await;
    we_see(&ours, "real", Status::Failed).await;

    let real = Serf::start("back", &[format!("-join={}", ours.local().addr)]);
    we_see(&ours, "back", Status::Alive).await;
    real.sees("ours", |m| m["status"] == "alive", "alive").await;
    real.command(&["leave"]).await;
    we_see(&ours, "back", Status::Left).await;
    ours.force_leave("real", false).await.unwrap();
    we_see(&ours, "real", Status::Left).await;
}

#[tokio::test]
async fn serf_sees_us_die_and_return_at_another_address() {
    if serf().is_none() {
        return;
    }
    let tags = [("id", "5c8b4a3e-0000-4000-8000-000000000001")];
    let timing = Timing::local();
    let first = pool("ours", &tags, timing.clone()).await;
    let witness = pool("witness", &[], timing.clone()).await;
    let real = Serf::start("real", &[format!("-join={}", witness.local().addr)]);
    we_see(&witness, "real", Status::Alive).await;
    assert_eq!(first.join(&[real.gossip]).await.0, 1);
    real.sees("ours", |m| m["status"] == "alive", "alive").await;
    we_see(&witness, "ours", Status::Alive).await;
    let mut events = witness.events();
    first.shutdown().await;

    // Back before anybody noticed, elsewhere, through the real agent.
    let second = pool("ours", &tags, timing.clone()).await;
    assert_eq!(second.join(&[real.gossip]).await.0, 1);
    let moved = second.local().addr;
    until("our witness sees the new address", || async {
        witness.members().iter().any(|m| m.addr == moved && m.status == Status::Alive).then_some(())
    })
    .await;
    let there = move |m: &Value| m["status"] == "alive" && m["addr"] == moved.to_string();
    real.sees("ours", there, "alive at its new address").await;
    while let Ok(event) = events.try_recv() {
        let lost = matches!(&event, PoolEvent::Failed(m) | PoolEvent::Leave(m) if *m.name == *"ours");
        assert!(!lost, "our witness blinked: {event:?}");
    }

    second.shutdown().await;
    real.sees("ours", |m| m["status"] == "failed", "failed").await;
    let third = pool("ours", &tags, timing).await;
    assert_eq!(third.join(&[real.gossip]).await.0, 1);
    let moved = third.local().addr;
    let there = move |m: &Value| m["status"] == "alive" && m["addr"] == moved.to_string();
    real.sees("ours", there, "back from failed").await;
}

/// A real Consul agent.
struct Consul {
    program: String,
    _child: Child,
    lan: SocketAddr,
    http: SocketAddr,
    _data: tempfile::TempDir,
}

impl Consul {
    fn start(program: &str, name: &str, more: &[String]) -> Consul {
        let (lan, http, rpc) = (loopback(free_port()), loopback(free_port()), free_port());
        let data = tempfile::tempdir().unwrap();
        let mut arguments = vec![
            "agent".to_owned(),
            format!("-node={name}"),
            "-bind=127.0.0.1".to_owned(),
            format!("-serf-lan-port={}", lan.port()),
            format!("-http-port={}", http.port()),
            format!("-server-port={rpc}"),
            format!("-data-dir={}", data.path().display()),
            "-dns-port=-1".to_owned(),
            "-grpc-port=-1".to_owned(),
            "-serf-wan-port=-1".to_owned(),
        ];
        arguments.extend_from_slice(more);
        Consul { program: program.to_owned(), _child: start(program, &arguments), lan, http, _data: data }
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let mut stream = tokio::net::TcpStream::connect(self.http).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    async fn command(&self, arguments: &[&str]) -> String {
        let http = format!("-http-addr={}", self.http);
        let (command, rest) = arguments.split_first().unwrap();
        let output = Command::new(&self.program).arg(command).arg(http).args(rest).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn health(&self, node: &str, status: &str) {
        until(&format!("Consul has serfHealth of {node} {status}"), || async {
            let checks = self.get(&format!("/v1/health/node/{node}")).await?;
            let fits = |c: &&Value| c["CheckID"] == "serfHealth" && c["Status"] == status;
            checks.as_array()?.iter().find(fits).map(|_| ())
        })
        .await;
    }

    async fn knows(&self, node: &str) -> Option<bool> {
        let nodes = self.get("/v1/catalog/nodes").await?;
        Some(nodes.as_array()?.iter().any(|n| n["Node"] == node))
    }
}

fn consul_tags(id: &str) -> [(&str, &str); 8] {
    [
        ("role", "node"),
        ("dc", "dc1"),
        ("segment", ""),
        ("id", id),
        ("vsn", "2"),
        ("vsn_min", "2"),
        ("vsn_max", "3"),
        ("build", "1.8.7:"),
    ]
}

#[tokio::test]
async fn consul_keeps_our_health_in_its_catalog() {
    let Some(program) = consul().await else { return };
    let server = Consul::start(&program, "server", &["-dev".to_owned()]);
    let tags = consul_tags("5c8b4a3e-0000-4000-8000-000000000002");
    let ours = pool("ours", &tags, Timing::local()).await;
    let mut events = ours.events();
    until("we join", || async { (ours.join(&[server.lan]).await.0 == 1).then_some(()) }).await;
    we_see(&ours, "server", Status::Alive).await;
    server.health("ours", "passing").await;
    assert_eq!(server.knows("ours").await, Some(true));
    let members = server.command(&["members"]).await;
    let line = members.lines().find(|line| line.starts_with("ours ")).unwrap();
    assert!(line.contains("alive") && line.contains("client"), "{line}");

    let client = Consul::start(&program, "client", &[format!("-retry-join={}", ours.local().addr)]);
    we_see(&ours, "client", Status::Alive).await;
    server.health("client", "passing").await;
    server.command(&["event", "-name=deploy", "payload"]).await;
    let event = next_event(&mut events, "consul:event:deploy").await;
    assert!(event.windows(7).any(|bytes| bytes == b"payload"), "{event:?}");
    drop(client);

    // Back at another address before anybody noticed.
    ours.shutdown().await;
    let moved = pool("ours", &tags, Timing::local()).await;
    assert_eq!(moved.join(&[server.lan]).await.0, 1);
    let port = moved.local().addr.port();
    until("Consul sees our new address", || async {
        let members = server.get("/v1/agent/members").await?;
        let fits = |m: &&Value| m["Name"] == "ours" && m["Port"] == port && m["Status"] == 1;
        members.as_array()?.iter().find(fits).map(|_| ())
    })
    .await;
    server.health("ours", "passing").await;

    moved.shutdown().await;
    server.health("ours", "critical").await;
    let back = pool_at("ours", loopback(port), &tags, Timing::local()).await;
    assert_eq!(back.join(&[server.lan]).await.0, 1);
    server.health("ours", "passing").await;
    back.leave(PATIENCE).await;
    back.shutdown().await;
    until("Consul forgets us", || async { (server.knows("ours").await == Some(false)).then_some(()) }).await;
}
