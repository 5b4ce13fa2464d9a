//! `consul snapshot agent` with real processes: it keeps as many as it should, and one works at a time.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tests::{Agent, Program, eventually};

const PATIENCE: Duration = Duration::from_secs(60);

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then both fail, and it is gone all the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &Program, server: &Agent, folder: &Path) -> Running {
    let mut command = Command::new(program.path());
    command.args(["snapshot", "agent", "-interval=100ms", "-retain=2"]);
    command.arg(format!("-local-path={}", folder.display()));
    command.env("CONSUL_HTTP_ADDR", server.address().port(8500).to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Running(command.spawn().expect("it runs"))
}

fn snapshots(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".snap"));
    names.sort();
    names
}

#[test]
fn it_keeps_the_newest_and_one_works_at_a_time() {
    let program = Program::ours();
    let server = Agent::server(&program, &["-node=n1"]);
    eventually("the server to be in its catalog", PATIENCE, || {
        let node = server.get_json("/v1/catalog/node/n1");
        if node.is_null() { Err("not yet".to_owned()) } else { Ok(()) }
    });
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    std::fs::write(one.path().join("mine.snap"), "not theirs").expect("it is written");
    let _working = start(&program, &server, one.path());
    let own = |names: Vec<String>| names.into_iter().filter(|name| name != "mine.snap").collect::<Vec<_>>();
    let first = eventually("a snapshot", PATIENCE, || {
        own(snapshots(one.path())).first().cloned().ok_or_else(|| "none yet".to_owned())
    });
    let _waiting = start(&program, &server, other.path());
    eventually("both to contend for the lock", PATIENCE, || {
        let contenders = server.get_json("/v1/session/list");
        if contenders.as_array().map(Vec::len) == Some(2) { Ok(()) } else { Err(contenders.to_string()) }
    });
    let kept = eventually("the first to be removed", PATIENCE, || {
        let names = own(snapshots(one.path()));
        if names.len() == 2 && !names.contains(&first) { Ok(names) } else { Err(format!("{names:?}")) }
    });
    assert!(kept.iter().all(|name| *name > first), "{kept:?} are newer than {first}");
    assert!(one.path().join("mine.snap").exists(), "files of others stay");
    assert_eq!(snapshots(other.path()), Vec::<String>::new(), "the other one waits for the lock");
    let once = format!("-local-path={}", other.path().display());
    let said = server.output_of(&["snapshot", "agent", "-interval=0", &once]);
    assert!(said.starts_with("Saved and verified snapshot consul-"), "{said}");
    let saved = other.path().join(&snapshots(other.path())[0]);
    let inspected = server.output_of(&["snapshot", "inspect", &saved.to_string_lossy()]);
    assert!(inspected.contains("Session"), "{inspected}");
}
