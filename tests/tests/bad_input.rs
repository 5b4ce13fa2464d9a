//! What nobody should send, to real processes of ours: wrong command lines and files, unusable directories, ports in
//! use, malformed and cut requests, garbage on every port, `kill -9` and a full disk. Always a clear error or silence;
//! never a hang, a spin, a crash, or a write that was acknowledged and lost.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tests::{Agent, Ended, LoopbackAddress, Program, eventually, http};

const PATIENCE: Duration = Duration::from_secs(60);

/// Longest that an agent may take to answer while, or after, it was badly treated.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(1);

/// How long the CPU use is watched, and the most of it that an agent may use in that time, in hundredths of a second.
const WATCH: Duration = Duration::from_secs(2);
const WATCH_TICKS_MAX: u64 = 50;

/// Most that garbage may make an agent grow, bytes.
const GROWTH_MAX: u64 = 64 * 1024 * 1024;

/// Starts an agent that is to end by itself with code 1, and shows what it said.
fn refused_at(address: LoopbackAddress, arguments: &[&str]) -> String {
    let mut agent = Agent::start_at(&Program::ours(), address, arguments);
    let Ended { status, log } = agent.wait_until_ended();
    assert_eq!(status.code(), Some(1), "{arguments:?}: {log}");
    log
}

fn refused(arguments: &[&str]) -> String {
    refused_at(LoopbackAddress::free(), arguments)
}

fn assert_says(log: &str, parts: &[&str]) {
    for part in parts {
        assert!(log.contains(part), "{part:?} is missing in:\n{log}");
    }
    assert!(!log.contains("panicked"), "{log}");
}

fn argument(flag: &str, path: &Path) -> String {
    format!("-{flag}={}", path.display())
}

#[test]
fn wrong_flags_are_named() {
    assert_says(&refused(&["-dev", "-bogus"]), &["flag provided but not defined: -bogus"]);
    assert_says(&refused(&["-dev", "-http-port=many"]), &["-http-port", "many"]);
    assert_says(&refused(&["-dev", "left-over"]), &["Unexpected extra arguments: [left-over]"]);
}

#[test]
fn wrong_files_are_named_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, parts) in [
        ("key.hcl", "node_name = \"x\"\nbogus_key = 1\n", ["bogus_key", "line 2"]),
        ("key.json", "{\n  \"node_name\": \"x\",\n  \"bogus_key\": 1\n}\n", ["bogus_key", "line 3"]),
        ("broken.hcl", "node_name = \"x\"\nports = {{\n", ["key expected", "At 2:"]),
        ("broken.json", "{\n  \"node_name\": oops\n}\n", ["expected", "line 2"]),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let log = refused(&["-dev", &argument("config-file", &path)]);
        assert_says(&log, &[&format!("failed to parse {}", path.display())]);
        assert_says(&log, &parts);
    }
}

#[test]
fn an_unusable_data_directory_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let as_file = argument("data-dir", file.path());
    assert_says(&refused(&[&as_file]), &[&file.path().display().to_string(), "is not a directory"]);
    let below = file.path().join("data");
    assert_says(&refused(&[&argument("data-dir", &below)]), &[&below.display().to_string(), "not a directory"]);

    let program = Program::ours();
    let server = Agent::server(&program, &[]);
    let client = Agent::start(&program, &[]);
    eventually("the client", PATIENCE, || client.request("GET", "/v1/agent/self", b"").map(drop));
    for owner in [&server, &client] {
        let (folder, in_use) = (owner.data_dir(), argument("data-dir", &owner.data_dir()));
        for arguments in [&["-server", &in_use][..], &[&in_use]] {
            assert_says(&refused(arguments), &[&folder.display().to_string(), "in use by another process"]);
        }
        assert_answers(owner.address());
    }
}

