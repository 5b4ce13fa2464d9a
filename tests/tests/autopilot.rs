//! Autopilot on real servers: when a new server votes, who never does, zones and who takes over, dead servers and the
//! majority; and what operators do by hand.

use std::time::Duration;

use tests::{Cluster, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(90);
const QUICK: &str = "-hcl=autopilot { server_stabilization_time = \"1s\" }";

fn name(number: usize) -> String {
    format!("n{}", number + 1)
}

fn wait_for(cluster: &Cluster, what: &str, wanted: &[(String, bool)]) {
    eventually(what, PATIENCE, || {
        let rows = cluster.configuration(cluster.leader());
        if rows == wanted { Ok(()) } else { Err(format!("{rows:?}, not {wanted:?}")) }
    });
}

fn rows(rows: &[(usize, bool)]) -> Vec<(String, bool)> {
    let mut rows: Vec<_> = rows.iter().map(|(number, votes)| (name(*number), *votes)).collect();
    rows.sort();
    rows
}

fn writes(cluster: &Cluster) {
    let leader = cluster.leader();
    eventually("a write", PATIENCE, || match cluster.servers[leader].request("PUT", "/v1/kv/x", b"1")? {
        answer if answer.status == 200 => Ok(()),
        answer => Err(answer.text()),
    });
}

#[test]
fn servers_become_voters_when_stable_and_replicas_never() {
    let program = Program::ours();
    let mut cluster = Cluster::start(&program, 3, &["-hcl=autopilot { server_stabilization_time = \"1h\" }"]);
    let leader = cluster.leader();
    cluster.add(&program, &["-hcl=autopilot { server_stabilization_time = \"1h\" }"]);
    let voters = |rest: &[(usize, bool)]| rows(&[&[(0, true), (1, true), (2, true)], rest].concat());
    wait_for(&cluster, "the fourth to learn", &voters(&[(3, false)]));
    cluster.add(&program, &["-non-voting-server"]);
    wait_for(&cluster, "the replica to learn", &voters(&[(3, false), (4, false)]));

    let health = eventually("every server to be healthy", PATIENCE, || {
        match cluster.servers[leader].request("GET", "/v1/operator/autopilot/health", b"")? {
            answer if answer.status == 200 && answer.json()["Servers"].as_array().map(Vec::len) == Some(5) => {
                Ok(answer.json())
            }
            answer => Err(answer.text()),
        }
    });
    assert_eq!((&health["Healthy"], &health["FailureTolerance"]), (&true.into(), &1.into()), "{health}");
    let state = cluster.servers[leader].get_json("/v1/operator/autopilot/state");
    let servers = state["Servers"].as_object().expect("servers");
    let of = |wanted: usize| servers.values().find(|it| it["Name"] == name(wanted)).expect("it is there");
    assert_eq!((&of(4)["ReadReplica"], &of(4)["NodeType"]), (&true.into(), &"read-replica".into()), "{state}");
    assert_eq!((&of(3)["Status"], &of(leader)["Status"]), (&"non-voter".into(), &"leader".into()), "{state}");
    assert_eq!(state["Voters"].as_array().map(Vec::len), Some(3), "{state}");

    // The time is a setting of the cluster now, and what waits for it need not be restarted.
    let changed = r#"{"ServerStabilizationTime": "1s", "LastContactThreshold": "2s", "MaxTrailingLogs": 250}"#;
    assert_eq!(cluster.servers[leader].put("/v1/operator/autopilot/configuration", changed).trim(), "true");
    wait_for(&cluster, "the fourth to vote", &voters(&[(3, true), (4, false)]));
    let answer = cluster.servers[4].request("GET", "/v1/kv/?keys&stale", b"").expect("a replica answers");
    assert!(matches!(answer.status, 200 | 404), "{}", answer.text());
}

#[test]
fn another_server_of_a_zone_takes_over() {
    let program = Program::ours();
    let tag = "-hcl=autopilot { server_stabilization_time = \"1s\" redundancy_zone_tag = \"zone\" }";
    let mut cluster = Cluster { servers: Vec::new() };
    for zone in 1..=3 {
        let zone = format!("-node-meta=zone:z{zone}");
        cluster.add(&program, &["-bootstrap-expect=3", tag, &zone]);
    }
    cluster.wait_for_voters(3);
    let voter = cluster.follower();
    let zone = format!("-node-meta=zone:z{}", voter + 1);
    cluster.add(&program, &[tag, &zone]);
    let others: Vec<(usize, bool)> = (0..3).filter(|number| *number != voter).map(|number| (number, true)).collect();
    wait_for(&cluster, "a standby", &rows(&[&others[..], &[(voter, true), (3, false)]].concat()));
    let leader = cluster.leader();
    let standby = eventually("the zone of the standby", PATIENCE, || {
        let state = cluster.servers[leader].get_json("/v1/operator/autopilot/state");
        let servers = state["Servers"].as_object().cloned().unwrap_or_default();
        let found = servers.values().find(|it| it["Name"] == "n4" && it["NodeType"] == "zone-standby").cloned();
        found.ok_or_else(|| state.to_string())
    });
    assert_eq!(standby["RedundancyZone"], format!("z{}", voter + 1), "{standby}");
    assert_eq!(standby["Status"], "non-voter", "{standby}");
    cluster.servers[voter].kill();
    wait_for(&cluster, "the standby to take over", &rows(&[&others[..], &[(3, true)]].concat()));
    writes(&cluster);
}

#[test]
fn dead_servers_go_when_that_helps_and_never_cost_the_majority() {
    let mut cluster = Cluster::start(&Program::ours(), 5, &[QUICK]);
    let leader = cluster.leader();
    let dead: Vec<usize> = (0..5).filter(|number| *number != leader).take(2).collect();
    for number in &dead {
        cluster.servers[*number].kill();
    }
    let left: Vec<(usize, bool)> =
        (0..5).filter(|number| !dead.contains(number)).map(|number| (number, true)).collect();
    wait_for(&cluster, "two dead of five to go", &rows(&left));
    writes(&cluster);
    // Of three, one more may fail now: it keeps its vote, because without it no other could fail either.
    let follower = cluster.follower();
    cluster.servers[follower].kill();
    writes(&cluster);
    assert_eq!(cluster.configuration(cluster.leader()), rows(&left));
    // One that was taken out comes back as a learner, and votes again.
    cluster.servers[follower].restart();
    cluster.servers[dead[0]].restart();
    let with = [&left[..], &[(dead[0], true)]].concat();
    wait_for(&cluster, "the one that came back to vote", &rows(&with));
}

#[test]
fn leadership_and_peers_are_changed_by_hand() {
    let mut cluster = Cluster::start(&Program::ours(), 3, &[QUICK]);
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let ids = cluster.servers[leader].get_json("/v1/operator/raft/configuration");
    let servers = ids["Servers"].as_array().expect("servers").clone();
    let id = |number: usize| {
        let row = servers.iter().find(|row| row["Node"] == name(number)).expect("it is there");
        row["ID"].as_str().expect("an id").to_owned()
    };
    let said = cluster.servers[follower].output_of(&["operator", "raft", "transfer-leader", "-id", &id(follower)]);
    assert!(said.contains("Success"), "{said}");
    eventually("the new leader", PATIENCE, || {
        let now = cluster.leader();
        if now == follower { Ok(()) } else { Err(now.to_string()) }
    });
    let wrong = cluster.servers[follower].command(&["operator", "raft", "transfer-leader", "-id", "none"]);
    assert!(!wrong.status.success());
    let gone = (0..3).find(|number| *number != follower).expect("another");
    cluster.servers[gone].kill();
    let address = cluster.servers[gone].address().port(8300).to_string();
    let said =
        cluster.servers[follower].output_of(&["operator", "raft", "remove-peer", &format!("-address={address}")]);
    assert_eq!(said, format!("Removed peer with address {address:?}\n"));
    let left: Vec<(usize, bool)> = (0..3).filter(|number| *number != gone).map(|number| (number, true)).collect();
    wait_for(&cluster, "the peer to be gone", &rows(&left));
    let again = cluster.servers[follower].command(&["operator", "raft", "remove-peer", &format!("-address={address}")]);
    let text = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(text.contains("was not found in the Raft configuration"), "{text}");
    writes(&cluster);
}
