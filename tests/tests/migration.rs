//! A snapshot of the real Consul with one of everything, restored by the command line: every list is that of the server
//! that it came from, before and after a restart. What is damaged or cut changes nothing.

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Program, eventually, http};

const PATIENCE: Duration = Duration::from_secs(60);
const ROOT: &str = "11111111-2222-4333-8444-555555555555";
const SETTINGS: &str = r#"-hcl=primary_datacenter = "dc1" connect { enabled = true } acl { enabled = true default_policy = "allow"
    tokens { master = "11111111-2222-4333-8444-555555555555" } }"#;

/// What fills the server that is left, in this order. `SESSION` stands for the id of the first session.
const FILLING: &[(&str, &str, &str)] = &[
    ("PUT", "kv/app/text?flags=42", "hello"),
    ("PUT", "kv/app/empty", ""),
    ("PUT", "kv/gone/x", "x"),
    ("DELETE", "kv/gone/x", ""),
    (
        "PUT",
        "catalog/register",
        r#"{"Node": "ext1", "Address": "10.1.1.1", "NodeMeta": {"k": "v"}, "TaggedAddresses": {"lan": "10.1.1.1"},
        "Service": {"ID": "web1", "Service": "web", "Tags": ["a", "b"], "Port": 80, "Meta": {"m": "1"},
            "Weights": {"Passing": 5, "Warning": 2}, "EnableTagOverride": true,
            "TaggedAddresses": {"lan": {"Address": "1.2.3.4", "Port": 90}}},
        "Checks": [
            {"Node": "ext1", "CheckID": "c1", "Name": "C1", "Status": "passing", "Notes": "n", "Output": "o",
             "Definition": {"HTTP": "http://x", "Interval": "10s", "Timeout": "3s", "Header": {"A": ["b"]}}},
            {"Node": "ext1", "CheckID": "c2", "Name": "C2", "Status": "warning", "ServiceID": "web1"}]}"#,
    ),
    (
        "PUT",
        "catalog/register",
        r#"{"Node": "ext2", "ID": "aaaaaaaa-2222-4333-8444-555555555555", "Address": "10.1.1.2", "Service": {
        "Kind": "connect-proxy", "ID": "web1-proxy", "Service": "web-proxy", "Port": 2000, "Proxy": {
            "DestinationServiceName": "web", "DestinationServiceID": "web1", "LocalServiceAddress": "127.0.0.1",
            "LocalServicePort": 80, "Config": {"x": 1, "y": "z"}, "MeshGateway": {"Mode": "local"},
            "Upstreams": [{"DestinationName": "db", "LocalBindPort": 1234, "Config": {"q": true}}],
            "Expose": {"Checks": true}}}}"#,
    ),
    (
        "PUT",
        "coordinate/update",
        r#"{"Node": "ext1", "Coord": {"Vec": [0.1, 0.2, 0, 0, 0, 0, 0, 0], "Error": 1.0,
        "Adjustment": 0.01, "Height": 0.001}}"#,
    ),
    ("PUT", "session/create", r#"{"Name": "s1", "Node": "ext1", "Checks": [], "LockDelay": "7s", "TTL": "3600s"}"#),
    ("PUT", "session/create", r#"{"Name": "s2", "Node": "ext1", "Checks": [], "Behavior": "delete"}"#),
    ("PUT", "kv/lock/x?acquire=SESSION", "held"),
    (
        "POST",
        "query",
        r#"{"Name": "q1", "Service": {"Service": "web", "Failover": {"NearestN": 2, "Datacenters": ["dc2"]},
        "OnlyPassing": true, "Tags": ["a"], "Near": "_agent", "NodeMeta": {"k": "v"}}, "DNS": {"TTL": "10s"}}"#,
    ),
    ("POST", "query", r#"{"Name": "bound", "Session": "SESSION", "Service": {"Service": "web"}}"#),
    (
        "POST",
        "query",
        r#"{"Name": "geo", "Template": {"Type": "name_prefix_match", "Regexp": "^geo-(.*)$",
        "RemoveEmptyTags": true}, "Service": {"Service": "${match(1)}"}}"#,
    ),
    (
        "PUT",
        "acl/policy",
        r#"{"Name": "pol1", "Rules": "key_prefix \"\" { policy = \"read\" }", "Description": "d",
        "Datacenters": ["dc1"]}"#,
    ),
    (
        "PUT",
        "acl/role",
        r#"{"Name": "role1", "Policies": [{"Name": "pol1"}],
        "ServiceIdentities": [{"ServiceName": "web"}]}"#,
    ),
    (
        "PUT",
        "acl/token",
        r#"{"AccessorID": "bbbbbbbb-2222-4333-8444-555555555555",
        "SecretID": "cccccccc-2222-4333-8444-555555555555", "Description": "t", "Policies": [{"Name": "pol1"}],
        "Roles": [{"Name": "role1"}], "ExpirationTTL": "23h", "NodeIdentities": [{"NodeName": "n", "Datacenter": "dc1"}]}"#,
    ),
    ("PUT", "acl/create", r#"{"Name": "old", "Type": "client", "Rules": "key \"\" { policy = \"write\" }"}"#),
    (
        "PUT",
        "acl/auth-method",
        r#"{"Name": "k8s", "Type": "kubernetes", "MaxTokenTTL": "90s", "Config": {
        "Host": "https://127.0.0.1:1", "CACert": "CERTIFICATE", "ServiceAccountJWT": "eyJhbGciOiJub25lIn0.e30."}}"#,
    ),
    (
        "PUT",
        "acl/binding-rule",
        r#"{"AuthMethod": "k8s", "BindType": "service", "BindName": "web",
        "Selector": "serviceaccount.name==web"}"#,
    ),
    (
        "PUT",
        "config",
        r#"{"Kind": "proxy-defaults", "Name": "global", "Config": {"a": 1, "b": "x", "c": {"d": [1, 2.5]}},
        "MeshGateway": {"Mode": "local"}}"#,
    ),
    (
        "PUT",
        "config",
        r#"{"Kind": "service-defaults", "Name": "web", "Protocol": "http",
        "Expose": {"Checks": true, "Paths": [{"Path": "/h", "LocalPathPort": 1, "ListenerPort": 2}]},
        "Meta": {"x": "y"}}"#,
    ),
    ("PUT", "config", r#"{"Kind": "service-defaults", "Name": "db", "Protocol": "http"}"#),
    ("PUT", "config", r#"{"Kind": "service-defaults", "Name": "ext", "ExternalSNI": "sni"}"#),
    (
        "PUT",
        "config",
        r#"{"Kind": "service-resolver", "Name": "web", "ConnectTimeout": "3s", "DefaultSubset": "v1",
        "Subsets": {"v1": {"Filter": "Service.Meta.m == 1", "OnlyPassing": true}},
        "Failover": {"*": {"Datacenters": ["dc2"]}}}"#,
    ),
    ("PUT", "config", r#"{"Kind": "service-resolver", "Name": "old", "Redirect": {"Service": "plain"}}"#),
    (
        "PUT",
        "config",
        r#"{"Kind": "service-splitter", "Name": "web", "Splits": [{"Weight": 99.5, "ServiceSubset": "v1"},
        {"Weight": 0.5, "Service": "db"}]}"#,
    ),
    (
        "PUT",
        "config",
        r#"{"Kind": "service-router", "Name": "web", "Routes": [{"Match": {"HTTP": {"PathPrefix": "/a",
        "Header": [{"Name": "h", "Present": true}], "QueryParam": [{"Name": "q", "Exact": "1"}], "Methods": ["GET"]}},
        "Destination": {"Service": "db", "RequestTimeout": "5s", "NumRetries": 3, "RetryOnStatusCodes": [503]}}]}"#,
    ),
    (
        "PUT",
        "config",
        r#"{"Kind": "ingress-gateway", "Name": "in", "TLS": {"Enabled": true}, "Listeners": [
        {"Port": 8080, "Protocol": "http", "Services": [{"Name": "web", "Hosts": ["x.y"]}]}]}"#,
    ),
    (
        "PUT",
        "config",
        r#"{"Kind": "terminating-gateway", "Name": "out", "Services": [{"Name": "ext", "CAFile": "/ca"}]}"#,
    ),
    (
        "POST",
        "connect/intentions",
        r#"{"SourceName": "a", "DestinationName": "web", "Action": "deny",
        "Description": "dd", "Meta": {"x": "y"}}"#,
    ),
    ("POST", "connect/intentions", r#"{"SourceName": "*", "DestinationName": "web", "Action": "allow"}"#),
    (
        "PUT",
        "connect/ca/configuration",
        r#"{"Provider": "consul", "Config": {"LeafCertTTL": "80h",
        "RotationPeriod": "2160h"}}"#,
    ),
    (
        "PUT",
        "operator/autopilot/configuration",
        r#"{"CleanupDeadServers": false, "LastContactThreshold": "300ms",
        "MaxTrailingLogs": 100, "ServerStabilizationTime": "11s"}"#,
    ),
];