#[test]
fn a_port_in_use_is_named() {
    for (port, is_udp, arguments) in [
        (8500, false, ["-dev", "-server"]),
        (8600, false, ["-dev", "-server"]),
        (8600, true, ["-dev", "-server"]),
        (8300, false, ["-dev", "-server"]),
        (8301, false, ["-dev", "-server"]),
        (8301, true, ["-dev", "-server"]),
    ] {
        let address = LoopbackAddress::free();
        let taken = address.port(port);
        let _udp = is_udp.then(|| UdpSocket::bind(taken).expect("the port is free"));
        let _tcp = (!is_udp).then(|| TcpListener::bind(taken).expect("the port is free"));
        let log = refused_at(address, &arguments);
        assert_says(&log, &[&taken.to_string(), "Address already in use", "cannot listen"]);
    }
}

#[test]
fn a_wrong_bind_address_is_named() {
    // 192.0.2.0/24 is reserved for documentation: no machine has it.
    for arguments in [&["-dev", "-bind=192.0.2.1"][..], &["-bind=192.0.2.1"]] {
        assert_says(&refused(arguments), &["192.0.2.1:", "Cannot assign requested address"]);
    }
    assert_says(&refused(&["-dev", "-bind=nowhere"]), &["bind_addr", "nowhere", "-bind"]);
}

/// Asserts that an agent answers soon.
fn assert_answers(address: LoopbackAddress) {
    let started = Instant::now();
    let answer = http::request(address.port(8500), "GET", "/v1/agent/self", &[], b"").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(started.elapsed() < ANSWER_TIME_MAX, "an answer took {:?}", started.elapsed());
}

/// What a refused request must not have left behind.
fn assert_nothing_written(agent: &Agent) {
    assert_eq!(agent.request("GET", "/v1/kv/?recurse", b"").expect("an answer").status, 404, "no keys");
    assert_eq!(agent.get_json("/v1/agent/services"), serde_json::json!({}));
    assert_eq!(agent.get_json("/v1/catalog/services"), serde_json::json!({"consul": []}));
    assert_eq!(agent.get_json("/v1/catalog/nodes").as_array().map(Vec::len), Some(1));
}

#[test]
fn bad_requests_write_nothing() {
    let agent = Agent::server(&Program::ours(), &[]);
    let paths = ["/v1/catalog/register", "/v1/agent/service/register", "/v1/agent/check/register"];
    let deep = "[".repeat(100_000);
    for path in paths {
        for body in ["", "{", "[1", "\"", "{\"Name\":", "{\"Name\": \"web\"", "{\"Name\": {}}", "\u{0}", &deep] {
            let answer = agent.request("PUT", path, body.as_bytes()).expect("an answer");
            let shown = &body[..body.len().min(40)];
            assert_eq!(answer.status, 400, "{path} {shown:?}: {}", answer.text());
            assert!(!answer.text().is_empty(), "{path} {shown:?}: no reason given");
        }
    }
    let huge = vec![b'x'; 8 * 1024 * 1024];
    for path in paths.into_iter().chain(["/v1/kv/huge"]) {
        let answer = agent.request("PUT", path, &huge).expect("an answer");
        assert_eq!(answer.status, 413, "{path}: {}", answer.text());
    }
    assert_nothing_written(&agent);
    for path in paths.into_iter().chain(["/v1/kv/cut"]) {
        let body = "{\"Name\": \"cut\", \"Node\": \"cut\", \"Address\": \"127.0.0.1\"}";
        let whole = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{body}");
        send_and_end(agent.address().port(8500), whole.as_bytes());
        let unfinished = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{body}");
        send_and_end(agent.address().port(8500), unfinished.as_bytes());
        for length in ["-1", "many", "99999999999999999999", "99999999999"] {
            let wrong = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
            send_and_end(agent.address().port(8500), wrong.as_bytes());
        }
    }
    assert_nothing_written(&agent);
    assert_answers(agent.address());
}

