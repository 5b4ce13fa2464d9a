//! Metrics: what the dashboard of the chart asks for is in a scrape of a running cluster under load, and what the Consul
//! that `CONCORD_ORACLE` names measures after the same walk is measured here too, or named in `tests/figures/missing.txt`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tests::dns::Question;
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const TELEMETRY: &str = "-hcl=telemetry { prometheus_retention_time = \"10m\" disable_hostname = true }";

/// Requests of every kind, so that there is something to measure. Answers do not matter here.
fn walk(agent: &Agent) {
    for round in 0..3 {
        for (method, path, body) in [
            ("PUT", "/v1/agent/service/register", r#"{"Name":"web","Check":{"TTL":"1h"}}"#),
            ("PUT", "/v1/agent/check/pass/service:web", ""),
            ("PUT", "/v1/kv/a", "1"),
            ("GET", "/v1/kv/a", ""),
            ("GET", "/v1/kv/a?consistent", ""),
            ("DELETE", "/v1/kv/a", ""),
            ("PUT", "/v1/txn", r#"[{"KV":{"Verb":"set","Key":"t","Value":"eA=="}}]"#),
            ("PUT", "/v1/session/create", r#"{"Checks":[]}"#),
            ("GET", "/v1/session/list", ""),
            ("GET", "/v1/catalog/nodes", ""),
            ("GET", "/v1/catalog/services", ""),
            ("GET", "/v1/catalog/service/web", ""),
            ("GET", "/v1/health/service/web?passing", ""),
            ("GET", "/v1/health/service/consul", ""),
            ("PUT", "/v1/catalog/register", r#"{"Node":"outside","Address":"10.0.0.1"}"#),
            ("PUT", "/v1/catalog/deregister", r#"{"Node":"outside"}"#),
            ("PUT", "/v1/event/fire/deploy", ""),
            ("PUT", "/v1/query", r#"{"Name":"q","Service":{"Service":"web"}}"#),
            ("GET", "/v1/query/q/execute", ""),
            ("PUT", "/v1/agent/service/deregister/web", ""),
            ("GET", "/v1/kv/a?index=1000000&wait=10ms", ""),
        ] {
            let answer = agent.request(method, path, body.as_bytes());
            assert!(answer.is_ok(), "round {round}: {method} {path}: {answer:?}");
        }
        let mut octets: Vec<String> = agent.address().to_string().split('.').map(str::to_owned).collect();
        octets.reverse();
        let reverse = format!("{}.in-addr.arpa PTR", octets.join("."));
        for question in ["consul.service.consul A", &reverse] {
            let answer = Question::parse(question).ask(agent.address().port(8600));
            assert!(answer.is_ok(), "{question}: {answer:?}");
        }
    }
}

/// The names in a Prometheus scrape, as the samples have them.
fn scraped(agent: &Agent) -> BTreeSet<String> {
    let answer = agent.request("GET", "/v1/agent/metrics?format=prometheus", b"").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    samples.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).collect()
}

/// The metric names in a PromQL expression.
fn names(expression: &str) -> impl Iterator<Item = String> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    words.filter(|word| word.starts_with("consul_") || word.starts_with("process_")).map(str::to_owned)
}

fn asked_for(dashboard: &Value) -> BTreeSet<String> {
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.flat_map(|target| names(target["expr"].as_str().expect("an expression")).collect::<Vec<_>>()).collect()
}

#[test]
fn a_scrape_has_every_metric_of_the_dashboard() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/concord/dashboards/concord.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let wanted = asked_for(&dashboard);
    assert!(wanted.len() > 30, "the dashboard is missing: {wanted:?}");
    let first = Agent::start(&Program::ours(), &["-server", "-bootstrap-expect=3", "-node=s1", TELEMETRY]);
    let join = format!("-retry-join={}", first.address());
    let others = ["s2", "s3"].map(|name| {
        let name = format!("-node={name}");
        Agent::start(&Program::ours(), &["-server", "-bootstrap-expect=3", &name, &join, TELEMETRY])
    });
    first.wait_for_leader();
    for agent in others.iter().chain([&first]) {
        agent.wait_for_leader();
        walk(agent);
    }
    eventually("all metrics of the dashboard", PATIENCE, || {
        let found: BTreeSet<String> = others.iter().chain([&first]).flat_map(scraped).collect();
        let missing: Vec<&String> = wanted.iter().filter(|name| !found.contains(*name)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing: {missing:?}")) }
    });
}

/// Names with what they count left out, as a scrape's help has them.
fn kinds(agent: &Agent) -> BTreeSet<String> {
    let text = agent.request("GET", "/v1/agent/metrics?format=prometheus", b"").unwrap().text();
    let rows = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    rows.filter(|row| row.starts_with("consul_") || row.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn what_consul_measures_is_measured_or_named() {
    let Some(oracle) = Program::oracle() else { return };
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("figures/missing.txt")).unwrap();
    let excused: Vec<(&str, &str)> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').expect("a name and a reason"))
        .collect();
    let (ours, theirs) = (Agent::server(&Program::ours(), &[TELEMETRY]), Agent::server(&oracle, &[TELEMETRY]));
    walk(&theirs);
    walk(&ours);
    let theirs = kinds(&theirs);
    eventually("the metrics of Consul", PATIENCE, || {
        let ours = kinds(&ours);
        let is_excused = |row: &str| {
            let name = row.split(' ').next().unwrap_or_default();
            excused
                .iter()
                .any(|(wanted, _)| wanted.strip_suffix('*').map_or(name == *wanted, |head| name.starts_with(head)))
        };
        let missing: Vec<&String> = theirs.iter().filter(|row| !ours.contains(*row) && !is_excused(row)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing, and no reason is named: {missing:#?}")) }
    });
    // The JSON form has the same names: gauges, counters and samples of the last interval.
    let (gauges, points) = (ours.get_json("/v1/agent/metrics")["Gauges"].take(), ours.get_json("/v1/agent/metrics"));
    assert!(gauges.to_string().contains("consul.runtime.alloc_bytes"), "{gauges}");
    assert!(points["Points"].is_array() && points["Counters"].is_array() && points["Samples"].is_array());
}
