//! Keys that expire, with real processes: nobody asks for the deletion, and it outlives the leader that promised it.

use std::time::{Duration, SystemTime};

use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

fn put(agent: &Agent, path: &str) {
    assert_eq!(agent.put(path, "x").trim(), "true", "{path}");
}

#[test]
fn keys_expire_under_the_leader_of_the_day() {
    let program = Program::ours();
    let mut servers: Vec<Agent> = Vec::new();
    for name in ["n1", "n2", "n3"] {
        let node = format!("-node={name}");
        let join = servers.first().map(|seed: &Agent| format!("-retry-join={}", seed.address()));
        let mut arguments = vec!["-server", "-bootstrap-expect=3", &node];
        arguments.extend(join.as_deref());
        servers.push(Agent::start(&program, &arguments));
    }
    for agent in &servers {
        agent.wait_for_leader();
    }
    let leader = servers[0].wait_for_leader();
    let at = servers.iter().position(|agent| leader.starts_with(&format!("{}:", agent.address()))).expect("one leads");
    let survivor = (at + 1) % servers.len();
    let agent = &servers[survivor];
    put(agent, "/v1/kv/long?ttl=1h");
    put(agent, "/v1/kv/kept?ttl=1s");
    put(agent, "/v1/kv/kept");
    put(agent, "/v1/kv/first?ttl=1s");
    // Woken by the deletion that nobody asked for.
    let entry = agent.request("GET", "/v1/kv/first?times&consistent", b"").expect("an answer");
    assert_eq!(entry.status, 200, "it lives for a second");
    let expires = entry.json()[0]["ExpireTime"].as_str().expect("it expires").to_owned();
    let gone = agent.request("GET", &format!("/v1/kv/first?wait=60s&index={}", entry.index()), b"").expect("an answer");
    assert_eq!(gone.status, 404);
    let expires = humantime::parse_rfc3339(&expires).expect("a time");
    assert!(SystemTime::now() >= expires, "not before its time");

    put(agent, "/v1/kv/second?ttl=4s");
    servers[at].kill();
    let agent = &servers[survivor];
    eventually("the deletion by the new leader", PATIENCE, || {
        let answer = agent.request("GET", "/v1/kv/second", b"")?;
        if answer.status == 404 { Ok(()) } else { Err(answer.text()) }
    });
    assert_eq!(agent.get_json("/v1/kv/?keys"), serde_json::json!(["kept", "long"]));
    let kept = agent.get_json("/v1/kv/kept?times");
    assert!(kept[0]["ExpireTime"].is_null() && kept[0]["CreateTime"].is_string(), "{kept}");
}

#[test]
fn a_lifetime_is_given_in_transactions_and_on_the_command_line_too() {
    let agent = Agent::server(&Program::ours(), &[]);
    assert_eq!(agent.output_of(&["kv", "put", "-ttl=1h", "line", "x"]).trim(), "Success! Data written to: line");
    let txn = |verb: &str, ttl: &str| {
        let body = serde_json::json!([{"KV": {"Verb": verb, "Key": "txn", "Value": "eA==", "TTL": ttl}}]).to_string();
        agent.request("PUT", "/v1/txn", body.as_bytes()).expect("an answer")
    };
    assert_eq!(txn("set", "1h").status, 200);
    for key in ["line", "txn"] {
        let entry = agent.get_json(&format!("/v1/kv/{key}?times"));
        assert!(entry[0]["ExpireTime"].is_string(), "{entry}");
    }
    for (verb, ttl, status, text) in [
        ("set", "soon", 400, "Invalid ttl"),
        ("set", "1ms", 409, "Invalid ttl 1ms: it must be between 1s and"),
        ("delete", "1h", 409, "A ttl goes together with a plain write or cas only"),
    ] {
        let refused = txn(verb, ttl);
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains(text), "{}", refused.text());
    }
    assert_eq!(txn("set", "").status, 200);
    assert!(agent.get_json("/v1/kv/txn?times")[0]["ExpireTime"].is_null(), "a write without one ends the time");
}

#[test]
fn transactions_are_held_to_the_limits_that_are_set() {
    let limits = "-hcl=limits { txn_max_ops = 3, txn_max_req_len = 1000, kv_max_value_size = 50 }";
    let agent = Agent::server(&Program::ours(), &[limits]);
    let txn = |count: usize, value: &str| {
        let one = |number| serde_json::json!({"KV": {"Verb": "set", "Key": format!("k{number}"), "Value": value}});
        let body = serde_json::Value::Array((0..count).map(one).collect()).to_string();
        agent.request("PUT", "/v1/txn", body.as_bytes()).expect("an answer")
    };
    for (count, value, part) in [
        (4, "eA==", "Transaction contains too many operations (4 > 3)"),
        (3, &*"eHh4".repeat(100), "too large, max size: 1000 bytes"),
        (1, &*"eHh4".repeat(17), "is too large (51 > 50 bytes)"),
    ] {
        let refused = txn(count, value);
        assert_eq!(refused.status, 413, "{}", refused.text());
        assert!(refused.text().contains(part), "{}", refused.text());
    }
    assert_eq!(
        agent.request("GET", "/v1/kv/?keys", b"").expect("an answer").text().trim(),
        "[]",
        "nothing was written"
    );
    assert_eq!(txn(3, &"eHh4".repeat(16)).status, 200);
}
