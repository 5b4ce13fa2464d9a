//! Restores where things go wrong or are busy: writers and watchers at the same time, the leader killed in the middle, a
//! client that goes, a token that is taken away, and archives that were made to do harm. The state is what it was or what
//! was restored, as a whole and on every server, and no index goes back.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use rand::Rng as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tests::{Agent, Cluster, LoopbackAddress, Program, eventually, http};

const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a value that does not compress; below the limit of a value.
const BIG: usize = 400_000;
const ROOT: &str = "11111111-2222-4333-8444-555555555555";

fn put(agent: &Agent, key: &str, value: &[u8]) {
    let answer = agent.request("PUT", &format!("/v1/kv/{key}"), value).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn keys(agent: &Agent, options: &str) -> Value {
    match agent.request("GET", &format!("/v1/kv/?keys{options}"), b"") {
        Ok(answer) if answer.status == 200 => answer.json(),
        Ok(answer) => answer.text().into(),
        Err(error) => error.into(),
    }
}

/// An archive of `count` large values; the state is empty again after it.
fn large_archive(agent: &Agent, count: usize) -> Vec<u8> {
    let mut value = vec![0; BIG];
    for number in 0..count {
        rand::rng().fill(&mut value[..]);
        put(agent, &format!("old/{number:02}"), &value);
    }
    let archive = agent.request("GET", "/v1/snapshot", b"").expect("an answer");
    assert_eq!(archive.status, 200);
    assert_eq!(agent.request("DELETE", "/v1/kv/?recurse", b"").expect("an answer").status, 200);
    archive.body
}

/// All servers have the same keys, and the same entries of them.
fn same_everywhere(cluster: &Cluster) -> Value {
    eventually("all servers to agree", PATIENCE, || {
        let read = |server: &Agent| {
            let answer = server.request("GET", "/v1/kv/?recurse&stale", b"")?;
            Ok::<_, String>((answer.status, Sha256::digest(&answer.body).to_vec(), keys(server, "&stale")))
        };
        let states = cluster.servers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let is_same = states.windows(2).all(|two| two[0] == two[1]);
        if is_same {
            Ok(states[0].2.clone())
        } else {
            Err(format!("{:?}", states.iter().map(|it| &it.2).collect::<Vec<_>>()))
        }
    })
}

/// The head of an upload and as much of it as is given; the connection, open still.
fn upload(address: LoopbackAddress, claimed: usize, token: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address.port(8500)).expect("a connection");
    let head = format!(
        "PUT /v1/snapshot HTTP/1.1\r\nHost: consul\r\nX-Consul-Token: {token}\r\nConnection: close\r\nContent-Length: {claimed}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    stream.write_all(bytes).expect("it is sent");
    stream
}

/// Writes and watches until it is told to stop; how many writes were refused.
fn write_until(stop: &AtomicBool, agent: &Agent, done: &AtomicU64) -> usize {
    let mut refused = 0;
    let mut index = 0;
    while !stop.load(Ordering::Relaxed) {
        match agent.request("PUT", "/v1/kv/load", b"x") {
            Ok(answer) if answer.status == 200 => drop(done.fetch_add(1, Ordering::Relaxed)),
            Ok(answer) => {
                assert!(answer.status == 500 && !answer.text().trim().is_empty(), "{answer:?}");
                refused += 1;
            }
            Err(error) => panic!("no answer to a write: {error}"),
        }
        let now = agent.request("GET", "/v1/kv/load", b"").expect("an answer").index();
        assert!(now >= index, "the index went from {index} back to {now}");
        index = now;
    }
    refused
}

#[test]
fn writers_and_watchers_go_on_during_a_restore() {
    let cluster = Cluster::start(&Program::ours(), 3, &[]);
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let archive = large_archive(&cluster.servers[leader], 8);
    put(&cluster.servers[leader], "watched", b"1");
    let before = cluster.servers[follower].request("GET", "/v1/kv/watched", b"").expect("an answer").index();
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let waiting: Vec<_> = ["watched", "none", "old/00", "?recurse"]
            .map(|key| {
                let mark = if key.starts_with('?') { '&' } else { '?' };
                let path = format!("/v1/kv/{key}{mark}index={before}&wait=50s");
                let server = &cluster.servers[follower];
                scope.spawn(move || server.request("GET", &path, b"").expect("an answer"))
            })
            .into_iter()
            .collect();
        let writers: Vec<_> =
            cluster.servers.iter().map(|server| scope.spawn(|| write_until(&stop, server, &done))).collect();
        eventually("some writes", PATIENCE, || {
            if done.load(Ordering::Relaxed) > 10 { Ok(()) } else { Err("not yet".to_owned()) }
        });
        let restored = cluster.servers[follower].request("PUT", "/v1/snapshot", &archive).expect("an answer");
        assert_eq!(restored.status, 200, "{}", restored.text());
        let at = done.load(Ordering::Relaxed);
        eventually("writes after the restore", PATIENCE, || {
            if done.load(Ordering::Relaxed) > at + 10 { Ok(()) } else { Err("not yet".to_owned()) }
        });
        stop.store(true, Ordering::Relaxed);
        for waiting in waiting {
            let answer = waiting.join().expect("it got an answer");
            assert!(answer.index() > before, "{} after {before}: {}", answer.index(), answer.status);
        }
        for writer in writers {
            writer.join().expect("every write was answered");
        }
    });
    let keys = same_everywhere(&cluster);
    let keys: Vec<&str> = keys.as_array().expect("keys").iter().filter_map(Value::as_str).collect();
    assert_eq!(keys.len(), 9, "the old ones and what was written since: {keys:?}");
    assert!(keys.contains(&"load") && !keys.contains(&"watched"), "{keys:?}");
}

