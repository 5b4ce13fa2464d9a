//! Sessions and locks with real processes: the command line beside the real Consul's, and sessions that live and end with
//! leaders and nodes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// `consul lock` of a program against an agent.
fn lock(program: &Program, agent: &Agent, arguments: &[&str]) -> Command {
    let mut command = Command::new(program.path());
    command.arg("lock").args(arguments).env("CONSUL_HTTP_ADDR", agent.address().port(8500).to_string());
    command.env("SHELL", "/bin/sh").stdin(Stdio::null());
    command
}

fn text(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_says_what_it_does_and_how_its_child_ended() {
    let program = Program::ours();
    let agent = Agent::server(&program, &["-node=n1"]);
    wait_until_registered(&agent, "n1");
    let run = |arguments: &[&str]| text(&mut lock(&program, &agent, arguments));
    let story = "Setting up lock at path: p/.lock\nAttempting lock acquisition\nStarting handler\ntrue\n\
                 Child terminated, releasing lock\nCleanup succeeded\n";
    assert_eq!(run(&["-verbose", "p", "echo", "$CONSUL_LOCK_HELD"]), (Some(0), story.to_owned(), String::new()));
    let failed = "Error running handler: exit status 3\n".to_owned();
    assert_eq!(run(&["p", "exit 3"]), (Some(0), String::new(), failed.clone()));
    assert_eq!(run(&["-child-exit-code", "-n=2", "p", "exit 3"]), (Some(2), String::new(), failed));
    assert_eq!(run(&["-shell=false", "p", "echo", "$HOME"]).1, "$HOME\n");
    for (arguments, message) in [
        (&["p"][..], "Key prefix and child command must be specified\n"),
        (&["-n=0", "p", "true"], "Lock holder limit must be positive\n"),
        (&["-timeout=-1s", "p", "true"], "Timeout must be positive\n"),
    ] {
        assert_eq!(run(arguments), (Some(1), String::new(), message.to_owned()));
    }
    agent.put("/v1/kv/other/.lock", "not a lock");
    let (code, _, message) = run(&["other", "true"]);
    assert_eq!((code, &*message), (Some(1), "Lock acquisition failed: Existing key does not match lock use\n"));
    let (code, _, message) = run(&["-n=2", "other", "true"]);
    assert_eq!((code, &*message), (Some(1), "Lock acquisition failed: Existing key does not match semaphore use\n"));
    assert_eq!(agent.get_json("/v1/session/list"), serde_json::json!([]), "no session is left behind");
    assert_eq!(agent.get_json("/v1/kv/?keys"), serde_json::json!(["other/.lock"]), "no key is left behind");
}

#[test]
fn one_at_a_time_beside_the_real_consul() {
    let ours = Program::ours();
    let theirs = Program::oracle();
    let server = theirs.unwrap_or_else(|| ours.clone());
    for program in [&ours, &server] {
        let agent = Agent::server(program, &["-node=n1"]);
        wait_until_registered(&agent, "n1");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        let step = format!("echo in >> {0}; sleep 0.2; echo out >> {0}", file.display());
        let contenders: Vec<_> = [&ours, &server, &ours, &server]
            .iter()
            .map(|program| lock(program, &agent, &["-child-exit-code", "one", &step]).spawn().expect("it runs"))
            .collect();
        for mut contender in contenders {
            assert!(contender.wait().expect("it ends").success());
        }
        assert_eq!(std::fs::read_to_string(&file).expect("they wrote"), "in\nout\n".repeat(4));
    }
}

#[test]
fn the_child_is_told_when_the_lock_is_lost_and_when_the_command_is_to_stop() {
    let program = Program::ours();
    let agent = Agent::server(&program, &["-node=n1"]);
    wait_until_registered(&agent, "n1");
    let folder = tempfile::tempdir().expect("a folder");
    for how in ["lost", "stopped"] {
        let file = folder.path().join(how);
        let child = format!("trap 'echo told > {0}; exit 0' TERM; while :; do sleep 0.05; done", file.display());
        let mut running = lock(&program, &agent, &[how, &child]).spawn().expect("it runs");
        let session = eventually("the lock", PATIENCE, || {
            let entry = agent.request("GET", &format!("/v1/kv/{how}/.lock"), b"")?;
            let session = (entry.status == 200).then(|| entry.json()[0]["Session"].as_str().map(str::to_owned));
            session.flatten().ok_or_else(|| entry.text())
        });
        if how == "lost" {
            agent.put(&format!("/v1/session/destroy/{session}"), "");
        } else {
            let pid = Pid::from_raw(i32::try_from(running.id()).expect("process ids fit"));
            kill(pid, Signal::SIGTERM).expect("it runs");
        }
        running.wait().expect("it ends");
        assert_eq!(std::fs::read_to_string(&file).expect("the child was told"), "told\n", "{how}");
    }
    assert_eq!(agent.get_json("/v1/session/list"), serde_json::json!([]));
}

#[test]
fn the_fencing_token_of_a_lock_is_shown_and_only_rises() {
    let agent = Agent::server(&Program::ours(), &["-node=n1"]);
    wait_until_registered(&agent, "n1");
    let session = || {
        let made = agent.put("/v1/session/create", "{\"LockDelay\":\"0s\"}");
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        made["ID"].as_str().expect("an id").to_owned()
    };
    let ask = |method: &str, path: &str| agent.request(method, path, b"x").expect("an answer");
    let token = |answer: &tests::http::Response| -> Option<u64> {
        answer.header("X-Concord-Fencing-Token").map(|text| text.parse().expect("a number"))
    };
    let (one, two) = (session(), session());
    let first = token(&ask("PUT", &format!("/v1/kv/k?acquire={one}"))).expect("a token with the lock");
    assert_eq!(token(&ask("PUT", &format!("/v1/kv/k?acquire={one}"))), Some(first), "it is the same lock still");
    assert_eq!(token(&ask("PUT", &format!("/v1/kv/k?acquire={two}"))), None, "who does not get it gets no token");
    for path in ["/v1/kv/k", "/v1/kv/k?consistent", "/v1/kv/k?stale", "/v1/kv/k?raw", "/v1/kv/k?times"] {
        assert_eq!(token(&ask("GET", path)), Some(first), "{path}");
    }
    assert_eq!(token(&ask("PUT", "/v1/kv/k")), None);
    assert_eq!(token(&ask("GET", "/v1/kv/k")), Some(first), "a plain write leaves the lock");
    assert_eq!(token(&ask("PUT", &format!("/v1/kv/k?release={one}"))), None);
    assert_eq!(token(&ask("GET", "/v1/kv/k")), None, "nobody holds it");
    let second = token(&ask("PUT", &format!("/v1/kv/k?acquire={two}"))).expect("a token with the lock");
    assert!(second > first, "{first} {second}");
    assert_eq!(ask("DELETE", "/v1/kv/k").text().trim(), "true");
    let third = token(&ask("PUT", &format!("/v1/kv/k?acquire={one}"))).expect("a token with the lock");
    assert!(third > second, "{second} {third}: also when the key was deleted in between");
    assert_eq!(agent.get_json("/v1/kv/k")[0]["LockIndex"], 1, "unlike the lock index, which began anew");
}

#[test]
fn sessions_live_on_under_a_new_leader_and_end_when_their_ttl_is_over() {
    let program = Program::ours();
    let setting = "-hcl=session_ttl_min = \"1s\"";
    let mut servers: Vec<Agent> = Vec::new();
    for name in ["n1", "n2", "n3"] {
        let node = format!("-node={name}");
        let join = servers.first().map(|seed: &Agent| format!("-retry-join={}", seed.address()));
        let mut arguments = vec!["-server", "-bootstrap-expect=3", setting, &node];
        arguments.extend(join.as_deref());
        servers.push(Agent::start(&program, &arguments));
    }
    for agent in &servers {
        agent.wait_for_leader();
    }
    let leader = servers[0].wait_for_leader();
    let at = servers.iter().position(|agent| leader.starts_with(&format!("{}:", agent.address()))).expect("one leads");
    let survivor = (at + 1) % servers.len();
    wait_until_registered(&servers[survivor], &format!("n{}", survivor + 1));
    let create = |ttl: &str| {
        let answer = servers[survivor].put("/v1/session/create", &format!("{{\"TTL\":\"{ttl}\",\"NodeChecks\":[]}}"));
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        answer["ID"].as_str().expect("an id").to_owned()
    };
    let (renewed, forgotten) = (create("3s"), create("3s"));
    assert_eq!(servers[survivor].put(&format!("/v1/kv/k?acquire={renewed}"), "x").trim(), "true");
    let killed = Instant::now();
    servers[at].kill();
    let agent = &servers[survivor];
    let is_there = |id: &str| {
        let answer = agent.request("GET", &format!("/v1/session/info/{id}"), b"")?;
        if answer.status == 200 { Ok(answer.json()[0].is_object()) } else { Err(answer.text()) }
    };
    let ended = eventually("the end of the session that nobody renews", PATIENCE, || {
        let answer = agent.request("PUT", &format!("/v1/session/renew/{renewed}"), b"")?;
        if answer.status != 200 {
            return Err(answer.text());
        }
        if is_there(&forgotten)? { Err("it is there".to_owned()) } else { Ok(killed.elapsed()) }
    });
    assert!(ended >= Duration::from_secs(3), "the new leader gives the whole TTL, not {ended:?}");
    assert!(is_there(&renewed).expect("an answer"));
    let entry = agent.get_json("/v1/kv/k?consistent");
    assert_eq!(entry[0]["Session"].as_str(), Some(&*renewed), "the lock is held on: {entry}");
    let left = agent.request("GET", &format!("/v1/session/info/{renewed}"), b"").expect("an answer");
    assert!(left.header("X-Concord-Session-TTL").is_some_and(|left| left.ends_with('s')), "{left:?}");
}

#[test]
fn a_node_that_fails_loses_its_locks() {
    let program = Program::ours();
    let server = Agent::server(&program, &["-node=n1"]);
    let join = format!("-retry-join={}", server.address());
    let mut client = Agent::start(&program, &["-node=c1", &join]);
    client.wait_for_leader();
    wait_until_registered(&server, "c1");
    let answer = client.put("/v1/session/create", "{\"LockDelay\":\"0s\"}");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let id = answer["ID"].as_str().expect("an id");
    assert_eq!(client.put(&format!("/v1/kv/k?acquire={id}"), "x").trim(), "true");
    assert_eq!(server.get_json("/v1/session/node/c1")[0]["ID"].as_str(), Some(id));
    client.kill();
    eventually("the end of the lock", PATIENCE, || {
        let entry = server.get_json("/v1/kv/k");
        if entry[0]["Session"].is_null() { Ok(()) } else { Err(entry.to_string()) }
    });
    assert_eq!(server.get_json("/v1/session/list"), serde_json::json!([]));
}

/// A session needs the node and its `serfHealth`.
fn wait_until_registered(agent: &Agent, node: &str) {
    eventually("the registration of the node", PATIENCE, || {
        let checks = agent.request("GET", &format!("/v1/health/node/{node}"), b"")?;
        if checks.text().contains("serfHealth") { Ok(()) } else { Err(checks.text()) }
    });
}