/// Sends something, ends the sending half and waits until the agent has closed its own, which it does when it is done.
fn send_and_end(address: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(bytes).expect("it takes a few bytes");
    // The agent may have closed the connection already.
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the connection is not closed");
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

/// CPU time that a process has used, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // The fields behind the name, which may hold anything: user and system time are the 14th and 15th of all.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
}

/// Memory of a process, bytes.
fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    row.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Asserts that an agent is as it was: it answers, rests, has not grown, and believes itself alive.
fn assert_well(agent: &Agent, memory_before: u64, after: &str) {
    assert_answers(agent.address());
    eventually(&format!("rest after {after}"), PATIENCE, || {
        let before = cpu_ticks(agent.pid());
        std::thread::sleep(WATCH);
        let used = cpu_ticks(agent.pid()) - before;
        if used <= WATCH_TICKS_MAX { Ok(()) } else { Err(format!("{used} hundredths of a second used in {WATCH:?}")) }
    });
    let grown = resident_bytes(agent.pid()).saturating_sub(memory_before);
    assert!(grown < GROWTH_MAX, "{grown} bytes more after {after}");
    let members = agent.output_of(&["members"]);
    let rows: Vec<Vec<&str>> = members.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.len() == 1 && rows[0].get(2) == Some(&"alive"), "after {after}: {members}");
    assert_answers(agent.address());
}

/// Opens one connection for each first byte, and sends that byte and then `more` random ones.
fn open_with_each_byte(address: SocketAddr, more: usize, random: &mut StdRng) -> Vec<TcpStream> {
    (0..=u8::MAX)
        .map(|first| {
            let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("byte {first}: {error}"));
            let mut bytes = vec![first; more + 1];
            random.fill(&mut bytes[1..]);
            // The agent may close as soon as it has seen enough.
            let _ = stream.write_all(&bytes);
            stream
        })
        .collect()
}

/// Sends datagrams that begin with each byte and go on at random.
fn send_datagrams(address: SocketAddr, random: &mut StdRng) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    for round in 0..8 {
        for first in 0..=u8::MAX {
            let length = if round == 0 { 0 } else { random.random_range(0..1400) };
            let mut bytes = vec![first; length + 1];
            random.fill(&mut bytes[1..]);
            socket.send_to(&bytes, address).expect("loopback takes datagrams");
        }
    }
}

#[test]
fn garbage_on_every_port_does_no_harm() {
    let agent = Agent::server(&Program::ours(), &[]);
    let mut random = StdRng::seed_from_u64(20);
    let memory_before = resident_bytes(agent.pid());
    for port in [8301, 8600] {
        send_datagrams(agent.address().port(port), &mut random);
    }
    assert_well(&agent, memory_before, "datagrams");
    for more in [0, 100] {
        let mut open = Vec::new();
        for port in [8301, 8300, 8600] {
            open.extend(open_with_each_byte(agent.address().port(port), more, &mut random));
            assert_answers(agent.address());
        }
        assert_well(&agent, memory_before, &format!("first bytes with {more} behind them"));
        drop(open);
    }
    assert_eq!(agent.put("/v1/kv/after", "1"), "true");
    assert_says(&agent.log(), &[]);
}

/// Connects from an address of the loopback network.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0)).expect("loopback addresses can be bound");
        let stream = socket.connect(to).await.expect("a connection");
        let stream = stream.into_std().expect("a plain stream");
        stream.set_nonblocking(false).expect("a blocking stream");
        stream
    })
}

