//! Encrypted gossip between our agents and the Consul that CONCORD_ORACLE names: one pool, one key, keys changed from
//! either side, and strangers kept out. Without the oracle the tests say so and pass.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const OLD: &str = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s=";
const NEW: &str = "qxycTi/SsePj/TZzCBmNXw==";

fn alive(agent: &Agent) -> usize {
    // An agent that is starting does not answer yet.
    let answer = agent.request("GET", "/v1/agent/members", b"").map(|answer| answer.text()).unwrap_or_default();
    let members: Value = serde_json::from_str(&answer).unwrap_or_default();
    members.as_array().map_or(0, |all| all.iter().filter(|member| member["Status"] == 1).count())
}

fn meet(agents: &[&Agent]) {
    eventually("all are members", PATIENCE, || {
        let counts: Vec<usize> = agents.iter().map(|agent| alive(agent)).collect();
        if counts.iter().all(|count| *count == agents.len()) { Ok(()) } else { Err(format!("{counts:?}")) }
    });
}

fn change(agent: &Agent, method: &str, key: &str) {
    let body = json!({ "Key": key }).to_string();
    // Answers come in datagrams: one that is lost is a failure that the operator repeats.
    eventually("the keys are changed", PATIENCE, || {
        let answer = agent.request(method, "/v1/operator/keyring?relay-factor=1", body.as_bytes())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    });
}

fn lan_keys(agent: &Agent) -> Value {
    let listed = agent.get_json("/v1/operator/keyring?local-only=true");
    json!([listed[0]["Keys"], listed[0]["PrimaryKeys"], listed[0]["NumNodes"]])
}

fn stored_keys(agent: &Agent) -> Vec<String> {
    let text = std::fs::read_to_string(agent.data_dir().join("serf/local.keyring")).expect("a keyring file");
    serde_json::from_str(&text).expect("a list of keys")
}

/// `server` runs the operations, `client` has to follow.
fn rotate(server: &Agent, client: &mut Agent) {
    meet(&[server, client]);
    assert_eq!(lan_keys(server), json!([{OLD: 2}, {OLD: 2}, 2]));
    change(server, "POST", NEW);
    assert_eq!(stored_keys(client), [OLD, NEW]);
    change(server, "PUT", NEW);
    assert_eq!(lan_keys(server), json!([{OLD: 2, NEW: 2}, {NEW: 2}, 2]));
    change(server, "DELETE", OLD);
    for agent in [server, &*client] {
        assert_eq!(stored_keys(agent), [NEW]);
    }
    // The file wins over the key of the command line, which is gone.
    client.kill();
    eventually("the death is known", PATIENCE, || if alive(server) == 1 { Ok(()) } else { Err("no".to_owned()) });
    client.restart();
    meet(&[server, client]);
}

#[test]
fn consul_changes_our_keys() {
    let Some(oracle) = Program::oracle() else { return };
    let encrypt = format!("-encrypt={OLD}");
    let theirs = Agent::server(&oracle, &["-node=theirs", &encrypt]);
    let join = format!("-retry-join={}", theirs.address());
    let mut ours = Agent::start(&Program::ours(), &["-node=ours", &encrypt, &join]);
    rotate(&theirs, &mut ours);
}

#[test]
fn we_change_consuls_keys() {
    let Some(oracle) = Program::oracle() else { return };
    let encrypt = format!("-encrypt={OLD}");
    let ours = Agent::server(&Program::ours(), &["-node=ours", &encrypt]);
    let join = format!("-retry-join={}", ours.address());
    let mut theirs = Agent::start(&oracle, &["-node=theirs", &encrypt, &join, "-retry-interval=1s"]);
    rotate(&ours, &mut theirs);
}

#[test]
fn strangers_stay_out_and_a_pool_can_be_switched_while_it_runs() {
    let Some(oracle) = Program::oracle() else { return };
    let theirs = Agent::server(&oracle, &["-node=theirs", &format!("-encrypt={OLD}")]);
    let join = format!("-retry-join={}", theirs.address());
    let wrong = Agent::start(&Program::ours(), &["-node=wrong", &format!("-encrypt={NEW}"), &join]);
    let plain = Agent::start(&Program::ours(), &["-node=plain", &join]);
    for stranger in [&wrong, &plain] {
        eventually("the stranger knows that it is refused", PATIENCE, || {
            let log = stranger.log();
            if log.contains("Join failed") && alive(stranger) == 1 { Ok(()) } else { Err(log) }
        });
    }
    assert_eq!(alive(&theirs), 1);
    drop((wrong, plain));

    // First step of a switch: keys are there, nobody encrypts, nobody checks.
    let lenient = "-hcl=encrypt_verify_incoming = false encrypt_verify_outgoing = false";
    let ours = Agent::server(&Program::ours(), &["-node=ours", &format!("-encrypt={OLD}"), lenient]);
    let join = format!("-retry-join={}", ours.address());
    let plain = Agent::start(&oracle, &["-node=plain", &join, "-retry-interval=1s"]);
    meet(&[&ours, &plain]);
    // Second step: this one encrypts already, and takes what is plain.
    let second = "-hcl=encrypt_verify_incoming = false";
    let sender = Agent::start(&Program::ours(), &["-node=sender", &format!("-encrypt={OLD}"), second, &join]);
    eventually("the sender is in", PATIENCE, || if alive(&sender) == 3 { Ok(()) } else { Err("not yet".to_owned()) });
}

#[test]
fn who_was_down_while_the_key_changed_needs_it_in_its_file() {
    let encrypt = format!("-encrypt={OLD}");
    let server = Agent::server(&Program::ours(), &["-node=server", &encrypt]);
    let join = format!("-retry-join={}", server.address());
    let mut late = Agent::start(&Program::ours(), &["-node=late", &encrypt, &join, "-retry-interval=1s"]);
    meet(&[&server, &late]);
    late.kill();
    eventually("the death is known", PATIENCE, || if alive(&server) == 1 { Ok(()) } else { Err("no".to_owned()) });
    for (method, key) in [("POST", NEW), ("PUT", NEW), ("DELETE", OLD)] {
        change(&server, method, key);
    }
    assert_eq!(stored_keys(&server), [NEW]);
    late.restart();
    eventually("it knows that it is refused", PATIENCE, || {
        let log = late.log();
        if log.contains("Join failed") { Ok(()) } else { Err(log) }
    });
    assert_eq!(alive(&server), 1, "an old key opens nothing");
    late.kill();
    std::fs::write(late.data_dir().join("serf/local.keyring"), json!([NEW]).to_string()).expect("written");
    late.restart();
    meet(&[&server, &late]);
}