/// What is asked of both servers.
const QUESTIONS: &[&str] = &[
    "kv/app/?recurse",
    "kv/lock/x",
    "kv/?keys",
    "catalog/nodes",
    "catalog/services",
    "catalog/node/ext1",
    "catalog/node-services/ext2",
    "catalog/service/web",
    "catalog/service/web-proxy",
    "catalog/connect/web",
    "catalog/gateway-services/in",
    "health/node/ext1",
    "health/service/web",
    "health/connect/web",
    "health/checks/web",
    "health/state/any",
    "coordinate/nodes",
    "coordinate/node/ext1",
    "session/list",
    "session/node/ext1",
    "query",
    "query/geo-web/explain",
    "acl/tokens",
    "acl/token/bbbbbbbb-2222-4333-8444-555555555555",
    "acl/list",
    "acl/policies",
    "acl/policy/name/pol1",
    "acl/roles",
    "acl/role/name/role1",
    "acl/auth-methods",
    "acl/auth-method/k8s",
    "acl/binding-rules",
    "config/proxy-defaults",
    "config/service-defaults",
    "config/service-resolver",
    "config/service-splitter",
    "config/service-router",
    "config/ingress-gateway",
    "config/terminating-gateway",
    "discovery-chain/web",
    "connect/intentions",
    "connect/intentions/match?by=destination&name=web",
    "connect/ca/roots",
    "connect/ca/configuration",
    "operator/autopilot/configuration",
];