#[test]
fn a_leader_that_is_killed_in_the_middle_leaves_the_state_whole() {
    let mut cluster = Cluster::start(&Program::ours(), 3, &[]);
    let leader = cluster.leader();
    let archive = large_archive(&cluster.servers[leader], 30);
    put(&cluster.servers[leader], "new", b"1");
    let follower = cluster.follower();
    // A client that goes in the middle changes nothing.
    let cut = upload(cluster.servers[follower].address(), archive.len(), "", &archive[..archive.len() / 2]);
    cut.shutdown(Shutdown::Both).expect("it is open");
    assert_eq!(same_everywhere(&cluster), serde_json::json!(["new"]));

    let address = cluster.servers[follower].address();
    let uploading = std::thread::spawn({
        let archive = archive.clone();
        move || http::request(address.port(8500), "PUT", "/v1/snapshot", &[], &archive)
    });
    eventually("the restore to begin", PATIENCE, || {
        let log = cluster.servers[leader].log();
        if log.contains("restoring a snapshot") { Ok(()) } else { Err("not yet".to_owned()) }
    });
    cluster.servers[leader].kill();
    let answer = uploading.join().expect("it ends").expect("an answer");
    if answer.status != 200 {
        assert!(answer.status == 500 && !answer.text().trim().is_empty(), "{answer:?}");
    }
    cluster.servers[leader].restart();
    let _ = cluster.leader();
    let is_whole = |keys: &Value| {
        let keys = keys.as_array().cloned().unwrap_or_default();
        keys == [Value::from("new")] || (keys.len() == 30 && keys.iter().all(|key| key != "new"))
    };
    let keys = same_everywhere(&cluster);
    assert!(is_whole(&keys), "{keys}");
    let now = cluster.leader();
    let again = eventually("the next restore", PATIENCE, || {
        match cluster.servers[now].request("PUT", "/v1/snapshot", &archive)? {
            answer if answer.status == 200 => Ok(answer),
            answer => Err(answer.text()),
        }
    });
    assert_eq!(again.status, 200);
    assert_eq!(same_everywhere(&cluster).as_array().map(Vec::len), Some(30));
}

