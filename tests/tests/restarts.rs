//! What an agent knows of its checks after it was started again, beside the real Consul: results of TTL checks that have
//! not lapsed stay, everything else is critical until it was looked at, and maintenance stays.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// Each check that is registered, and what is said about it before the restart.
fn register(agent: &Agent) {
    let service = json!({"Name": "web", "Port": 80, "Checks": [
        {"CheckID": "ttl-warning", "TTL": "1h"},
        {"CheckID": "ttl-silent", "TTL": "1h", "Status": "passing"},
        {"CheckID": "ttl-lapsing", "TTL": "1s"},
        {"CheckID": "http", "HTTP": "http://127.0.0.1:1/", "Interval": "1h", "Status": "passing"},
        {"CheckID": "tcp", "TCP": "127.0.0.1:1", "Interval": "1h", "Status": "warning"},
    ]});
    agent.put("/v1/agent/service/register", &service.to_string());
    let on_node = json!({"Name": "node", "ID": "on-node", "TTL": "1h", "Notes": "a note"});
    agent.put("/v1/agent/check/register", &on_node.to_string());
    agent.put("/v1/agent/service/register", r#"{"Name":"gone","Check":{"TTL":"1h"}}"#);
    agent.put("/v1/agent/service/deregister/gone", "");
    agent.put("/v1/agent/check/warn/ttl-warning?note=hot", "");
    agent.put("/v1/agent/check/pass/ttl-lapsing?note=fine", "");
    agent.put("/v1/agent/check/update/on-node", r#"{"Status":"passing","Output":"all good"}"#);
    agent.put("/v1/agent/service/maintenance/web?enable=true&reason=upgrade", "");
    eventually("the lapse of a check", PATIENCE, || {
        let checks = agent.get_json("/v1/agent/checks");
        if checks["ttl-lapsing"]["Status"] == "critical" { Ok(()) } else { Err(checks.to_string()) }
    });
}

/// Services, and checks with what is known of them.
fn known(agent: &Agent) -> Value {
    let services = agent.get_json("/v1/agent/services");
    let services: Vec<&String> = services.as_object().expect("an object").keys().collect();
    let checks = agent.get_json("/v1/agent/checks");
    let mut shown = serde_json::Map::new();
    for (id, check) in checks.as_object().expect("an object") {
        // An attempt that was made, or a time that lapsed, since the start may have left its output.
        let output = if check["Type"] == "ttl" && id != "ttl-lapsing" { &check["Output"] } else { &Value::Null };
        shown.insert(id.clone(), json!([check["Status"], output, check["Notes"], check["Type"], check["ServiceID"]]));
    }
    json!({"services": services, "checks": shown})
}

fn after_a_restart(program: &Program) -> Value {
    let mut agent = Agent::server(program, &[]);
    register(&agent);
    agent.restart();
    agent.wait_for_leader();
    let shown = known(&agent);
    // The catalog is told the same.
    eventually("the catalog", PATIENCE, || {
        let rows = agent.get_json("/v1/health/checks/web");
        let rows = rows.as_array().expect("a list");
        let status = |id: &str| rows.iter().find(|row| row["CheckID"] == id).map(|row| row["Status"].clone());
        let (warning, http) = (status("ttl-warning"), status("http"));
        if (warning, http) == (Some(json!("warning")), Some(json!("critical"))) {
            Ok(())
        } else {
            Err(json!(rows).to_string())
        }
    });
    shown
}

#[test]
fn results_survive_a_restart_as_far_as_they_still_hold() {
    let ours = after_a_restart(&Program::ours());
    let checks = &ours["checks"];
    assert_eq!(ours["services"], json!(["web"]), "what was removed stays away");
    assert_eq!(checks["ttl-warning"][0], "warning");
    assert_eq!(checks["ttl-warning"][1], "hot");
    assert_eq!(checks["on-node"][0], "passing");
    for id in ["ttl-silent", "ttl-lapsing", "http", "tcp", "_service_maintenance:web"] {
        assert_eq!(checks[id][0], "critical", "{id}: {checks}");
    }
    if let Some(oracle) = Program::oracle() {
        assert_eq!(ours, after_a_restart(&oracle));
    }
}
