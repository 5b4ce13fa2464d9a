//! Secrets that are used in every way there is, and then looked for everywhere they must not be; and what keeps browsers
//! from taking answers for pages.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::json;
use tests::{Agent, Program, eventually, http};

/// A token of all rights.
const CANARY: &str = "ca9a7100-1111-4222-8333-444444444444";
/// A token that is none.
const WRONG: &str = "ca9a7101-1111-4222-8333-444444444444";
/// What every secret above begins with.
const MARK: &str = "ca9a710";

fn send(agent: &Agent, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> http::Response {
    http::request(agent.address().port(8500), method, path, headers, body.as_bytes())
        .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// The key of gossip, which is a secret too.
fn gossip_key() -> String {
    base64::engine::general_purpose::STANDARD.encode([0xca; 32])
}

fn start(folder: &Path) -> Agent {
    let config = format!(
        r#"-hcl=
        acl {{ enabled = true default_policy = "deny" enable_token_persistence = true
              tokens {{ initial_management = "{CANARY}" agent = "{CANARY}" default = "{CANARY}" replication = "{WRONG}" }} }}
        encrypt = "{}"
        log_file = "{}/agent.log"
        telemetry {{ prometheus_retention_time = "1h" }}
        services {{ name = "configured" token = "{CANARY}" }}
        audit {{ enabled = true sink "file" {{ type = "file" path = "{}/audit.json" rotate_bytes = 200000 }} }}"#,
        gossip_key(),
        folder.display(),
        folder.display()
    );
    let agent = Agent::server(&Program::ours(), &["-node=n1", "-log-level=trace", &config]);
    eventually("the token", Duration::from_secs(60), || {
        match send(&agent, "GET", "/v1/acl/token/self", &[("X-Consul-Token", CANARY)], "").status {
            200 => Ok(()),
            status => Err(status.to_string()),
        }
    });
    agent
}

/// Requests that are answered, refused, misunderstood or sent elsewhere.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("PUT", "/v1/kv/a", "x"),
    ("GET", "/v1/kv/a?raw", ""),
    ("GET", "/v1/kv/none", ""),
    ("GET", "/v1/kv/a?index=bad", ""),
    ("GET", "/v1/kv", ""),
    ("GET", "/v1//kv/a", ""),
    ("PATCH", "/v1/kv/a", ""),
    ("GET", "/v1/nothing/here", ""),
    ("GET", "/v1/agent/self", ""),
    ("GET", "/v1/agent/services", ""),
    ("GET", "/v1/agent/checks", ""),
    ("GET", "/v1/agent/metrics", ""),
    ("GET", "/v1/agent/metrics?format=prometheus", ""),
    ("GET", "/v1/catalog/nodes?filter=%22", ""),
    ("GET", "/v1/health/service/web?near=_agent", ""),
    ("PUT", "/v1/agent/service/register", "{"),
    ("PUT", "/v1/session/create", "{}"),
    ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"bogus","Key":"a"}}]"#),
    ("POST", "/v1/query", r#"{"Name":"q","Service":{"Service":"web"}}"#),
    ("PUT", "/v1/event/fire/e", ""),
    ("GET", "/v1/operator/keyring", ""),
    ("GET", "/v1/operator/raft/configuration", ""),
    ("GET", "/v1/connect/ca/roots", ""),
    ("GET", "/v1/acl/policies", ""),
    ("GET", "/v1/acl/explain?resource=key&access=write&name=a", ""),
    ("GET", "/v1/status/leader", ""),
];

fn separator(path: &str) -> char {
    if path.contains('?') { '&' } else { '?' }
}

/// Uses the secrets, and gives all texts that came back.
fn use_secrets(agent: &Agent) -> Vec<String> {
    let mut said = Vec::new();
    for secret in [CANARY, WRONG] {
        let bearer = format!("Bearer {secret}");
        for (method, path, body) in REQUESTS {
            let by_query = format!("{path}{}token={secret}", separator(path));
            for (path, headers) in [
                (*path, vec![("X-Consul-Token", secret)]),
                (*path, vec![("Authorization", bearer.as_str())]),
                (by_query.as_str(), Vec::new()),
            ] {
                let answer = send(agent, method, path, &headers, body);
                // Who is sent elsewhere is told where, with what was asked; who may see the keys of gossip sees them.
                if answer.status != 301 && !path.contains("keyring") {
                    said.push(answer.text());
                }
            }
        }
        let service = json!({"Name": format!("s-{}", said.len()), "Token": secret}).to_string();
        let check = json!({"Name": "c", "HTTP": "http://127.0.0.1:1/", "Interval": "1s", "Token": secret,
            "Header": {"Authorization": [bearer]}})
        .to_string();
        let token = [("X-Consul-Token", CANARY)];
        let login = json!({"AuthMethod": "none", "BearerToken": secret}).to_string();
        for (method, path, body) in [
            ("PUT", "/v1/agent/service/register", service),
            ("PUT", "/v1/agent/check/register", check),
            ("POST", "/v1/acl/login", login),
            ("PUT", "/v1/agent/token/agent", json!({"Token": secret}).to_string()),
            ("PUT", "/v1/agent/token/bogus", json!({"Token": secret}).to_string()),
        ] {
            said.push(send(agent, method, path, &token, &body).text());
        }
        said.push(send(agent, "PUT", &format!("/v1/acl/destroy/{WRONG}"), &token, "").text());
        for words in
            [&["members"][..], &["kv", "get", "none"], &["info"], &["catalog", "services"], &["acl", "policy", "list"]]
        {
            let output = Command::new(Program::ours().path())
                .args(words)
                .env("CONSUL_HTTP_ADDR", agent.address().port(8500).to_string())
                .env("CONSUL_HTTP_TOKEN", secret)
                .stdin(Stdio::null())
                .output()
                .expect("it runs");
            said.push(String::from_utf8_lossy(&output.stdout).into_owned());
            said.push(String::from_utf8_lossy(&output.stderr).into_owned());
        }
    }
    said
}

