//! Nothing that is promised is broken when leaders die: three servers, clients at all of them, leaders killed with -9.
//!
//! Keys: puts, gets (default and consistent), compare-and-set and transactions on pairs of keys must be linearizable.
//! Locks: never two holders, and fencing tokens that rise with each of them. `SEED` repeats a run as far as chance allows.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tests::linear::{Call, is_linearizable};
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
/// How long the clients work: after the last kill long enough that a lock whose holder was lost with it comes free again.
const RUN: Duration = Duration::from_secs(20);
/// When leaders are killed, counted from the start, and when they come back.
const KILLS: [(u64, u64); 3] = [(2, 3), (6, 7), (10, 11)];
/// Each pair of keys is used for this time, which keeps histories short.
const PAIR_TIME: Duration = Duration::from_millis(2500);
/// Pairs in use at a time.
const PAIRS: u64 = 2;
/// TTL of the lock test's sessions; below the usual limit, which its servers are told.
const TTL: Duration = Duration::from_secs(2);

/// What a client did to a pair of keys, and what it saw. Every value is written once.
#[derive(Clone, Debug)]
enum Op {
    Put {
        slot: usize,
        value: u32,
    },
    Get {
        slot: usize,
        seen: Option<u32>,
    },
    /// `done` is `None` when the answer is unknown.
    Cas {
        slot: usize,
        expected: Option<u32>,
        value: u32,
        done: Option<bool>,
    },
    /// Both keys at once.
    SetBoth {
        values: [u32; 2],
    },
    GetBoth {
        seen: [Option<u32>; 2],
    },
}

type Pair = [Option<u32>; 2];

fn step(state: &Pair, op: &Op) -> Option<Pair> {
    let mut next = *state;
    match op {
        Op::Put { slot, value } => next[*slot] = Some(*value),
        Op::Get { slot, seen } => return (state[*slot] == *seen).then_some(next),
        Op::Cas { slot, expected, value, done } => {
            let matches = state[*slot] == *expected;
            if done.is_some_and(|done| done != matches) {
                return None;
            }
            if matches {
                next[*slot] = Some(*value);
            }
        }
        Op::SetBoth { values } => next = values.map(Some),
        Op::GetBoth { seen } => return (state == seen).then_some(next),
    }
    Some(next)
}

struct Cluster {
    servers: Vec<Mutex<Agent>>,
    addresses: Vec<std::net::SocketAddr>,
    began: Instant,
    stop: AtomicBool,
}

impl Cluster {
    fn start(program: &Program) -> Self {
        let setting = "-hcl=session_ttl_min = \"1s\"";
        let mut servers: Vec<Agent> = Vec::new();
        for name in ["n1", "n2", "n3"] {
            let node = format!("-node={name}");
            let join = servers.first().map(|seed: &Agent| format!("-retry-join={}", seed.address()));
            let mut arguments = vec!["-server", "-bootstrap-expect=3", setting, &node];
            arguments.extend(join.as_deref());
            servers.push(Agent::start(program, &arguments));
        }
        for agent in &servers {
            agent.wait_for_leader();
            wait_until_registered(agent);
        }
        let addresses = servers.iter().map(|agent| agent.address().port(8500)).collect();
        let servers = servers.into_iter().map(Mutex::new).collect();
        Self { servers, addresses, began: Instant::now(), stop: AtomicBool::new(false) }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn is_running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// A request to one of the servers; `None` when there was no answer, or an error.
    fn ask(&self, random: &mut StdRng, method: &str, path: &str, body: &[u8]) -> Option<tests::http::Response> {
        let address = self.addresses[random.random_range(0..self.addresses.len())];
        let answer = tests::http::request(address, method, path, &[], body).ok()?;
        matches!(answer.status, 200 | 404).then_some(answer)
    }

    /// Kills leaders until the time is over.
    fn kill_leaders(&self) {
        for (kill, restart) in KILLS {
            std::thread::sleep(Duration::from_secs(kill).saturating_sub(self.now()));
            let at = self.leader();
            self.servers[at].lock().expect("no thread panicked").kill();
            println!("{:?}: killed the leader n{}", self.now(), at + 1);
            std::thread::sleep(Duration::from_secs(restart).saturating_sub(self.now()));
            self.servers[at].lock().expect("no thread panicked").restart();
        }
        std::thread::sleep(RUN.saturating_sub(self.now()));
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The server that another one takes for the leader, and that answers itself.
    fn leader(&self) -> usize {
        eventually("a leader that lives", PATIENCE, || {
            let alive = |at: &usize| {
                let answer = tests::http::request(self.addresses[*at], "GET", "/v1/status/leader", &[], b"").ok()?;
                Some(answer.text().trim().trim_matches('"').rsplit_once(':')?.0.to_owned())
            };
            let names: Vec<String> = (0..self.addresses.len()).filter_map(|at| alive(&at)).collect();
            let is_agreed = names.len() == self.addresses.len() && names.iter().all(|name| *name == names[0]);
            let found = self.addresses.iter().position(|it| is_agreed && it.ip().to_string() == names[0]);
            found.ok_or_else(|| format!("{names:?}"))
        })
    }
}

fn wait_until_registered(agent: &Agent) {
    eventually("the registration of the servers", PATIENCE, || {
        let checks = agent.request("GET", "/v1/health/state/passing", b"")?;
        let count = checks.json().as_array().map_or(0, Vec::len);
        if count >= 3 { Ok(()) } else { Err(checks.text()) }
    });
}

/// The part of a history, by time, that cannot be explained; what leads to its last line is the anomaly.
fn shortest(calls: &[Call<Op>]) -> String {
    let mut ends: Vec<Duration> = calls.iter().filter_map(|call| call.ended).collect();
    ends.sort();
    let until = |end: Duration| -> Vec<Call<Op>> {
        let begun = calls.iter().filter(|call| call.began <= end).cloned();
        begun.map(|call| Call { ended: call.ended.filter(|ended| *ended <= end), ..call }).collect()
    };
    // What could be explained until an earlier end can be explained until all ends before it.
    let first = ends.partition_point(|end| is_linearizable(&until(*end), [None, None], step));
    let mut part = until(ends.get(first).copied().unwrap_or(Duration::MAX));
    part.sort_by_key(|call| call.began);
    let lines = part.iter().map(|call| format!("{:?} to {:?}: {:?}", call.began, call.ended, call.operation));
    lines.collect::<Vec<_>>().join("\n")
}

type History = Mutex<BTreeMap<u64, Vec<Call<Op>>>>;

/// One client of keys: whatever it does is written down.
fn use_keys(cluster: &Cluster, history: &History, values: &AtomicU32, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    while cluster.is_running() {
        let phase = u64::try_from(cluster.now().as_millis() / PAIR_TIME.as_millis()).unwrap_or(0);
        let pair = phase * PAIRS + random.random_range(0..PAIRS);
        if let Some((began, ended, operation)) = one_turn(cluster, &mut random, pair, values) {
            let call = Call { began, ended, operation };
            history.lock().expect("no thread panicked").entry(pair).or_default().push(call);
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..8)));
    }
}

