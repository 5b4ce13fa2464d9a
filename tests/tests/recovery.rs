//! A cluster whose majority is lost for good: `peers.json` and `consul operator raft recover` with real processes. What
//! was acknowledged is kept; whatever is wrong with the list is said, and then nothing is changed.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use tests::{Agent, Cluster, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// Three servers with a key, of which two are gone.
fn lost() -> Cluster {
    let mut cluster = Cluster::start(&Program::ours(), 3, &[]);
    let leader = cluster.leader();
    assert_eq!(cluster.servers[leader].put("/v1/kv/kept", "acknowledged").trim(), "true");
    for server in &cluster.servers {
        eventually("the write on everyone's disk", PATIENCE, || {
            match server.request("GET", "/v1/kv/kept?stale&raw", b"")? {
                answer if answer.text() == "acknowledged" => Ok(()),
                answer => Err(answer.text()),
            }
        });
    }
    cluster.servers[1].kill();
    cluster.servers[2].kill();
    cluster
}

fn node_id(agent: &Agent) -> String {
    fs::read_to_string(agent.data_dir().join("node-id")).expect("it has an id").trim().to_owned()
}

fn peers_file(agent: &Agent) -> PathBuf {
    agent.data_dir().join("raft/peers.json")
}

fn entry(agent: &Agent) -> String {
    format!(r#"{{"id": "{}", "address": "{}", "non_voter": false}}"#, node_id(agent), agent.address().port(8300))
}

fn works_alone(agent: &Agent) {
    agent.wait_for_leader();
    eventually("a write", PATIENCE, || match agent.request("PUT", "/v1/kv/after", b"1")? {
        answer if answer.status == 200 => Ok(()),
        answer => Err(answer.text()),
    });
    let kept = agent.request("GET", "/v1/kv/kept?raw&consistent", b"").expect("an answer");
    assert_eq!(kept.text(), "acknowledged");
    let configuration = agent.get_json("/v1/operator/raft/configuration");
    assert_eq!(configuration["Servers"].as_array().map(Vec::len), Some(1), "{configuration}");
}

/// What is said by a server that is started and ends at once.
fn refusal(agent: &mut Agent, list: &str) -> String {
    fs::write(peers_file(agent), list).expect("it is written");
    agent.restart();
    let ended = agent.wait_until_ended();
    assert!(!ended.status.success(), "{}", ended.log);
    assert!(peers_file(agent).exists(), "a list that was not obeyed stays");
    ended.log.lines().rfind(|line| line.contains("recover") || line.contains("configuration")).unwrap_or("").to_owned()
}

#[test]
fn a_list_of_peers_is_obeyed_once() {
    let mut cluster = lost();
    let agent = &mut cluster.servers[0];
    agent.kill();
    let own = entry(agent);
    let none = refusal(agent, "[]");
    assert!(none.contains("need at least one voter"), "{none}");
    let format = refusal(agent, r#"["10.0.0.1:8300"]"#);
    assert!(format.contains("recovery failed to parse") && format.contains("it must be a list such as"), "{format}");
    let other = refusal(agent, r#"[{"id": "adf4238a-882b-9ddc-4a9d-5b6758e4159e", "address": "10.1.0.1:8300"}]"#);
    assert!(other.contains("is not in the new configuration"), "{other}");
    let no_id = refusal(agent, r#"[{"id": "n1", "address": "10.1.0.1:8300"}]"#);
    assert!(no_id.contains("is not a UUID"), "{no_id}");
    let twice = refusal(agent, &format!("[{own}, {own}]"));
    assert!(twice.contains("found duplicate address in configuration"), "{twice}");

    fs::write(peers_file(agent), format!("[{own}]")).expect("it is written");
    agent.restart();
    works_alone(agent);
    assert!(!peers_file(agent).exists(), "it is obeyed once");
    agent.restart();
    works_alone(agent);
}

#[test]
fn the_command_shows_first_and_then_recovers_every_server_that_remains() {
    let mut cluster = lost();
    // Of five that were meant, one had come late; here one of the lost comes back from its disk.
    let (first, rest) = cluster.servers.split_at_mut(1);
    let (one, other) = (&mut first[0], &mut rest[0]);
    let peers = [&*one, &*other].map(|agent| format!("-peer={}@{}", node_id(agent), agent.address().port(8300)));
    let folder = |agent: &Agent| format!("-data-dir={}", agent.data_dir().display());
    let recover = |agent: &Agent, more: &[&str]| {
        let folder = folder(agent);
        let output = agent.command(&[&["operator", "raft", "recover", &*folder], more].concat());
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let all = [&*peers[0], &*peers[1], "-yes"];
    let (is_done, text) = recover(one, &all);
    assert!(!is_done && text.contains("in use by another process"), "a server that runs is left alone: {text}");
    one.signal(Signal::SIGKILL);
    one.kill();

    for (arguments, reason) in [
        (&["-yes"][..], "name each server of the new configuration"),
        (&["-peer=nonsense", "-yes"], "is not of the form id@ip:port"),
        (&[&*peers[1], "-yes"], "is not in the new configuration"),
        (&["-peer=x@127.0.0.1:1", "-yes"], "is not a UUID"),
    ] {
        let (is_done, text) = recover(one, arguments);
        assert!(!is_done && text.contains(reason), "{arguments:?}: {text}");
    }
    let (is_done, text) = recover(one, &all[..2]);
    assert!(is_done && text.contains("Nothing was changed") && text.contains(&node_id(one)), "{text}");
    let before = text.lines().skip_while(|line| *line != "Configuration now:").skip(1);
    assert_eq!(before.take_while(|line| line.starts_with("  ")).count(), 3, "{text}");
    for agent in [&*one, &*other] {
        let (is_done, text) = recover(agent, &all);
        assert!(is_done && text.contains("Done."), "{text}");
    }
    one.restart();
    other.restart();
    for agent in [&*one, &*other] {
        agent.wait_for_leader();
        let kept = eventually("the key", PATIENCE, || match agent.request("GET", "/v1/kv/kept?raw", b"")? {
            answer if answer.status == 200 => Ok(answer.text()),
            answer => Err(answer.text()),
        });
        assert_eq!(kept, "acknowledged");
        let configuration = agent.get_json("/v1/operator/raft/configuration");
        assert_eq!(configuration["Servers"].as_array().map(Vec::len), Some(2), "{configuration}");
    }
    assert_eq!(one.put("/v1/kv/after", "1").trim(), "true");
}
