//! What nobody should send, to every route there is: the list of requests is made from the table of routes, so that a new
//! route is met without a word here. Always an answer with a reason, never a crash, and nothing changes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Program, http};

const ROOT: &str = "11111111-2222-4333-8444-555555555555";

/// Routes that read no body, or take any bytes as one, with what they are for; all others read JSON and must refuse what
/// is none.
const TAKES_ANYTHING: &[(&str, &str, &str)] = &[
    ("PUT", "/v1/kv/", "the body is the value"),
    ("PUT", "/v1/event/fire/", "the body is the payload"),
    ("POST", "/v1/acl/rules/translate", "the body is a text of rules"),
    ("PUT", "/v1/agent/check/pass/", "no body"),
    ("PUT", "/v1/agent/check/warn/", "no body"),
    ("PUT", "/v1/agent/check/fail/", "no body"),
    ("PUT", "/v1/agent/check/deregister/", "no body"),
    ("PUT", "/v1/agent/service/deregister/", "no body"),
    ("PUT", "/v1/agent/service/maintenance/", "no body"),
    ("PUT", "/v1/agent/maintenance", "no body"),
    ("PUT", "/v1/agent/reload", "no body"),
    ("PUT", "/v1/agent/join/", "no body"),
    ("PUT", "/v1/agent/force-leave/", "no body"),
    ("PUT", "/v1/session/destroy/", "no body"),
    ("PUT", "/v1/session/renew/", "no body"),
    ("POST", "/v1/operator/raft/transfer-leader", "no body"),
    ("PUT", "/v1/acl/bootstrap", "no body"),
    ("POST", "/v1/acl/logout", "no body"),
    ("PUT", "/v1/acl/clone/", "no body"),
    ("PUT", "/v1/acl/destroy/", "no body"),
];

/// The agent would end.
const ENDS_THE_AGENT: (&str, &str) = ("PUT", "/v1/agent/leave");
/// The answer does not end.
const ENDLESS: &str = "/v1/agent/monitor";

/// Where everything can be seen that a request may change.
const STATE: &[&str] = &[
    "/v1/kv/?recurse",
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/health/state/any",
    "/v1/session/list",
    "/v1/query",
    "/v1/connect/intentions",
    "/v1/config/service-defaults",
    "/v1/config/proxy-defaults",
    "/v1/acl/tokens",
    "/v1/acl/policies",
    "/v1/acl/roles",
    "/v1/acl/auth-methods",
    "/v1/acl/binding-rules",
    "/v1/operator/autopilot/configuration",
    "/v1/status/peers",
    "/v1/agent/services",
    "/v1/agent/checks",
    "/v1/event/list",
];

struct Target {
    method: &'static str,
    path: String,
    takes_anything: bool,
}

/// Every route that changes something, on a name that does not exist.
fn changing() -> Vec<Target> {
    let targets = agent::http::table().filter(|(method, _)| *method != "GET");
    let targets = targets.filter(|(method, pattern)| (method.as_str(), *pattern) != ENDS_THE_AGENT);
    targets
        .map(|(method, pattern)| {
            let name = if pattern.ends_with('/') { "5e2d9bd4-0000-4000-8000-000000000000" } else { "" };
            let excepted = TAKES_ANYTHING.iter().any(|(verb, path, _)| (method.as_str(), pattern) == (*verb, *path));
            let takes_anything = excepted || method == "DELETE";
            Target { method: method.as_str(), path: format!("{pattern}{name}"), takes_anything }
        })
        .collect()
}