type Done = (Duration, Option<Duration>, Op);

fn one_turn(cluster: &Cluster, random: &mut StdRng, pair: u64, values: &AtomicU32) -> Option<Done> {
    let slot = random.random_range(0..2_usize);
    let path = format!("/v1/kv/pair/{pair}/{slot}");
    let fresh = || values.fetch_add(1, Ordering::Relaxed) + 1;
    let mode = if random.random() { "?consistent" } else { "" };
    let began = cluster.now();
    match random.random_range(0..10) {
        0..3 => {
            let value = fresh();
            let answer = cluster.ask(random, "PUT", &path, value.to_string().as_bytes());
            Some((began, answer.map(|_| cluster.now()), Op::Put { slot, value }))
        }
        3..6 => {
            let answer = cluster.ask(random, "GET", &format!("{path}{mode}"), b"")?;
            Some((began, Some(cluster.now()), Op::Get { slot, seen: entry(&answer)?.0 }))
        }
        6..8 => {
            let (expected, index) = entry(&cluster.ask(random, "GET", &format!("{path}{mode}"), b"")?)?;
            let (value, began) = (fresh(), cluster.now());
            let answer = cluster.ask(random, "PUT", &format!("{path}?cas={index}"), value.to_string().as_bytes());
            let done = answer.map(|answer| answer.text().trim() == "true");
            Some((began, done.map(|_| cluster.now()), Op::Cas { slot, expected, value, done }))
        }
        8 => {
            let values = [fresh(), fresh()];
            let set = |slot: usize| {
                let value = STANDARD.encode(values[slot].to_string());
                json!({"KV": {"Verb": "set", "Key": format!("pair/{pair}/{slot}"), "Value": value}})
            };
            let body = json!([set(0), set(1)]).to_string();
            let answer = cluster.ask(random, "PUT", "/v1/txn", body.as_bytes());
            Some((began, answer.map(|_| cluster.now()), Op::SetBoth { values }))
        }
        _ => {
            let body = json!([{"KV": {"Verb": "get-tree", "Key": format!("pair/{pair}/")}}]).to_string();
            let answer = cluster.ask(random, "PUT", "/v1/txn", body.as_bytes())?;
            let mut seen = [None, None];
            for result in answer.json()["Results"].as_array()? {
                let at = usize::from(result["KV"]["Key"].as_str()?.ends_with("/1"));
                seen[at] = Some(decoded(&result["KV"]["Value"])?);
            }
            Some((began, Some(cluster.now()), Op::GetBoth { seen }))
        }
    }
}

/// Value and `ModifyIndex` of the one entry of an answer; the index is 0 where there is no entry.
fn entry(answer: &tests::http::Response) -> Option<(Option<u32>, u64)> {
    if answer.status == 404 {
        return Some((None, 0));
    }
    let rows = answer.json();
    Some((Some(decoded(&rows[0]["Value"])?), rows[0]["ModifyIndex"].as_u64()?))
}