#[test]
fn a_token_that_is_taken_away_moves_nothing_more() {
    let config = format!(r#"-hcl=acl {{ enabled = true default_policy = "deny" tokens {{ master = "{ROOT}" }} }}"#);
    let agent = Agent::server(&Program::ours(), &["-node=n1", &config]);
    let ask = |method: &str, path: &str, body: &[u8]| {
        http::request(agent.address().port(8500), method, path, &[("X-Consul-Token", ROOT)], body).expect("an answer")
    };
    eventually("the root token", PATIENCE, || match ask("PUT", "/v1/kv/kept", b"1") {
        answer if answer.status == 200 => Ok(()),
        answer => Err(answer.text()),
    });
    let mut value = vec![0; BIG];
    for number in 0..6 {
        rand::rng().fill(&mut value[..]);
        assert_eq!(ask("PUT", &format!("/v1/kv/big/{number}"), &value).status, 200);
    }
    let archive = ask("GET", "/v1/snapshot", b"").body;
    assert_eq!(ask("DELETE", "/v1/kv/big/?recurse", b"").status, 200);
    let made = ask("PUT", "/v1/acl/token", br#"{"Policies": [{"Name": "global-management"}]}"#).json();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    let mut stream = upload(agent.address(), archive.len(), &text("SecretID"), &archive[..archive.len() / 2]);
    assert_eq!(ask("DELETE", &format!("/v1/acl/token/{}", text("AccessorID")), b"").status, 200);
    // The rest may not even be taken.
    let _ = stream.write_all(&archive[archive.len() / 2..]);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = http::parse(&answer).expect("an answer");
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("ACL not found"), "{}", answer.text());
    assert_eq!(ask("GET", "/v1/kv/?keys", b"").json(), serde_json::json!(["kept"]));
}

/// A file of a tar; `kind` is `0` for a plain one.
fn member(name: &str, kind: u8, claimed: u64, bytes: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000600");
    header[108..115].copy_from_slice(b"0000000");
    header[116..123].copy_from_slice(b"0000000");
    header[124..135].copy_from_slice(format!("{claimed:011o}").as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut all = [&header[..], bytes].concat();
    all.resize(all.len().next_multiple_of(512), 0);
    all
}

fn gzip(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        encoder.write_all(part).expect("memory takes it");
    }
    encoder.finish().expect("memory takes it")
}

fn sums(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut text = String::new();
    for (name, bytes) in files {
        let sum: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{sum}  {name}").expect("memory takes it");
    }
    text.into_bytes()
}

/// The files of a true archive.
fn opened(archive: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut tar = Vec::new();
    GzDecoder::new(archive).read_to_end(&mut tar).expect("it is one");
    let file = |name: &str| {
        let mut at = 0;
        loop {
            let header = &tar[at..at + 512];
            let size = std::str::from_utf8(&header[124..135]).expect("digits");
            let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).expect("a size");
            if header.starts_with(name.as_bytes()) {
                return tar[at + 512..at + 512 + size].to_vec();
            }
            at += 512 + size.next_multiple_of(512);
        }
    };
    (file("meta.json"), file("state.bin"))
}