#[test]
fn half_open_connections_do_not_stop_others() {
    let agent = Agent::server(&Program::ours(), &[]);
    let memory_before = resident_bytes(agent.pid());
    // More than one client address may have: the rest are told so, and other addresses do not notice.
    let mut open = Vec::new();
    for number in 0..300 {
        let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 9), agent.address().port(8500));
        let half = if number % 2 == 0 { "PUT /v1/kv/half HTTP/1.1\r\nHost" } else { "G" };
        // One that is refused may be closed already.
        let _ = stream.write_all(half.as_bytes());
        open.push(stream);
    }
    assert_answers(agent.address());
    assert_eq!(agent.put("/v1/kv/other", "1"), "true");
    let mut refusal = String::new();
    let last = open.last_mut().expect("300 were opened");
    last.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    last.read_to_string(&mut refusal).expect("a refusal");
    assert!(refusal.starts_with("HTTP/1.1 429 "), "{refusal}");
    drop(open);
    // As many from several addresses are all held.
    let from = |host| connect_from(Ipv4Addr::new(127, 0, 1, host), agent.address().port(8500));
    let open: Vec<TcpStream> = (0..100).flat_map(|_| [1, 2, 3].map(from)).collect();
    assert_well(&agent, memory_before, "half-open connections");
    drop(open);
}

/// Writes keys `0..count` one after the other; `acknowledged` is how many were, and ends at the first that was not.
/// The reason why that was not is returned.
fn write_keys(address: LoopbackAddress, count: usize, body: &[u8], acknowledged: &AtomicUsize) -> Option<String> {
    for number in 0..count {
        match http::request(address.port(8500), "PUT", &format!("/v1/kv/k/{number}"), &[], body) {
            Ok(answer) if answer.status == 200 && answer.text() == "true" => {
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Ok(answer) => return Some(format!("{} {}", answer.status, answer.text())),
            Err(error) => return Some(error),
        }
    }
    None
}

/// Asserts that the first `count` keys are there, with their value.
fn assert_keys(agent: &Agent, count: usize, body: &[u8]) {
    for number in 0..count {
        let answer = agent.request("GET", &format!("/v1/kv/k/{number}?raw"), b"").expect("an answer");
        assert!(answer.status == 200 && answer.body == body, "key {number} of {count}: {}", answer.status);
    }
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    let mut agent = Agent::server(&Program::ours(), &[]);
    let acknowledged = AtomicUsize::new(0);
    let address = agent.address();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_keys(address, 200, b"value", &acknowledged));
        eventually("half of the writes", PATIENCE, || match acknowledged.load(Ordering::SeqCst) {
            few @ 0..100 => Err(format!("{few} writes")),
            _ => Ok(()),
        });
        agent.kill();
        let reason = writer.join().expect("the writer does not panic");
        assert!(reason.is_some(), "the agent was killed too late to be in the middle of writing");
    });
    agent.restart();
    agent.wait_for_leader();
    assert_keys(&agent, acknowledged.load(Ordering::SeqCst), b"value");
}

/// A small file system in memory; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, with a line that says so, where this process may not mount.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", "size=40m", "tmpfs"]).arg(folder.path()).output();
        match output {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => {
                println!("skipped: a small disk cannot be mounted here, so no disk gets full");
                None
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because the agent that used it may end a moment later.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data_dir = argument("data-dir", &disk.path().join("data"));
    let mut agent = Agent::server(&Program::ours(), &[&data_dir]);
    // Takes what the agent itself will not need long for.
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![1; 20 * 1024 * 1024]).expect("there is room for the ballast");
    let acknowledged = AtomicUsize::new(0);
    let body = vec![b'v'; 256 * 1024];
    let reason = write_keys(agent.address(), 400, &body, &acknowledged).expect("40 MB do not hold 100 MB");
    println!("after {acknowledged:?} keys the write was refused: {reason}");
    assert!(acknowledged.load(Ordering::SeqCst) > 0, "{reason}");
    // It ends, so that whoever watches it starts it again, instead of staying as a server that cannot write.
    let Ended { status, log } = agent.wait_until_ended();
    assert_eq!(status.code(), Some(1), "{log}");
    assert_says(&log, &["No space left on device", &disk.path().display().to_string()]);
    std::fs::remove_file(&ballast).expect("the ballast goes");
    agent.restart();
    agent.wait_for_leader();
    assert_keys(&agent, acknowledged.load(Ordering::SeqCst), &body);
    assert_eq!(agent.put("/v1/kv/after", "1"), "true");
}
