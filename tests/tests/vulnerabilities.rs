//! The rows of `docs/security-rows.md`: that each names a test which exists, and those tests that stand in no other place.

use std::path::Path;

use serde_json::{Value, json};
use tests::{Agent, Program, http};

const ROWS: usize = 34;
const MASTER: &str = "8b1247ac-91fc-4d71-9c2c-3b1a4d1f8e01";

#[test]
fn each_row_names_a_test_that_exists_or_the_part_that_is_to_come() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let page = std::fs::read_to_string(root.join("docs/security-rows.md")).expect("the page");
    let mut wanted = 1;
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Some(number) = cells.first().and_then(|cell| cell.parse::<usize>().ok()) else { continue };
        assert_eq!(number, wanted, "the rows are in order: {line}");
        wanted += 1;
        let test = *cells.get(3).expect("four cells");
        if let Some(part) = test.strip_prefix("later: ") {
            assert!(!part.is_empty(), "{line}");
            continue;
        }
        let (file, name) = test.split_once(" `").expect("a file and a test");
        let source = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let at = source.find(&format!("fn {}(", name.trim_end_matches('`'))).unwrap_or_else(|| panic!("{test}"));
        let before: Vec<&str> = source[..at].lines().rev().take(4).collect();
        assert!(
            before.iter().any(|line| line.contains("test]")) || before.iter().any(|line| line.contains("in ")),
            "{test} is a test"
        );
    }
    assert_eq!(wanted, ROWS + 1);
}

fn guarded() -> (Agent, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("acl.hcl");
    let text = format!(
        "acl {{ enabled = true default_policy = \"deny\" tokens {{ initial_management = {MASTER:?} }} }}\nlog_level = \"trace\"\n"
    );
    std::fs::write(&file, text).expect("written");
    (Agent::server(&Program::ours(), &[&format!("-config-file={}", file.display())]), folder)
}