fn decoded(value: &Value) -> Option<u32> {
    String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok()?.parse().ok()
}

/// A time in which a client was sure to hold the lock.
#[derive(Clone, Debug)]
struct Held {
    from: Duration,
    until: Duration,
    token: u64,
}

/// One client of the lock: takes it, renews it for a while, then gives it up, destroys the session, or just goes silent.
fn use_lock(cluster: &Cluster, held: &Mutex<Vec<Held>>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let body = json!({"TTL": "2s", "LockDelay": "500ms"}).to_string();
    while cluster.is_running() {
        let mut renewed = cluster.now();
        let Some(created) = cluster.ask(&mut random, "PUT", "/v1/session/create", body.as_bytes()) else { continue };
        let Some(id) = created.json()["ID"].as_str().map(str::to_owned) else { continue };
        let Some((from, token)) = take_lock(cluster, &mut random, &id, &mut renewed) else {
            // It may hold the lock without knowing; then others need not wait for its TTL.
            cluster.ask(&mut random, "PUT", &format!("/v1/session/destroy/{id}"), b"");
            continue;
        };
        for _ in 0..random.random_range(0..3) {
            std::thread::sleep(Duration::from_millis(300));
            renew(cluster, &mut random, &id, &mut renewed);
        }
        let until = cluster.now().min(renewed + TTL);
        match random.random_range(0..5) {
            0 | 1 => {
                cluster.ask(&mut random, "PUT", &format!("/v1/kv/lock?release={id}"), b"");
            }
            2 | 3 => {
                cluster.ask(&mut random, "PUT", &format!("/v1/session/destroy/{id}"), b"");
            }
            // Silent: it may rely on the lock until its TTL is over.
            _ => {
                held.lock().expect("no thread panicked").push(Held { from, until: renewed + TTL, token });
                continue;
            }
        }
        held.lock().expect("no thread panicked").push(Held { from, until, token });
    }
}

/// Tries until the lock is taken, or the session may be over.
fn take_lock(cluster: &Cluster, random: &mut StdRng, id: &str, renewed: &mut Duration) -> Option<(Duration, u64)> {
    while cluster.is_running() && cluster.now() < *renewed + TTL {
        let path = format!("/v1/kv/lock?acquire={id}");
        // With an error it may have been taken: then nobody relies on it, and the session ends by itself.
        let answer = cluster.ask(random, "PUT", &path, b"")?;
        if answer.text().trim() == "true" {
            let token = answer.header("X-Concord-Fencing-Token").and_then(|token| token.parse().ok());
            let token = token.unwrap_or_else(|| panic!("a lock without a fencing token: {answer:?}"));
            return (cluster.now() < *renewed + TTL).then(|| (cluster.now(), token));
        }
        std::thread::sleep(Duration::from_millis(random.random_range(10..60)));
        renew(cluster, random, id, renewed);
    }
    None
}

fn renew(cluster: &Cluster, random: &mut StdRng, id: &str, renewed: &mut Duration) {
    let asked = cluster.now();
    if cluster.ask(random, "PUT", &format!("/v1/session/renew/{id}"), b"").is_some_and(|answer| answer.status == 200) {
        *renewed = asked;
    }
}

fn check_locks(mut held: Vec<Held>) {
    held.sort_by_key(|held| held.from);
    for two in held.windows(2) {
        assert!(two[0].until <= two[1].from, "two holders at a time: {two:?}");
        assert!(two[0].token < two[1].token, "a fencing token did not rise: {two:?}");
    }
    println!("{} holders, one after the other", held.len());
    assert!(held.len() >= 2, "the lock was hardly used: {held:?}");
}

#[test]
fn nothing_promised_is_broken_when_leaders_are_killed() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("SEED={seed}");
    let cluster = Cluster::start(&Program::ours());
    let (history, held, values) = (History::default(), Mutex::default(), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for client in 0..5 {
            let (cluster, history, values) = (&cluster, &history, &values);
            scope.spawn(move || use_keys(cluster, history, values, seed.wrapping_add(client)));
        }
        for client in 0..3 {
            let (cluster, held) = (&cluster, &held);
            scope.spawn(move || use_lock(cluster, held, seed.wrapping_add(100 + client)));
        }
        cluster.kill_leaders();
    });
    let history = history.into_inner().expect("no thread panicked");
    let calls: usize = history.values().map(Vec::len).sum();
    let unknown = history.values().flatten().filter(|call| call.ended.is_none()).count();
    println!("{calls} calls on {} pairs of keys, {unknown} without a certain answer", history.len());
    assert!(calls > 200, "hardly anything was done: {calls} calls");
    for (pair, calls) in &history {
        assert!(is_linearizable(calls, [None, None], step), "pair {pair} is not linearizable:\n{}", shortest(calls));
    }
    check_locks(held.into_inner().expect("no thread panicked"));
}
