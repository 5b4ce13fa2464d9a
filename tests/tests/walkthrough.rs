//! The walk-through of every article about Consul, with real processes on loopback addresses: two servers and a client,
//! join, members, info, list-peers, leave; what happens when servers are killed, restarted and moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use nix::sys::signal::Signal;
use tests::{Agent, LoopbackAddress, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a server of a cluster of `expect`, which joins `seed` by itself when there is one.
fn server(program: &Program, name: &str, expect: u32, seed: Option<&Agent>) -> Agent {
    let (node, expect) = (format!("-node={name}"), format!("-bootstrap-expect={expect}"));
    let join = seed.map(|seed| format!("-retry-join={}", seed.address()));
    let mut arguments = vec!["-server", &node, &expect];
    arguments.extend(join.as_deref());
    Agent::start(program, &arguments)
}

/// Three servers that have elected a leader and agree on three voters.
fn three_servers(program: &Program) -> Vec<Agent> {
    let first = server(program, "n1", 3, None);
    let second = server(program, "n2", 3, Some(&first));
    let third = server(program, "n3", 3, Some(&first));
    let servers = vec![first, second, third];
    for agent in &servers {
        agent.wait_for_leader();
        wait_for_peers(agent, 3);
    }
    servers
}

fn wait_for_peers(agent: &Agent, count: usize) {
    eventually("the peers", PATIENCE, || {
        let peers = agent.request("GET", "/v1/status/peers", b"")?;
        let known = peers.json().as_array().map_or(0, Vec::len);
        if known == count { Ok(()) } else { Err(format!("{known} peers: {}", peers.text())) }
    });
}

/// The member's status word as `consul members` shows it.
fn status_of(agent: &Agent, name: &str) -> String {
    let output = agent.command(&["members"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or("");
    row.split_whitespace().nth(2).unwrap_or("absent").to_owned()
}

fn wait_for_status(agent: &Agent, name: &str, wanted: &str) {
    eventually(&format!("{name} is {wanted}"), PATIENCE, || {
        let status = status_of(agent, name);
        if status == wanted { Ok(()) } else { Err(status) }
    });
}

fn leader_of<'a>(servers: &'a [Agent], asked: &Agent) -> &'a Agent {
    let leader = asked.wait_for_leader();
    let ip = leader.rsplit_once(':').map_or("", |(ip, _)| ip);
    servers.iter().find(|agent| agent.address().to_string() == ip).expect("the leader is one of the servers")
}

#[test]
fn two_servers_and_a_client_are_joined_by_hand() {
    let program = Program::ours();
    let first = server(&program, "n1", 2, None);
    let second = server(&program, "n2", 2, None);
    let mut client = Agent::start(&program, &["-node=c1"]);
    eventually("the HTTP API", PATIENCE, || first.request("GET", "/v1/agent/self", b"").map(drop));
    let before = first.request("GET", "/v1/status/leader", b"").expect("an answer without a leader");
    assert_eq!(before.text(), "\"\"", "no leader before the expected number of servers is there");

    for agent in [&second, &client] {
        eventually("the HTTP API", PATIENCE, || agent.request("GET", "/v1/agent/self", b"").map(drop));
        let output = agent.output_of(&["join", &first.address().to_string()]);
        assert_eq!(output, "Successfully joined cluster by contacting 1 nodes.\n");
    }
    for agent in [&first, &second, &client] {
        agent.wait_for_leader();
        wait_for_peers(agent, 2);
    }

    let members = client.output_of(&["members"]);
    let mut lines = members.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
    assert_eq!(header, ["Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Segment"]);
    let names: Vec<&str> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["n1", "n2", "c1"], "servers first, then clients");

    let info = first.output_of(&["info"]);
    for section in ["agent:", "consul:", "raft:", "serf_lan:"] {
        assert!(info.lines().any(|line| line == section), "{section} is missing in\n{info}");
    }
    let peers = client.output_of(&["operator", "raft", "list-peers"]);
    assert_eq!(peers.lines().filter(|line| line.contains("leader")).count(), 1, "{peers}");
    assert_eq!(peers.lines().filter(|line| line.contains("follower")).count(), 1, "{peers}");

    assert_eq!(client.put("/v1/kv/a/b", "through a client"), "true");
    let value = second.request("GET", "/v1/kv/a/b?raw", b"").expect("an answer");
    assert_eq!(value.text(), "through a client");

    eventually("the client in the catalog", PATIENCE, || {
        let nodes = first.get_json("/v1/catalog/nodes");
        let names: Vec<&str> =
            nodes.as_array().into_iter().flatten().filter_map(|node| node["Node"].as_str()).collect();
        if names == ["c1", "n1", "n2"] { Ok(()) } else { Err(format!("{names:?}")) }
    });
    let output = client.output_of(&["leave"]);
    assert_eq!(output, "Graceful leave complete\n");
    assert!(client.wait_until_ended().status.success());
    wait_for_status(&first, "c1", "left");
    eventually("the client out of the catalog", PATIENCE, || {
        let node = first.get_json("/v1/catalog/node/c1");
        if node.is_null() { Ok(()) } else { Err(node.to_string()) }
    });
}