fn call(agent: &Agent, method: &str, path: &str, token: &str, body: &Value) -> http::Response {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let address = agent.address().port(8500);
    http::request(address, method, path, &[("X-Consul-Token", token)], &body)
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// A token with these rules.
fn token(agent: &Agent, name: &str, rules: &str) -> String {
    tests::eventually("the first token works", std::time::Duration::from_secs(60), || {
        let answer = call(agent, "GET", "/v1/acl/token/self", MASTER, &Value::Null);
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    });
    let policy = json!({ "Name": name, "Rules": rules });
    let answer = call(agent, "PUT", "/v1/acl/policy", MASTER, &policy);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = call(agent, "PUT", "/v1/acl/token", MASTER, &json!({ "Policies": [{ "Name": name }] }));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["SecretID"].as_str().expect("a secret").to_owned()
}

#[test]
fn redacted_and_odd_tokens_open_nothing() {
    let (agent, _folder) = guarded();
    let canary = token(&agent, "reader", r#"key_prefix "" { policy = "read" }"#);
    assert_eq!(call(&agent, "PUT", "/v1/kv/a", MASTER, &json!(1)).status, 200);
    assert_eq!(call(&agent, "GET", "/v1/kv/a", &canary, &Value::Null).status, 200);
    let upper = canary.to_uppercase();
    let cut = &canary[..canary.len() - 1];
    for odd in [
        "<hidden>",
        "hidden",
        "anonymous",
        "root",
        "null",
        "00000000-0000-0000-0000-000000000001",
        "*",
        "%",
        cut,
        &upper,
    ] {
        for path in ["/v1/kv/a", "/v1/acl/tokens", "/v1/agent/self"] {
            let answer = call(&agent, "GET", path, odd, &Value::Null);
            assert!(matches!(answer.status, 403 | 404), "{odd:?} {path}: {} {}", answer.status, answer.text());
            assert!(!answer.text().contains(cut), "an error repeats a secret: {}", answer.text());
        }
    }
    let answer = call(&agent, "GET", "/v1/agent/self", MASTER, &Value::Null);
    assert!(answer.status == 200 && !answer.text().contains(MASTER), "{}", answer.text());
    let log = agent.log();
    assert!(!log.contains(&canary) && !log.contains(MASTER), "the log has a secret");
}

#[test]
fn trees_are_deleted_only_by_who_may_delete_all_of_them() {
    let (agent, _folder) = guarded();
    let rules = r#"key_prefix "a/" { policy = "write" } key "a/kept" { policy = "read" }"#;
    let secret = token(&agent, "gardener", rules);
    for key in ["a/1", "a/kept", "ab", "b"] {
        assert_eq!(call(&agent, "PUT", &format!("/v1/kv/{key}"), MASTER, &json!(1)).status, 200);
    }
    for tree in ["a/", "a", "", "a/kept", "b"] {
        let answer = call(&agent, "DELETE", &format!("/v1/kv/{tree}?recurse"), &secret, &Value::Null);
        assert_eq!(answer.status, 403, "{tree:?}: {}", answer.text());
        let txn = json!([{ "KV": { "Verb": "delete-tree", "Key": tree } }]);
        let answer = call(&agent, "PUT", "/v1/txn", &secret, &txn);
        assert_eq!(answer.status, 409, "{tree:?} in a transaction: {}", answer.text());
    }
    let keys = call(&agent, "GET", "/v1/kv/?keys", MASTER, &Value::Null).json();
    assert_eq!(keys, json!(["a/1", "a/kept", "ab", "b"]));
    assert_eq!(call(&agent, "DELETE", "/v1/kv/a/1?recurse", &secret, &Value::Null).status, 200);
}

#[test]
fn a_transaction_may_no_more_than_its_token() {
    let (agent, _folder) = guarded();
    let rules = r#"service "mine" { policy = "write" } key_prefix "" { policy = "read" }"#;
    let secret = token(&agent, "one-service", rules);
    let service = json!({ "Service": "other", "ID": "other", "Kind": "connect-proxy", "Proxy": { "DestinationServiceName": "mine" } });
    let attempts = [
        json!({ "Service": { "Verb": "set", "Node": "n", "Service": service } }),
        json!({ "Node": { "Verb": "set", "Node": { "Node": "n", "Address": "127.0.0.1" } } }),
        json!({ "Check": { "Verb": "set", "Check": { "Node": "n", "CheckID": "c", "Name": "c", "Status": "passing" } } }),
        json!({ "KV": { "Verb": "set", "Key": "k", "Value": "eA==" } }),
    ];
    for attempt in attempts {
        let answer = call(&agent, "PUT", "/v1/txn", &secret, &json!([attempt]));
        assert_eq!(answer.status, 409, "{attempt}: {}", answer.text());
        assert!(answer.text().contains("Permission denied"), "{}", answer.text());
    }
}

#[test]
fn raw_values_are_no_pages_and_all_answers_say_what_they_are() {
    let agent = Agent::server(&Program::ours(), &[]);
    agent.put("/v1/kv/page", "<script>alert(1)</script>");
    let raw = agent.request("GET", "/v1/kv/page?raw", b"").expect("an answer");
    assert_eq!(raw.header("Content-Type"), Some("text/plain"));
    assert_eq!(raw.header("Content-Security-Policy"), Some("sandbox"));
    for path in [
        "/v1/kv/page?raw",
        "/v1/kv/page",
        "/v1/kv/none",
        "/v1/agent/self",
        "/v1/status/leader",
        "/v1/none",
        "/",
        "/v1/kv/page?dc=%3Cscript%3E",
        "/v1/catalog/service/%3Cscript%3E",
        "/v1/health/state/%3Cscript%3E",
        "/v1/session/info/%3Cscript%3E",
        "/v1/agent/metrics?format=prometheus",
        "/v1/event/list",
        "/v1/query",
    ] {
        let answer = agent.request("GET", path, b"").expect("an answer");
        let content = answer.header("Content-Type");
        assert!(answer.text().is_empty() || content.is_some_and(|it| !it.contains("html")), "{path}: {content:?}");
        let sniffed = answer.header("X-Content-Type-Options") != Some("nosniff");
        assert!(answer.text().is_empty() || !sniffed, "{path}: {}", answer.text());
    }
}

#[test]
fn no_route_takes_a_body_without_end() {
    let agent = Agent::server(&Program::ours(), &[]);
    let big = vec![b'x'; 9 * 1024 * 1024];
    for path in [
        "/v1/event/fire/e",
        "/v1/kv/k",
        "/v1/txn",
        "/v1/session/create",
        "/v1/agent/service/register",
        "/v1/query",
        "/v1/agent/check/register",
        "/v1/catalog/register",
        "/v1/catalog/deregister",
        "/v1/acl/policy",
        "/v1/config",
        "/v1/operator/keyring",
        "/v1/coordinate/update",
    ] {
        let method = if matches!(path, "/v1/query" | "/v1/operator/keyring") { "POST" } else { "PUT" };
        // A refusal may come before all was sent.
        if let Ok(answer) = agent.request(method, path, &big) {
            assert!(answer.status >= 400, "{path}: {} {}", answer.status, answer.text());
        }
    }
    assert_eq!(agent.get_json("/v1/kv/?keys"), json!([]), "nothing was written");
}

#[test]
fn keys_with_dots_reach_no_other_endpoint() {
    let agent = Agent::server(&Program::ours(), &[]);
    for path in [
        "/v1/kv/../agent/leave",
        "/v1/kv/..%2fagent%2fleave",
        "/v1/kv/%2e%2e/agent/leave",
        "/v1/kv/a/../../agent/leave",
    ] {
        let answer = agent.request("PUT", path, b"x").expect("an answer");
        assert!(matches!(answer.status, 200 | 301 | 307 | 308 | 400), "{path}: {}", answer.status);
    }
    let members = agent.get_json("/v1/agent/members");
    assert_eq!(members[0]["Status"], 1, "it has not left: {members}");
    agent.put("/v1/kv/still", "here");
}

#[test]
fn the_authoritys_key_is_shown_to_nobody() {
    let agent = Agent::server(&Program::ours(), &["-hcl=connect { enabled = true }"]);
    tests::eventually("a root", std::time::Duration::from_secs(60), || {
        let roots = agent.request("GET", "/v1/connect/ca/roots", b"")?;
        if roots.text().contains("BEGIN CERTIFICATE") { Ok(()) } else { Err(roots.text()) }
    });
    for path in ["/v1/connect/ca/roots", "/v1/agent/connect/ca/roots", "/v1/connect/ca/configuration", "/v1/agent/self"]
    {
        let answer = agent.request("GET", path, b"").expect("an answer");
        assert!(answer.status == 200 && !answer.text().contains("PRIVATE KEY"), "{path}: {}", answer.text());
    }
}
