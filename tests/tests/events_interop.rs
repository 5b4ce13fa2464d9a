//! User events between our agent and the Consul that CONCORD_ORACLE names, in one pool, both ways. Without it the test
//! says so and passes.

use std::time::Duration;

use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn events_cross_between_our_agent_and_consul() {
    let Some(oracle) = Program::oracle() else { return };
    let theirs = Agent::server(&oracle, &["-node=theirs"]);
    let ours = Agent::start(&Program::ours(), &["-node=ours", &format!("-retry-join={}", theirs.address())]);
    eventually("both are members", PATIENCE, || {
        let count = |agent: &Agent| agent.get_json("/v1/agent/members").as_array().map_or(0, Vec::len);
        if count(&theirs) == 2 && count(&ours) == 2 { Ok(()) } else { Err("not yet".to_owned()) }
    });
    for (from, to, name) in [(&ours, &theirs, "from-us"), (&theirs, &ours, "from-them")] {
        let path = format!("/v1/event/fire/{name}?node=ours|theirs");
        let fired = from.request("PUT", &path, b"\x00payload\xff").expect("fired");
        assert_eq!(fired.status, 200, "{}", fired.text());
        // Not for the other one.
        let here = if name == "from-us" { "ours" } else { "theirs" };
        from.request("PUT", &format!("/v1/event/fire/{name}-here?node={here}"), b"").expect("fired");
        let list = format!("/v1/event/list?name={name}");
        eventually("the event is there", PATIENCE, || {
            let (sent, seen) = (from.get_json(&list), to.get_json(&list));
            let is_whole = seen[0]["Payload"] == "AHBheWxvYWT/" && seen.as_array().map(Vec::len) == Some(1);
            if is_whole && sent == seen { Ok(()) } else { Err(format!("{sent} {seen}")) }
        });
        assert_eq!(from.get_json(&format!("/v1/event/list?name={name}-here")).as_array().map(Vec::len), Some(1));
        assert_eq!(to.get_json(&format!("/v1/event/list?name={name}-here")).as_array().map(Vec::len), Some(0));
    }
}