#[test]
fn a_dev_agent_serves_at_once() {
    let address = LoopbackAddress::free();
    let agent = Agent::start_at(&Program::ours(), address, &["-dev"]);
    agent.wait_for_leader();
    assert_eq!(agent.put("/v1/kv/x", "1"), "true\n", "a dev agent indents its JSON, which ends with a line feed");
    let entry = agent.get_json("/v1/kv/x");
    assert_eq!(entry[0]["Value"], base64::engine::general_purpose::STANDARD.encode("1"));
}

#[test]
fn killing_the_leader_loses_no_acknowledged_write() {
    let mut servers = three_servers(&Program::ours());
    let stop = Arc::new(AtomicBool::new(false));
    let targets: Vec<_> = servers.iter().map(|agent| agent.address().port(8500)).collect();
    let writer = std::thread::spawn({
        let stop = stop.clone();
        move || write_until(&stop, &targets)
    });
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(700));
        let asked = servers.iter().position(|agent| agent.request("GET", "/v1/status/leader", b"").is_ok());
        let leader = leader_of(&servers, &servers[asked.expect("a server answers")]).address();
        let at = servers.iter().position(|agent| agent.address() == leader).expect("the leader is ours");
        servers[at].kill();
        let other = &servers[(at + 1) % servers.len()];
        eventually("another leader", PATIENCE, || {
            let text = other.request("GET", "/v1/status/leader", b"")?.text();
            let is_other = text.contains(':') && !text.contains(&leader.to_string());
            if is_other { Ok(()) } else { Err(text) }
        });
        servers[at].restart();
        servers[at].wait_for_leader();
    }
    stop.store(true, Ordering::SeqCst);
    let (acknowledged, longest_gap) = writer.join().expect("the writer");
    println!(
        "figure: {} writes acknowledged over two kills of the leader, longest gap {longest_gap:.2?}",
        acknowledged.len()
    );
    assert!(acknowledged.len() > 20, "only {} writes went through", acknowledged.len());
    let kept = servers[0].get_json("/v1/kv/w/?keys&consistent");
    let kept: std::collections::HashSet<&str> =
        kept.as_array().into_iter().flatten().filter_map(|key| key.as_str()).collect();
    for key in &acknowledged {
        assert!(kept.contains(key.as_str()), "{key} was acknowledged and is gone");
    }
}

/// Writes keys one after the other to whichever server takes them; those acknowledged, and the longest time between two.
fn write_until(stop: &AtomicBool, targets: &[std::net::SocketAddr]) -> (Vec<String>, Duration) {
    let (mut acknowledged, mut gap, mut last) = (Vec::new(), Duration::ZERO, Instant::now());
    for serial in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let key = format!("w/{serial:06}");
        let target = targets[serial % targets.len()];
        let answer = tests::http::request(target, "PUT", &format!("/v1/kv/{key}"), &[], b"v");
        if answer.is_ok_and(|answer| answer.status == 200 && answer.text().trim() == "true") {
            gap = gap.max(last.elapsed());
            last = Instant::now();
            acknowledged.push(key);
        }
    }
    (acknowledged, gap)
}

