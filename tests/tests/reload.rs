//! What a reload takes up, by signal and over HTTP; what needs a restart and is named in the log; and the settings that
//! hold for every HTTP request, in the same words as the Consul that `CONCORD_ORACLE` names.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use tests::{Agent, Program, eventually, http};

const PATIENCE: Duration = Duration::from_secs(40);

fn write(path: &Path, settings: &serde_json::Value) {
    std::fs::write(path, settings.to_string()).unwrap();
}

#[test]
fn a_reload_takes_up_what_it_can_and_names_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.json");
    write(
        &path,
        &json!({"node_meta": {"rack": "1"}, "telemetry": {"disable_hostname": true}, "services": [{"name": "old"}]}),
    );
    let agent = Agent::server(&Program::ours(), &[&format!("-config-file={}", path.display())]);
    assert!(!agent.log().contains("[DEBUG]"), "{}", agent.log());
    let meta_of_the_catalog = || {
        let nodes = agent.get_json("/v1/catalog/nodes");
        nodes[0]["Meta"]["rack"].as_str().unwrap_or_default().to_owned()
    };
    eventually("the node in the catalog", PATIENCE, || match meta_of_the_catalog() {
        rack if rack == "1" => Ok(()),
        rack => Err(rack),
    });
    // Shown once the interval is over.
    eventually("times of requests", PATIENCE, || {
        let samples = agent.get_json("/v1/agent/metrics")["Samples"].to_string();
        if samples.contains("consul.http") { Ok(()) } else { Err(samples) }
    });
    write(
        &path,
        &json!({
            "node_meta": {"rack": "2"}, "log_level": "debug", "discard_check_output": true,
            "telemetry": {"disable_hostname": true, "prefix_filter": ["-consul.http"]},
            "limits": {"http_max_conns_per_client": 100},
            "services": [{"name": "new", "check": {"id": "t", "ttl": "1h"}}],
            "performance": {"raft_multiplier": 2}, "domain": "other",
        }),
    );
    agent.signal(Signal::SIGHUP);
    eventually("the new metadata in the catalog", PATIENCE, || match meta_of_the_catalog() {
        rack if rack == "2" => Ok(()),
        rack => Err(rack),
    });
    let services = agent.get_json("/v1/agent/services");
    assert!(services.get("new").is_some() && services.get("old").is_none(), "{services}");
    agent.put("/v1/agent/check/pass/t?note=secret", "");
    assert_eq!(agent.get_json("/v1/agent/checks")["t"]["Output"], "");
    let samples = agent.get_json("/v1/agent/metrics")["Samples"].to_string();
    assert!(!samples.contains("consul.http"), "{samples}");
    let log = agent.log();
    assert!(log.contains("[DEBUG]"), "the level did not change");
    for (key, text) in [
        ("node_meta", "Setting changed: key=\"node_meta\""),
        ("performance.raft_multiplier", "it needs a restart: key=\"performance.raft_multiplier\""),
        ("domain", "it needs a restart: key=\"domain\""),
    ] {
        let line = log.lines().find(|line| line.contains(key)).unwrap_or_else(|| panic!("{key} is not named:\n{log}"));
        let (message, _) = text.split_once(':').unwrap();
        assert!(line.contains(message), "{line}");
    }

    // A broken file changes nothing and says why.
    std::fs::write(&path, "{\"log_levle\": \"warn\"}").unwrap();
    let answer = agent.request("PUT", "/v1/agent/reload", b"").unwrap();
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("did you mean \"log_level\"?"), "{}", answer.text());
    assert!(agent.get_json("/v1/agent/services").get("new").is_some());
}

/// What the settings below make of requests: method, path, status, body (of refusals), the added header.
fn answers(program: &Program) -> Vec<(String, u16, String, bool)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.json");
    let settings = json!({"http_config": {
        "block_endpoints": ["/v1/agent/self", "/v1/event"],
        "allow_write_http_from": ["10.0.0.0/8"],
        "response_headers": {"X-Mine": "yes"},
    }});
    write(&path, &settings);
    let agent = Agent::server(program, &[&format!("-config-file={}", path.display())]);
    let requests = [
        ("GET", "/v1/agent/self"),
        ("PUT", "/v1/agent/self"),
        ("PUT", "/v1/event/fire/x"),
        ("GET", "/v1/event/list"),
        ("PUT", "/v1/kv/a"),
        ("DELETE", "/v1/kv/a"),
        ("GET", "/v1/kv/a"),
        ("PUT", "/v1/session/create"),
        ("OPTIONS", "/v1/session/create"),
        ("POST", "/v1/status/leader"),
        ("GET", "/v1/status/leader"),
        ("GET", "/v1/nothing"),
        ("GET", "/"),
    ];
    let ask = |(method, path): (&str, &str)| {
        let answer = http::request(agent.address().port(8500), method, path, &[], b"").unwrap();
        let body = if answer.status == 403 { answer.text() } else { String::new() };
        (format!("{method} {path}"), answer.status, body, answer.header("X-Mine") == Some("yes"))
    };
    requests.map(ask).into()
}

#[test]
fn blocked_endpoints_writers_and_headers_are_as_consuls() {
    let ours = answers(&Program::ours());
    assert!(ours.contains(&("PUT /v1/kv/a".to_owned(), 403, "Access is restricted".to_owned(), true)), "{ours:?}");
    if let Some(oracle) = Program::oracle() {
        assert_eq!(ours, answers(&oracle));
    }
}
