//! The data directory: one agent at a time, one layout that both sides know, and whom a restarted agent joins.

use std::time::Duration;

use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(40);

fn members(agent: &Agent) -> usize {
    let answer = agent.request("GET", "/v1/agent/members", b"").ok().filter(|answer| answer.status == 200);
    let alive = |member: &&serde_json::Value| member["Status"] == 1;
    answer.map_or(0, |answer| answer.json().as_array().map_or(0, |all| all.iter().filter(alive).count()))
}

fn wait_for_members(agent: &Agent, wanted: usize) {
    eventually("the members", PATIENCE, || match members(agent) {
        found if found == wanted => Ok(()),
        found => Err(format!("{found} members\n{}", agent.log())),
    });
}

#[test]
fn a_directory_has_one_agent_at_a_time() {
    for role in [&["-server", "-bootstrap-expect=1"][..], &[]] {
        let first = Agent::start(&Program::ours(), role);
        eventually("an answer", PATIENCE, || first.request("GET", "/v1/agent/self", b""));
        let mut arguments = role.to_vec();
        let same = format!("-data-dir={}", first.data_dir().display());
        arguments.push(&same);
        let ended = Agent::start(&Program::ours(), &arguments).wait_until_ended();
        assert!(!ended.status.success());
        assert!(ended.log.contains("in use by another process: stop it or set another -data-dir"), "{}", ended.log);
        assert!(first.request("GET", "/v1/agent/self", b"").is_ok(), "the first goes on");
    }
}

#[test]
fn a_newer_layout_is_refused_with_what_to_do_and_left_alone() {
    let mut agent = Agent::server(&Program::ours(), &[]);
    agent.put("/v1/kv/kept", "value");
    agent.terminate();
    let file = agent.data_dir().join("layout.json");
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "{\"layout\":7,\"written_by\":\"99.0.0\"}").unwrap();
    agent.restart();
    let ended = agent.wait_until_ended();
    assert!(!ended.status.success());
    assert!(ended.log.contains("has layout 7, written by Concord 99.0.0"), "{}", ended.log);
    assert!(ended.log.contains("Start 99.0.0 or newer again; to go back, take a snapshot there"), "{}", ended.log);
    std::fs::write(&file, written).unwrap();
    agent.restart();
    agent.wait_for_leader();
    let kept = eventually("the key", PATIENCE, || match agent.request("GET", "/v1/kv/kept?raw", b"") {
        Ok(answer) if answer.status == 200 => Ok(answer.text()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(kept, "value");
}

/// After a leave, an agent waits to be told whom to join, unless `rejoin_after_leave` says otherwise; after a stop it
/// always comes back by itself.
#[test]
fn an_agent_that_left_joins_again_only_if_told_to() {
    let server = Agent::server(&Program::ours(), &[]);
    let join = format!("-retry-join={}", server.address());
    for (flags, leaves, members_after) in
        [(&["-rejoin"][..], true, 2), (&[][..], true, 1), (&["-hcl=leave_on_terminate=false"][..], false, 2)]
    {
        let mut agent = Agent::start(&Program::ours(), &[&[join.as_str(), "-node=other"], flags].concat());
        wait_for_members(&agent, 2);
        let ended = agent.terminate();
        assert_eq!(ended.log.contains("Gracefully shutting down"), leaves, "{}", ended.log);
        let known = std::fs::read_dir(agent.data_dir().join("serf")).unwrap().count();
        assert!(known > 0);
        // The same directory, and nobody named to join.
        let own = format!("-data-dir={}", agent.data_dir().display());
        let again =
            Agent::start_at(&Program::ours(), agent.address(), &[&[own.as_str(), "-node=other"], flags].concat());
        wait_for_members(&again, members_after);
        if members_after == 1 {
            // It had its chance: what a pool remembers is tried before the agent says that it runs.
            assert!(again.log().contains("Consul agent running!"));
            assert_eq!(members(&again), 1);
        }
    }
}