#[test]
fn servers_come_back_from_their_data_directory_also_at_new_addresses() {
    let mut servers = three_servers(&Program::ours());
    servers[0].put("/v1/kv/kept", "yes");
    let ids: Vec<_> =
        servers.iter().map(|agent| agent.get_json("/v1/agent/self")["Config"]["NodeID"].clone()).collect();
    // One server moves while the others stay.
    servers[2].restart_at(LoopbackAddress::free());
    servers[2].wait_for_leader();
    // Then all stop, and two of the three come back elsewhere: they find each other through the one that stayed.
    for agent in &mut servers {
        agent.kill();
    }
    servers[0].restart();
    servers[1].restart_at(LoopbackAddress::free());
    servers[2].restart_at(LoopbackAddress::free());
    for (agent, id) in servers.iter().zip(&ids) {
        agent.wait_for_leader();
        wait_for_peers(agent, 3);
        assert_eq!(&agent.get_json("/v1/agent/self")["Config"]["NodeID"], id, "the identity is kept");
        let value = agent.request("GET", "/v1/kv/kept?raw&consistent", b"").expect("an answer");
        assert_eq!((value.status, value.text().as_str()), (200, "yes"));
    }
}

#[test]
fn a_terminated_leader_hands_over_first() {
    let mut servers = three_servers(&Program::ours());
    let leader = leader_of(&servers, &servers[0]).address();
    let at = servers.iter().position(|agent| agent.address() == leader).expect("the leader is ours");
    let rest: Vec<_> =
        servers.iter().filter(|agent| agent.address() != leader).map(|agent| agent.address().port(8500)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let stop = stop.clone();
        move || write_until(&stop, &rest)
    });
    std::thread::sleep(Duration::from_millis(300));
    let ended = servers[at].terminate();
    std::thread::sleep(Duration::from_millis(700));
    stop.store(true, Ordering::SeqCst);
    let (acknowledged, gap) = writer.join().expect("the writer");
    println!(
        "figure: longest time without a write while the leader was terminated: {gap:.2?} ({} writes)",
        acknowledged.len()
    );
    assert!(ended.log.contains("leadership"), "the log says what happened:\n{}", ended.log);
    let other = &servers[(at + 1) % 3];
    assert_ne!(other.wait_for_leader(), format!("{leader}:8300"));
    wait_for_peers(other, 3);
}

#[test]
fn a_failed_node_goes_critical_and_passes_again() {
    let program = Program::ours();
    let first = Agent::server(&program, &["-node=n1"]);
    let join = format!("-retry-join={}", first.address());
    let mut client = Agent::start(&program, &["-node=c1", &join]);
    let health = |wanted: &str| {
        eventually(&format!("serfHealth {wanted}"), PATIENCE, || {
            let checks = first.get_json("/v1/health/node/c1");
            let check = checks.as_array().into_iter().flatten().find(|check| check["CheckID"] == "serfHealth").cloned();
            let status = check.map_or_else(String::new, |check| check["Status"].as_str().unwrap_or("").to_owned());
            if status == wanted { Ok(()) } else { Err(status) }
        });
    };
    health("passing");
    client.kill();
    health("critical");
    wait_for_status(&first, "c1", "failed");
    client.restart_at(LoopbackAddress::free());
    health("passing");
    client.signal(Signal::SIGTERM);
    assert!(client.wait_until_ended().status.success(), "a client that is terminated leaves and exits 0");
    wait_for_status(&first, "c1", "left");
}

/// Two find each other before the third, which both were told to join, is there. Nobody told the third of anyone.
#[test]
fn servers_that_start_in_any_order_come_together() {
    let program = Program::ours();
    let address = LoopbackAddress::free();
    let join = format!("-retry-join={address}");
    let second = Agent::start(&program, &["-server", "-node=n2", "-bootstrap-expect=3", &join]);
    let beside = format!("-retry-join={}", second.address());
    let third = Agent::start(&program, &["-server", "-node=n3", "-bootstrap-expect=3", &join, &beside]);
    wait_for_status(&second, "n3", "alive");
    // It goes on looking for the first although it is not alone any more.
    let tries = |log: &str| log.matches("Join failed, will retry").count();
    let before = tries(&second.log());
    eventually("one more try", PATIENCE, || {
        let log = second.log();
        assert!(!log.contains("Join completed"), "{log}");
        if tries(&log) > before { Ok(()) } else { Err(log) }
    });
    let first = Agent::start_at(&program, address, &["-server", "-node=n1", "-bootstrap-expect=3"]);
    for agent in [&first, &second, &third] {
        agent.wait_for_leader();
        wait_for_peers(agent, 3);
    }
}