fn start() -> Agent {
    let config = format!(r#"-hcl=acl {{ enabled = true default_policy = "allow" tokens {{ master = "{ROOT}" }} }}"#);
    let agent = Agent::server(&Program::ours(), &["-node=n1", &config]);
    tests::eventually("the token of all rights", Duration::from_secs(60), || {
        match ask(&agent, "GET", "/v1/acl/token/self", b"") {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    agent
}

fn ask(agent: &Agent, method: &str, path: &str, body: &[u8]) -> Result<http::Response, String> {
    http::request(agent.address().port(8500), method, path, &[("X-Consul-Token", ROOT)], body)
}

/// Everything that is stored.
fn state(agent: &Agent) -> Value {
    let read = |path: &&str| {
        let answer = ask(agent, "GET", path, b"").expect("an answer");
        assert!(answer.status == 200 || answer.status == 404, "{path}: {}", answer.text());
        (path.to_string(), json!(answer.text()))
    };
    Value::Object(STATE.iter().map(read).collect())
}

fn assert_unharmed(agent: &Agent, before: &Value) {
    assert_eq!(state(agent), *before);
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
}

/// Asserts that a request was refused with a reason.
fn assert_refused(answer: &http::Response, what: &str) {
    assert!((400..=599).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
    assert!(!answer.text().trim().is_empty(), "{what}: {} without a reason", answer.status);
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned()
}

#[test]
fn exceptions_are_routes() {
    for (method, pattern, why) in TAKES_ANYTHING {
        assert!(agent::http::table().any(|(verb, path)| verb == *method && path == *pattern), "{pattern}: {why}");
    }
    assert!(agent::http::table().any(|(verb, path)| (verb.as_str(), path) == ENDS_THE_AGENT));
    assert!(agent::http::table().any(|(_, path)| path == ENDLESS));
}

#[test]
fn bodies_that_are_no_json_or_of_the_wrong_type_are_refused() {
    let agent = start();
    let before = state(&agent);
    let deep_list = "[".repeat(100_000);
    let deep_object = r#"{"a":"#.repeat(100_000);
    let deep_known = format!(r#"{{"Name":"deep","Meta":{}"#, r#"{"a":"#.repeat(100_000));
    let bodies: Vec<&[u8]> = vec![
        b"{",
        b"[1",
        b"\"",
        b"{\"Name\":",
        b"nul",
        b"5",
        b"true",
        b"\"text\"",
        b"[5]",
        b"\0",
        b"\xff\xfe{}",
        b"{\"Name\xff",
        b"{\"Name\": \"\\ud800",
        b"1e999999999",
        deep_list.as_bytes(),
        deep_object.as_bytes(),
        deep_known.as_bytes(),
    ];
    for target in changing().iter().filter(|target| !target.takes_anything) {
        for body in &bodies {
            let what = format!("{} {} {:?}", target.method, target.path, shown(body));
            let answer = ask(&agent, target.method, &target.path, body).unwrap_or_else(|why| panic!("{what}: {why}"));
            assert_refused(&answer, &what);
        }
    }
    assert_unharmed(&agent, &before);
}

#[test]
fn fields_of_the_wrong_type_and_unknown_ones_get_an_answer() {
    const FIELDS: &[&str] = &[
        "ID",
        "Name",
        "Node",
        "Service",
        "ServiceID",
        "Check",
        "Checks",
        "CheckID",
        "Address",
        "Port",
        "Tags",
        "Meta",
        "Kind",
        "TTL",
        "Interval",
        "Timeout",
        "Behavior",
        "LockDelay",
        "Token",
        "Rules",
        "Policies",
        "Roles",
        "Type",
        "Config",
        "Status",
        "Output",
        "Weights",
        "Proxy",
        "Connect",
        "Coord",
        "Datacenters",
        "DNS",
        "Template",
        "SourceName",
        "DestinationName",
        "Action",
        "KV",
        "Expose",
        "TaggedAddresses",
        "NoSuchField",
    ];
    let agent = start();
    for target in changing().iter().filter(|target| !target.takes_anything) {
        for field in FIELDS {
            for value in [json!([{"x": [1]}]), json!({"x": {"y": [true]}}), json!(-1e300), json!("\u{0}\u{fffd}")] {
                let body = json!({*field: value}).to_string();
                let what = format!("{} {} {body}", target.method, target.path);
                let answer = ask(&agent, target.method, &target.path, body.as_bytes());
                let answer = answer.unwrap_or_else(|why| panic!("{what}: {why}"));
                if answer.status != 200 {
                    assert_refused(&answer, &what);
                }
            }
        }
    }
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
    assert_eq!(ask(&agent, "PUT", "/v1/kv/after", b"1").expect("an answer").text(), "true");
}

/// Sends something, ends the sending half and returns what came back until the agent closed.
fn send_and_end(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    // The agent may have refused before it has read all.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the connection is not closed");
    }
    answer
}

#[test]
fn lying_missing_and_huge_lengths_change_nothing() {
    let agent = start();
    let before = state(&agent);
    let body = r#"{"Name": "cut", "Node": "cut", "Address": "127.0.0.1", "Kind": "service-defaults"}"#;
    for target in changing() {
        let head = format!("{} {} HTTP/1.1\r\nHost: x\r\nX-Consul-Token: {ROOT}\r\n", target.method, target.path);
        let wrong = [
            format!("{head}Content-Length: 1000\r\n\r\n{body}"),
            format!("{head}Content-Length: -1\r\n\r\n{body}"),
            format!("{head}Content-Length: many\r\n\r\n{body}"),
            format!("{head}Content-Length: 99999999999999999999\r\n\r\n{body}"),
            format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n{body}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\nff\r\n{body}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n-1\r\n{body}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{body}"),
            format!("{head}Content-Length: 99999999999\r\n\r\n{body}"),
        ];
        for request in &wrong {
            let answer = send_and_end(agent.address().port(8500), request.as_bytes());
            let answer = String::from_utf8_lossy(&answer);
            // Who reads no body does not notice what is wrong with it.
            let reads = !TAKES_ANYTHING.iter().any(|(_, path, why)| target.path.starts_with(path) && *why == "no body");
            assert!(!reads || target.method == "DELETE" || !answer.starts_with("HTTP/1.1 2"), "{request}\n{answer}");
        }
    }
    for target in changing().iter().filter(|target| !target.takes_anything && !target.path.contains("snapshot")) {
        let huge = vec![b'['; 8 * 1024 * 1024];
        let answer = ask(&agent, target.method, &target.path, &huge).expect("an answer");
        assert!(matches!(answer.status, 400 | 413), "{}: {} {}", target.path, answer.status, answer.text());
    }
    assert_unharmed(&agent, &before);
}

#[test]
fn malformed_parameters_of_reads_are_refused_or_ignored() {
    let agent = start();
    let before = state(&agent);
    let nested = format!("filter={}", "%28".repeat(20_000));
    let negated = format!("filter={}ID==x", "not+".repeat(15_000));
    let wrong = [
        "index=x",
        "index=-1",
        "index=99999999999999999999",
        "wait=x",
        "wait=-5s&index=0",
        "wait=99999999999999h&index=0",
        "max_stale=x",
        "stale&consistent",
        "limit=x",
        "limit=-1",
        "limit=99999999999999999999",
        "after=%ff%00",
        "limit=1&after=%ff%00",
        "filter=",
        "filter=%28%28%28",
        "filter=NoSuch+%3D%3D+x",
        "filter=%ff%fe",
        "filter=ID+matches+%22%28a%2B%29%2B%22",
        &nested,
        &negated,
        "dc=%00",
        "near=%ff",
        "node-meta=%ff%3A%3A",
        "tag=%00&tag=%ff",
        "token=%00",
        "hash=%ff&wait=1ms",
        "format=%ff",
        "x=%zz",
    ];
    let reads = agent::http::table().filter(|(method, pattern)| *method == "GET" && *pattern != ENDLESS);
    for (_, pattern) in reads {
        let mut refused = 0;
        for query in wrong {
            for name in if pattern.ends_with('/') { &["x", "%ff%00"][..] } else { &[""] } {
                let path = format!("{pattern}{name}?{query}");
                let shown = &path[..path.len().min(100)];
                let answer = ask(&agent, "GET", &path, b"").unwrap_or_else(|why| panic!("{shown}: {why}"));
                if (400..600).contains(&answer.status) {
                    refused += 1;
                }
            }
        }
        assert!(refused > 0, "{pattern}: even a broken escape in the query is taken");
    }
    for path in ["/v1/catalog/nodes", "/v1/health/service/x", "/v1/kv/x", "/v1/query", "/v1/session/list"] {
        for (query, says) in
            [("index=x", "Invalid index"), ("wait=x", "Invalid wait time"), ("index=-1", "Invalid index")]
        {
            let answer = ask(&agent, "GET", &format!("{path}?{query}"), b"").expect("an answer");
            assert_eq!((answer.status, answer.text().as_str()), (400, says), "{path}?{query}");
        }
    }
    assert_unharmed(&agent, &before);
}
