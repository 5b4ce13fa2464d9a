//! The brake on mass failures of a running server: of two nodes that fail at once one turns critical, the other waits,
//! and passes all the time when it comes back.

use std::time::Duration;

use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(50);

fn statuses(server: &Agent) -> Vec<String> {
    let checks = |name: &&str| server.get_json(&format!("/v1/health/node/{name}"));
    let status = |checks: serde_json::Value| checks[0]["Status"].as_str().unwrap_or_default().to_owned();
    ["one", "two"].iter().map(|name| status(checks(name))).collect()
}

#[test]
fn one_of_two_failed_nodes_waits() {
    let ours = Program::ours();
    let server = Agent::server(&ours, &["-node=server", "-hcl=mass_failure_brake_percent = 1"]);
    let join = format!("-retry-join={}", server.address());
    let mut nodes = ["-node=one", "-node=two"].map(|name| Agent::start(&ours, &[name, &join]));
    let until = |what: &str, wanted: &[&str]| {
        eventually(what, PATIENCE, || {
            let mut found = statuses(&server);
            found.sort();
            if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        });
    };
    until("both are registered", &["passing", "passing"]);
    nodes.iter_mut().for_each(Agent::kill);
    eventually("the brake holds one", PATIENCE, || {
        let log = server.log();
        if log.contains("the brake on mass failures holds some back") { Ok(()) } else { Err(log) }
    });
    until("one is critical, the other waits", &["critical", "passing"]);
    nodes.iter_mut().for_each(Agent::restart);
    until("both are back", &["passing", "passing"]);
    eventually("nobody waits", PATIENCE, || {
        let log = server.log();
        if log.contains("the brake on mass failures holds no node back any more") { Ok(()) } else { Err(log) }
    });
    assert_eq!(server.log().matches("holds some back").count(), 1, "it is told once");
}