/// Archives that do harm, and what is said of each.
fn hostile(archive: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let (meta, state) = opened(archive);
    let plain = |name: &str, bytes: &[u8]| member(name, b'0', bytes.len() as u64, bytes);
    let (meta_file, state_file) = (plain("meta.json", &meta), plain("state.bin", &state));
    let right = plain("SHA256SUMS", &sums(&[("meta.json", &meta), ("state.bin", &state)]));
    let end = [0; 1024];
    let all = |parts: &[&[u8]]| gzip(&[parts, &[&end[..]]].concat());
    let mut damaged = archive.to_vec();
    damaged[archive.len() / 2] ^= 0x10;
    let zeros = vec![0_u8; 256 << 20];
    let mut other = state.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    let swapped = plain("SHA256SUMS", &sums(&[("meta.json", &meta), ("state.bin", &other)]));
    let lying_record = [&state[..17], &[4], &u32::MAX.to_le_bytes()].concat();
    let lying_sums = plain("SHA256SUMS", &sums(&[("meta.json", &meta), ("state.bin", &lying_record)]));
    let lying_file = plain("state.bin", &lying_record);
    let other_file = plain("state.bin", &other);
    vec![
        ("nothing", Vec::new(), "failed to decompress snapshot: EOF"),
        ("no gzip", b"no gzip, whatever it says".to_vec(), "failed to decompress snapshot: gzip: invalid header"),
        ("a gzip of nothing", gzip(&[]), "unexpected EOF"),
        ("cut in the middle", archive[..archive.len() / 2].to_vec(), "unexpected EOF"),
        ("cut at the last byte", archive[..archive.len() - 1].to_vec(), "unexpected EOF"),
        ("a changed bit", damaged, "failed to"),
        ("a path upwards", all(&[&meta_file, &state_file, &plain("../../evil", b"x"), &right]), "unexpected file"),
        (
            "a path from the root",
            all(&[&plain("/etc/passwd", b"x"), &meta_file, &state_file, &right]),
            "unexpected file",
        ),
        ("a link", all(&[&member("meta.json", b'2', 0, b""), &state_file, &right]), "failed to read snapshot file"),
        ("a file twice", all(&[&meta_file, &state_file, &state_file, &right]), "unexpected file \"state.bin\""),
        ("a wrong sum", all(&[&meta_file, &state_file, &swapped]), "hash check failed for \"state.bin\""),
        ("another state", all(&[&meta_file, &other_file, &right]), "hash check failed for \"state.bin\""),
        ("no sums", all(&[&meta_file, &state_file]), "file missing for"),
        ("no state", all(&[&meta_file, &right]), "hash check failed for \"state.bin\""),
        ("a size beyond all", all(&[&member("meta.json", b'0', 8_000_000_000, b"{}")]), "more than the limit"),
        ("more than there is", gzip(&[&meta_file, &member("state.bin", b'0', 1 << 30, &state)]), "unexpected EOF"),
        ("a record beyond all", all(&[&meta_file, &lying_file, &lying_sums]), "more than the limit"),
        ("a checksum of the state", all(&[&meta_file, &other_file, &swapped]), "the checksum of the snapshot"),
        ("a bomb as the state", gzip(&[&member("state.bin", b'0', zeros.len() as u64, &zeros)]), "not a snapshot"),
        (
            "a bomb at the end",
            gzip(&[&meta_file, &state_file, &right, &end, &zeros]),
            "unread uncompressed bytes remain",
        ),
        ("a second archive", [archive, archive].concat(), "there is more after the end of the archive"),
    ]
}

/// Most memory that the process ever had, bytes.
fn peak(agent: &Agent) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells it");
    let kibibytes: u64 = line.split_whitespace().nth(1).and_then(|digits| digits.parse().ok()).expect("a number");
    kibibytes * 1024
}

#[test]
fn hostile_archives_are_refused_with_their_reason_and_cost_nothing() {
    let agent = Agent::server(&Program::ours(), &["-node=n1"]);
    put(&agent, "a", b"archived");
    let archive = agent.request("GET", "/v1/snapshot", b"").expect("an answer").body;
    put(&agent, "a", b"kept");
    let before = agent.get_json("/v1/kv/?recurse");
    let memory = peak(&agent);
    let mut wrong = Vec::new();
    for (what, bytes, reason) in hostile(&archive) {
        let answer = agent.request("PUT", "/v1/snapshot", &bytes).expect("an answer");
        if answer.status != 500 || !answer.text().contains(reason) {
            wrong.push(format!("{what}: {} {}", answer.status, answer.text()));
        }
        assert_eq!(agent.get_json("/v1/kv/?recurse"), before, "{what}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let grown = peak(&agent).saturating_sub(memory);
    assert!(grown < 128 << 20, "bombs of 256 MiB cost {grown} bytes");
    let restored = agent.request("PUT", "/v1/snapshot", &archive).expect("an answer");
    assert_eq!(restored.status, 200, "{}", restored.text());
    assert_eq!(agent.request("GET", "/v1/kv/a?raw", b"").expect("an answer").text(), "archived");
}