/// The log as `/v1/agent/monitor` streams it while secrets are used.
fn monitored(agent: &Agent, meanwhile: impl FnOnce()) -> String {
    use std::io::Read as _;
    let mut stream = std::net::TcpStream::connect(agent.address().port(8500)).expect("it listens");
    let request =
        format!("GET /v1/agent/monitor?loglevel=trace HTTP/1.1\r\nHost: x\r\nX-Consul-Token: {CANARY}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("set");
    meanwhile();
    let (mut seen, mut part) = (Vec::new(), [0; 65536]);
    while seen.len() < 4 << 20 {
        match stream.read(&mut part) {
            Ok(count) if count > 0 => seen.extend_from_slice(&part[..count]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&seen).into_owned()
}

#[test]
fn secrets_are_nowhere_but_where_they_are_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut agent = start(folder.path());
    let mut said = Vec::new();
    let stream = monitored(&agent, || said = use_secrets(&agent));
    assert!(stream.contains("[TRACE]") || stream.contains("[DEBUG]"), "the stream shows the log: {stream:.300}");
    let ended = agent.terminate();
    let mut places: Vec<(String, String)> = vec![("the log".to_owned(), ended.log), ("the monitor".to_owned(), stream)];
    places.extend(said.into_iter().enumerate().map(|(at, text)| (format!("answer {at}"), text)));
    let mut audits = Vec::new();
    for entry in std::fs::read_dir(folder.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        places.push((path.display().to_string(), std::fs::read_to_string(&path).expect("a text")));
        if path.extension().is_some_and(|ending| ending == "json") {
            audits.push(path);
        }
    }
    let key = gossip_key();
    for (place, text) in &places {
        for secret in [MARK, &key] {
            if let Some(at) = text.find(secret) {
                let from = text.floor_char_boundary(at.saturating_sub(300));
                panic!("{place} shows a secret: ...{}", &text[from..text.floor_char_boundary(at + 60)]);
            }
        }
    }
    // What was asked is in the audit log, by whom, and the log is whole.
    let shown: String =
        places.iter().filter(|(place, _)| place.ends_with(".json")).map(|(_, text)| text.as_str()).collect();
    assert!(shown.contains(r#""endpoint":"/v1/kv/a""#) && shown.contains(r#""stage":"OperationComplete""#));
    assert!(shown.contains(r#""endpoint":"/v1/acl/destroy/<hidden>""#));
    audits.sort_by_key(|path| (path.ends_with("audit.json"), path.clone()));
    let verified =
        Command::new(Program::ours().path()).args(["audit", "verify"]).args(&audits).output().expect("it runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let text = std::fs::read_to_string(&audits[0]).expect("the log");
    std::fs::write(&audits[0], text.replacen("\"GET\"", "\"PUT\"", 1)).expect("written");
    let verified =
        Command::new(Program::ours().path()).args(["audit", "verify"]).args(&audits).output().expect("it runs");
    assert!(!verified.status.success());
    let why = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(why.contains("it was changed"), "{why}");
}

#[test]
fn browsers_are_told_what_every_answer_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let agent = start(folder.path());
    let script = "<script>alert(1)</script>";
    send(&agent, "PUT", "/v1/kv/page", &[], script);
    let mut requests = REQUESTS.to_vec();
    requests.extend([
        ("GET", "/v1/kv/page?raw", ""),
        ("GET", "/", ""),
        ("OPTIONS", "/v1/kv/a", ""),
        ("GET", "/v1//kv/%3Cb%3E", ""),
    ]);
    for (method, path, body) in requests {
        let answer = send(&agent, method, path, &[], body);
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{method} {path}");
        let kind = answer.header("Content-Type").unwrap_or_default();
        assert!(
            !kind.is_empty() || answer.body.is_empty(),
            "{method} {path} does not say what it is: {}",
            answer.text()
        );
        if kind.starts_with("text/html") {
            let policy = answer.header("Content-Security-Policy").unwrap_or_default();
            assert!(policy.contains("default-src 'none'"), "{method} {path}: {policy}");
            assert!(!answer.text().contains("<b>"), "{}", answer.text());
        }
    }
    let raw = send(&agent, "GET", "/v1/kv/page?raw", &[], "");
    assert_eq!((raw.text().as_str(), raw.header("Content-Type")), (script, Some("text/plain")));
    assert_eq!(raw.header("Content-Security-Policy"), Some("sandbox"));
}
