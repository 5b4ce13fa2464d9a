//! What access control does over time: without servers, over restarts, and asked again.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Program, eventually, http};

const ROOT: &str = "11111111-2222-4333-8444-555555555555";
const UNKNOWN: &str = "99999999-2222-4333-8444-555555555555";
const PATIENCE: Duration = Duration::from_secs(60);

fn call(agent: &Agent, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
    let headers = [("X-Consul-Token", token)];
    let headers = if token.is_empty() { &[][..] } else { &headers[..] };
    let answer = http::request(agent.address().port(8500), method, &format!("/v1/{path}"), headers, body.as_bytes());
    answer.map_or_else(|error| (0, error), |answer| (answer.status, answer.text()))
}

fn until(what: &str, agent: &Agent, path: &str, token: &str, wanted: u16) {
    eventually(what, PATIENCE, || match call(agent, "GET", path, token, "") {
        (status, _) if status == wanted => Ok(()),
        (status, text) => Err(format!("{status} {text}")),
    });
}

fn server(more: &str) -> Agent {
    let config = format!(r#"-hcl=acl {{ enabled = true default_policy = "deny" {more} }}"#);
    Agent::server(&Program::ours(), &["-node=n1", &config])
}

#[test]
fn client_agents_go_on_without_servers_as_they_are_told() {
    let mut server = server(&format!(r#"tokens {{ initial_management = "{ROOT}" agent = "{ROOT}" }}"#));
    let join = format!("-retry-join={}", server.address());
    // Without a cache that is fresh: what was known is old at once.
    let client = |name: &str, policy: &str| {
        let config = format!(
            r#"-hcl=acl {{ enabled = true default_policy = "deny" down_policy = "{policy}" token_ttl = "1ms"
               tokens {{ agent = "{ROOT}" agent_recovery = "recover-{name}" }} }}"#
        );
        Agent::start(&Program::ours(), &[&format!("-node={name}"), &join, &config])
    };
    let policies = ["allow", "deny", "extend-cache", "async-cache"];
    let clients: Vec<Agent> = policies.iter().map(|policy| client(&format!("c-{policy}"), policy)).collect();
    for (policy, client) in policies.iter().zip(&clients) {
        until(&format!("{policy}: a known token"), client, "agent/self", ROOT, 200);
        assert_eq!(call(client, "GET", "agent/self", UNKNOWN, "").0, 403, "{policy}");
    }
    server.kill();
    let wanted = [(200, 200), (403, 403), (200, 403), (200, 403)];
    for ((policy, client), (known, unknown)) in policies.iter().zip(&clients).zip(wanted) {
        until(&format!("{policy}: a known token"), client, "agent/self", ROOT, known);
        until(&format!("{policy}: an unknown token"), client, "agent/self", UNKNOWN, unknown);
        // Whoever must mend the agent can always use it.
        assert_eq!(call(client, "GET", "agent/self", &format!("recover-c-{policy}"), "").0, 200, "{policy}");
    }
}

#[test]
fn tokens_set_over_http_stay_if_that_is_wanted() {
    for (setting, stays) in [("true", true), ("false", false)] {
        let mut agent = server(&format!(
            r#"enable_token_persistence = {setting} tokens {{ initial_management = "{ROOT}" agent = "{ROOT}" }}"#
        ));
        until("the token", &agent, "acl/token/self", ROOT, 200);
        assert_eq!(call(&agent, "PUT", "kv/a", ROOT, "x").0, 200);
        assert_eq!(call(&agent, "GET", "kv/a", "", "").0, 403, "nobody may");
        let body = json!({"Token": ROOT}).to_string();
        assert_eq!(call(&agent, "PUT", "agent/token/default", ROOT, &body).0, 200);
        assert_eq!(call(&agent, "GET", "kv/a", "", "").0, 200, "with the default token");
        agent.restart();
        agent.wait_for_leader();
        until("the token after the restart", &agent, "acl/token/self", ROOT, 200);
        assert_eq!(call(&agent, "GET", "kv/a", "", "").0, if stays { 200 } else { 403 }, "kept: {setting}");
    }
}

fn object(answer: &(u16, String)) -> Value {
    assert_eq!(answer.0, 200, "{}", answer.1);
    serde_json::from_str(&answer.1).expect("JSON")
}

#[test]
fn the_first_token_is_made_once_and_rules_are_explained() {
    let agent = server("");
    let secret = "12121212-3434-4656-8787-989898989898";
    let body = json!({"BootstrapSecret": secret}).to_string();
    let made =
        eventually("a leader that has begun", PATIENCE, || match call(&agent, "PUT", "acl/bootstrap", "", &body) {
            (200, text) => Ok(text),
            (status, text) => Err(format!("{status} {text}")),
        });
    let first: Value = serde_json::from_str(&made).expect("JSON");
    assert_eq!(first["SecretID"], secret);
    let again = object(&call(&agent, "PUT", "acl/bootstrap", "", &body));
    assert_eq!(again["AccessorID"], first["AccessorID"], "asked again with its secret it is the same");
    let other = json!({"BootstrapSecret": UNKNOWN}).to_string();
    for body in ["", &other] {
        let (status, text) = call(&agent, "PUT", "acl/bootstrap", "", body);
        assert_eq!(status, 403);
        assert!(text.starts_with("Permission denied: ACL bootstrap no longer allowed (reset index: "), "{text}");
    }
    let rules = r#"key_prefix "web/" { policy = "read" } key "web/x" { policy = "deny" }"#;
    object(&call(&agent, "PUT", "acl/policy", secret, &json!({"Name": "web", "Rules": rules}).to_string()));
    let token = object(&call(&agent, "PUT", "acl/token", secret, r#"{"Policies":[{"Name":"web"}]}"#));
    let token = token["SecretID"].as_str().expect("a secret");
    let explain = |access: &str, name: &str| {
        object(&call(&agent, "GET", &format!("acl/explain?resource=key&access={access}&name={name}"), token, ""))
    };
    let read = explain("read", "web/a");
    assert_eq!((&read["Allowed"], &read["Policy"]), (&json!(true), &json!("web")));
    let write = explain("write", "web/a");
    assert_eq!(write["Allowed"], false);
    assert!(
        write["MinimalRule"].as_str().is_some_and(|rule| rule.contains("web/a") && rule.contains("write")),
        "{write}"
    );
    assert_eq!(explain("read", "web/x")["Allowed"], false, "the exact rule counts");
    assert_eq!(explain("read", "other")["Rule"], Value::Null, "no rule speaks of it");
    let (status, new) = call(&agent, "POST", "acl/rules/translate", secret, r#"key "a/" { policy = "write" }"#);
    assert_eq!((status, new.contains("key_prefix \"a/\"")), (200, true), "{new}");
    let replication = object(&call(&agent, "GET", "acl/replication", secret, ""));
    assert_eq!((&replication["Enabled"], &replication["Running"]), (&json!(false), &json!(false)));
    // Words that stand for secrets are none.
    for odd in ["<hidden>", "hidden", "\"", "00000000-0000-0000-0000-000000000002", "0"] {
        assert_eq!(call(&agent, "GET", "acl/token/self", odd, "").0, 403, "{odd}");
    }
}
