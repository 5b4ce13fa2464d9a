//! A snapshot of the real Consul, restored over HTTP: the answers are those of the server that it came from. What is
//! damaged or cut changes nothing.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked of both servers. The catalogs of the servers themselves differ, so only the outside node is compared.
const QUESTIONS: [&str; 8] = [
    "/v1/kv/app?recurse",
    "/v1/kv/lock/x",
    "/v1/catalog/node/ext1",
    "/v1/catalog/service/web",
    "/v1/health/node/ext1",
    "/v1/health/service/web",
    "/v1/health/checks/web",
    "/v1/connect/intentions",
];

fn fill(agent: &Agent) -> String {
    agent.put("/v1/kv/app/text?flags=42", "hello");
    agent.put("/v1/kv/app/empty", "");
    let binary = agent.request("PUT", "/v1/kv/app/binary", b"\xff\x00\x01bin").expect("an answer");
    assert_eq!(binary.status, 200);
    let node = json!({
        "Node": "ext1", "Address": "10.1.1.1", "NodeMeta": {"k": "v"}, "TaggedAddresses": {"lan": "10.1.1.1"},
        "Service": {
            "ID": "web1", "Service": "web", "Tags": ["a", "b"], "Port": 80, "Meta": {"m": "1"},
            "Weights": {"Passing": 5, "Warning": 2}, "EnableTagOverride": true,
            "TaggedAddresses": {"lan": {"Address": "1.2.3.4", "Port": 90}},
        },
        "Checks": [
            {"Node": "ext1", "CheckID": "c1", "Name": "C1", "Status": "passing", "Notes": "n", "Output": "o",
             "Definition": {"HTTP": "http://x", "Interval": "10s", "Timeout": "3s", "Header": {"A": ["b"]}}},
            {"Node": "ext1", "CheckID": "c2", "Name": "C2", "Status": "warning", "ServiceID": "web1"},
        ],
    });
    agent.put("/v1/catalog/register", &node.to_string());
    let intention = json!({"SourceName": "a", "DestinationName": "web", "Action": "deny", "Meta": {"x": "y"}});
    let made = agent.request("POST", "/v1/connect/intentions", intention.to_string().as_bytes()).expect("an answer");
    assert_eq!(made.status, 200, "{}", made.text());
    // On the outside node, without checks: it does not depend on the server that ends.
    let session = json!({"Name": "s1", "Node": "ext1", "Checks": [], "LockDelay": "7s", "TTL": "3600s"});
    let made = agent.put("/v1/session/create", &session.to_string());
    let made: Value = serde_json::from_str(&made).expect("JSON");
    let id = made["ID"].as_str().expect("an id").to_owned();
    assert_eq!(agent.put(&format!("/v1/kv/lock/x?acquire={id}"), "held"), "true");
    id
}

/// The head of an upload and as much of it as is given; then the connection ends.
fn upload_and_hang_up(agent: &Agent, claimed: usize, bytes: &[u8]) {
    let mut stream = TcpStream::connect(agent.address().port(8500)).expect("a connection");
    let head = format!("PUT /v1/snapshot HTTP/1.1\r\nHost: consul\r\nContent-Length: {claimed}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it is sent");
    stream.write_all(bytes).expect("it is sent");
    stream.shutdown(Shutdown::Both).expect("it is open");
}

#[test]
fn a_server_answers_as_the_consul_whose_snapshot_it_was_given() {
    let Some(oracle) = Program::oracle() else { return };
    let theirs = Agent::server(&oracle, &["-node=old1"]);
    eventually("the server to be in its catalog", PATIENCE, || {
        let node = theirs.get_json("/v1/catalog/node/old1");
        if node.is_null() { Err("not yet".to_owned()) } else { Ok(()) }
    });
    let session = fill(&theirs);
    let archive = theirs.request("GET", "/v1/snapshot", b"").expect("an answer");
    assert_eq!(archive.status, 200);
    let archive = archive.body;

    let ours = Agent::server(&Program::ours(), &["-node=new1"]);
    ours.put("/v1/kv/mine", "stays until it is replaced");
    let before = ours.get_json("/v1/kv/?recurse");
    upload_and_hang_up(&ours, archive.len(), &archive[..archive.len() / 2]);
    let mut damaged = archive.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    for bad in [&damaged[..], &archive[..archive.len() / 2], b"no archive"] {
        let refused = ours.request("PUT", "/v1/snapshot", bad).expect("an answer");
        assert_eq!(refused.status, 500, "{}", refused.text());
        assert_eq!(ours.get_json("/v1/kv/?recurse"), before, "{}", refused.text());
    }

    let restored = ours.request("PUT", "/v1/snapshot", &archive).expect("an answer");
    assert_eq!(restored.status, 200, "{}", restored.text());
    for question in QUESTIONS {
        assert_eq!(ours.get_json(question), theirs.get_json(question), "{question}");
    }
    assert_eq!(ours.request("GET", "/v1/kv/mine", b"").expect("an answer").status, 404);
    let question = format!("/v1/session/info/{session}");
    let (here, there) = (ours.get_json(&question), theirs.get_json(&question));
    for field in ["ID", "Name", "Node", "LockDelay", "Behavior", "TTL", "CreateIndex", "ModifyIndex"] {
        assert_eq!(here[0][field], there[0][field], "{field} of the session");
    }
    // The lock is a lock: nobody else gets it, and its owner gives it up.
    assert_eq!(ours.put(&format!("/v1/kv/lock/x?release={session}"), "free"), "true");
    assert!(ours.put(&format!("/v1/session/renew/{session}"), "").contains(&session));
}