fn ask(agent: &Agent, method: &str, path: &str, body: &[u8]) -> http::Response {
    let path = format!("/v1/{path}");
    http::request(agent.address().port(8500), method, &path, &[("X-Consul-Token", ROOT)], body).expect("an answer")
}

fn fill(agent: &Agent, certificate: &str) -> String {
    let mut session = String::new();
    for (method, path, body) in FILLING {
        let path = path.replace("SESSION", &session);
        let body = body.replace("SESSION", &session).replace("CERTIFICATE", &certificate.replace('\n', "\\n"));
        let answer = ask(agent, method, &path, body.as_bytes());
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        if path == "session/create" && session.is_empty() {
            answer.json()["ID"].as_str().expect("an id").clone_into(&mut session);
        }
    }
    let binary = ask(agent, "PUT", "kv/app/binary", b"\xff\x00\x01bin");
    assert_eq!(binary.status, 200);
    session
}

/// The answer without what belongs to the servers themselves, which are different ones.
fn compared(agent: &Agent, question: &str) -> Value {
    let answer = ask(agent, "GET", question, b"");
    assert_eq!(answer.status, 200, "{question}: {}", answer.text());
    let mut value = answer.json();
    match &mut value {
        Value::Array(rows) => {
            rows.retain(|row| !matches!(row["Node"].as_str(), Some("old1" | "new1")));
            if question.starts_with("acl/") {
                // Consul keeps them in an order that nobody else can know.
                rows.sort_by_key(|row| row["AccessorID"].to_string() + &row["ID"].to_string());
            }
        }
        Value::Object(rows) if question == "catalog/services" => {
            rows.remove("consul");
            // Consul tells the tags of a service in any order.
            let tags = rows.values_mut().filter_map(Value::as_array_mut);
            tags.for_each(|tags| tags.sort_by_key(ToString::to_string));
        }
        _ => {}
    }
    value
}

/// The head of an upload and as much of it as is given; then the connection ends.
fn upload_and_hang_up(agent: &Agent, claimed: usize, bytes: &[u8]) {
    let mut stream = TcpStream::connect(agent.address().port(8500)).expect("a connection");
    let head = format!(
        "PUT /v1/snapshot HTTP/1.1\r\nHost: consul\r\nX-Consul-Token: {ROOT}\r\nContent-Length: {claimed}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it is sent");
    stream.write_all(bytes).expect("it is sent");
    stream.shutdown(Shutdown::Both).expect("it is open");
}

fn refuse_what_is_damaged(ours: &Agent, archive: &[u8]) {
    let before = ask(ours, "GET", "kv/?recurse", b"").json();
    upload_and_hang_up(ours, archive.len(), &archive[..archive.len() / 2]);
    let mut damaged = archive.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    for bad in [&damaged[..], &archive[..archive.len() / 2], b"no archive"] {
        let refused = ask(ours, "PUT", "snapshot", bad);
        assert_eq!(refused.status, 500, "{}", refused.text());
        assert_eq!(ask(ours, "GET", "kv/?recurse", b"").json(), before, "{}", refused.text());
    }
}

/// What the authority signs now is trusted by who trusts the root that came from Consul.
fn signs_with_the_key_that_came_along(ours: &Agent) {
    let der = |text: &Value| {
        let text = text.as_str().expect("a certificate").as_bytes();
        x509_parser::pem::parse_x509_pem(text).expect("PEM").1
    };
    let roots = ask(ours, "GET", "connect/ca/roots", b"").json();
    let leaf = ask(ours, "GET", "agent/connect/ca/leaf/web", b"");
    assert_eq!(leaf.status, 200, "{}", leaf.text());
    let (root, leaf) = (der(&roots["Roots"][0]["RootCert"]), der(&leaf.json()["CertPEM"]));
    let (root, leaf) = (root.parse_x509().expect("a certificate"), leaf.parse_x509().expect("a certificate"));
    leaf.verify_signature(Some(root.public_key())).expect("it is signed by the root");
}

