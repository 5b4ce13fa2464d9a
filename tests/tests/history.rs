//! The history of keys with real processes: over HTTP and the command line, kept over restarts, the same on all servers.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const LIMITS: &str = "-hcl=limits { kv_history_versions = 3 }";

fn put(agent: &Agent, key: &str, value: &str) -> u64 {
    assert_eq!(agent.put(&format!("/v1/kv/{key}"), value).trim(), "true", "{key}");
    agent.get_json(&format!("/v1/kv/{key}"))[0]["ModifyIndex"].as_u64().expect("an index")
}

fn delete(agent: &Agent, path: &str) {
    assert_eq!(agent.request("DELETE", path, b"").expect("an answer").text().trim(), "true", "{path}");
}

/// Waits until the leader has said how much is kept.
fn wait_until_kept(agent: &Agent) {
    eventually("a history", PATIENCE, || match agent.request("GET", "/v1/kv/none?history", b"")? {
        answer if answer.status == 404 => Ok(()),
        answer => Err(answer.text()),
    });
}

/// Index and value of each version, the newest first; a deletion is `null`.
fn versions(agent: &Agent, key: &str) -> Value {
    let rows = agent.get_json(&format!("/v1/kv/{key}?history"));
    let row = |row: &Value| match row["Deleted"] == true {
        true => json!([row["ModifyIndex"], null]),
        false => json!([row["ModifyIndex"], row["Value"]]),
    };
    assert!(rows.as_array().expect("rows").iter().all(|row| row["ModifyTime"].is_string()), "{rows}");
    rows.as_array().expect("rows").iter().map(row).collect()
}

fn refusal(agent: &Agent, path: &str) -> String {
    let answer = agent.request("GET", path, b"").expect("an answer");
    assert_eq!(answer.status, 400, "{path}");
    answer.text()
}

#[test]
fn past_versions_are_told_as_far_as_they_are_kept() {
    let program = Program::ours();
    let mut agent = Agent::server(&program, &[LIMITS]);
    wait_until_kept(&agent);
    let first = put(&agent, "a/k", "1");
    let second = put(&agent, "a/k", "2");
    let other = put(&agent, "a/other", "o");
    delete(&agent, "/v1/kv/a/?recurse");
    let third = put(&agent, "a/k", "3");
    let gone = versions(&agent, "a/k")[1][0].as_u64().expect("the index of the deletion");
    let all = json!([[third, "Mw=="], [gone, null], [second, "Mg=="], [first, "MQ=="]]);
    assert_eq!(versions(&agent, "a/k"), all);

    let keys = |path: String| {
        let rows = agent.get_json(&path);
        rows.as_array().expect("rows").iter().map(|row| row["Key"].clone()).collect::<Value>()
    };
    assert_eq!(keys(format!("/v1/kv/a/?recurse&at-index={other}")), json!(["a/k", "a/other"]));
    assert_eq!(keys(format!("/v1/kv/a/k?at-index={second}")), json!(["a/k"]));
    let raw = agent.request("GET", &format!("/v1/kv/a/k?raw&at-index={first}"), b"").expect("an answer");
    assert_eq!(raw.text(), "1");
    for path in [format!("/v1/kv/a/k?at-index={gone}"), format!("/v1/kv/a/?recurse&at-index={gone}")] {
        assert_eq!(agent.request("GET", &path, b"").expect("an answer").status, 404, "{path}");
    }
    let future = refusal(&agent, "/v1/kv/a/k?at-index=1000000");
    assert!(future.starts_with("Index 1000000 has not come yet"), "{future}");

    let fourth = put(&agent, "a/k", "4");
    let forgotten = refusal(&agent, &format!("/v1/kv/a/k?at-index={first}"));
    assert!(forgotten.starts_with("The history does not reach back"), "{forgotten}");
    let kept = json!([[fourth, "NA=="], [third, "Mw=="], [gone, null], [second, "Mg=="]]);
    assert_eq!(versions(&agent, "a/k"), kept);
    agent.kill();
    agent.restart();
    agent.wait_for_leader();
    assert_eq!(versions(&agent, "a/k"), kept, "after a restart");

    let listed = agent.output_of(&["kv", "history", "a/k"]);
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ModifyIndex", "ModifyTime", "Session", "Value"]);
    let (index, gone) = (fourth.to_string(), gone.to_string());
    assert_eq!([lines[1][0], lines[1][2], lines[1][3]], [&index, "-", "4"]);
    assert_eq!([lines[3][0], lines[3][3]], [&gone, "(deleted)"]);
    assert_eq!(agent.output_of(&["kv", "get", &format!("-at-index={second}"), "a/k"]).trim(), "2");
    let tree = agent.output_of(&["kv", "get", "-recurse", &format!("-at-index={other}"), "a/"]);
    assert_eq!(tree, "a/k:2\na/other:o\n");
}

#[test]
fn all_servers_keep_the_same_and_a_restore_brings_it_back() {
    let program = Program::ours();
    let mut servers: Vec<Agent> = Vec::new();
    for name in ["n1", "n2", "n3"] {
        let node = format!("-node={name}");
        let join = servers.first().map(|seed: &Agent| format!("-retry-join={}", seed.address()));
        let mut arguments = vec!["-server", "-bootstrap-expect=3", &node, LIMITS];
        arguments.extend(join.as_deref());
        servers.push(Agent::start(&program, &arguments));
    }
    for agent in &servers {
        agent.wait_for_leader();
    }
    wait_until_kept(&servers[0]);
    for value in ["1", "2", "3"] {
        put(&servers[1], "k", value);
    }
    let before = versions(&servers[0], "k");
    for agent in &servers {
        eventually("the same history", PATIENCE, || {
            let rows = agent.request("GET", "/v1/kv/k?history&stale", b"")?;
            if rows.json() == servers[0].get_json("/v1/kv/k?history") { Ok(()) } else { Err(rows.text()) }
        });
    }
    let archive = servers[0].data_dir().join("archive.snap");
    let archive = archive.to_str().expect("a path");
    drop(servers[0].output_of(&["snapshot", "save", archive]));
    delete(&servers[0], "/v1/kv/k");
    drop(servers[0].output_of(&["snapshot", "restore", archive]));
    assert_eq!(versions(&servers[0], "k"), before);
    put(&servers[0], "k", "4");
    assert_eq!(versions(&servers[0], "k").as_array().map(Vec::len), Some(4));
}