#[test]
fn a_server_answers_as_the_consul_whose_snapshot_it_was_given() {
    let Some(oracle) = Program::oracle() else { return };
    let theirs = Agent::server(&oracle, &["-node=old1", SETTINGS]);
    eventually("the server to be in its catalog, and its authority", PATIENCE, || {
        let (node, roots) =
            (ask(&theirs, "GET", "catalog/node/old1", b""), ask(&theirs, "GET", "connect/ca/roots", b""));
        let is_ready = node.status == 200 && !node.json().is_null() && roots.status == 200;
        if is_ready && roots.json()["ActiveRootID"] != "" { Ok(()) } else { Err(roots.text()) }
    });
    let roots = ask(&theirs, "GET", "connect/ca/roots", b"").json();
    let session = fill(&theirs, roots["Roots"][0]["RootCert"].as_str().expect("a certificate"));
    eventually("the coordinate", PATIENCE, || {
        let known = ask(&theirs, "GET", "coordinate/node/ext1", b"");
        if known.status == 200 { Ok(()) } else { Err(known.text()) }
    });
    eventually("tokens of the old kind to get accessors", PATIENCE, || {
        let tokens = ask(&theirs, "GET", "acl/tokens", b"").json();
        let is_new = |token: &Value| token["AccessorID"] != "";
        if tokens.as_array().is_some_and(|all| all.iter().all(is_new)) { Ok(()) } else { Err(tokens.to_string()) }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("theirs.snap");
    let archive = ask(&theirs, "GET", "snapshot", b"");
    assert_eq!(archive.status, 200);
    std::fs::write(&file, &archive.body).expect("it is written");

    let mut ours = Agent::server(&Program::ours(), &["-node=new1", SETTINGS]);
    eventually("the root token", PATIENCE, || {
        let put = ask(&ours, "PUT", "kv/mine", b"stays until it is replaced");
        if put.status == 200 { Ok(()) } else { Err(put.text()) }
    });
    refuse_what_is_damaged(&ours, &archive.body);
    let file = file.display().to_string();
    let inspected = ours.output_of(&["snapshot", "inspect", &file]);
    assert!(!inspected.contains("leaves out") || inspected.contains("leaves out 1 x FederationState"), "{inspected}");
    let head = theirs.output_of(&["snapshot", "inspect", &file]);
    assert_eq!(inspected.split("\n\n").next(), Some(head.trim_end()), "the same as Consul says, and more");
    let restored = ours.output_of(&["snapshot", "restore", &format!("-token={ROOT}"), &file]);
    assert_eq!(restored, "Restored snapshot\n");

    let wanted: Vec<Value> = QUESTIONS.iter().map(|question| compared(&theirs, question)).collect();
    for lives in 1..=2 {
        let found = QUESTIONS.iter().map(|question| compared(&ours, question)).zip(&wanted).zip(QUESTIONS);
        let differences: Vec<String> = found
            .filter(|((ours, theirs), _)| ours != *theirs)
            .map(|((ours, theirs), question)| format!("{question}\n  ours:   {ours}\n  theirs: {theirs}"))
            .collect();
        assert!(differences.is_empty(), "life {lives}:\n{}", differences.join("\n"));
        assert_eq!(ask(&ours, "GET", "kv/mine", b"").status, 404);
        if lives == 1 {
            ours.restart();
            ours.wait_for_leader();
        }
    }
    signs_with_the_key_that_came_along(&ours);
    // The lock is a lock: nobody else gets it, and its owner gives it up.
    let other = ask(&ours, "PUT", "session/create", &json!({"Node": "ext1", "Checks": []}).to_string().into_bytes());
    let other = other.json()["ID"].as_str().expect("an id").to_owned();
    assert_eq!(ask(&ours, "PUT", &format!("kv/lock/x?acquire={other}"), b"").text().trim(), "false");
    assert_eq!(ask(&ours, "PUT", &format!("kv/lock/x?release={session}"), b"free").text().trim(), "true");
    assert!(ask(&ours, "PUT", &format!("session/renew/{session}"), b"").text().contains(&session));
    // A query that ends with its session ends with it here too.
    assert_eq!(ask(&ours, "GET", "query/bound/execute", b"").status, 200);
    assert_eq!(ask(&ours, "PUT", &format!("session/destroy/{session}"), b"").status, 200);
    assert_eq!(ask(&ours, "GET", "query/bound/execute", b"").status, 404);
}
