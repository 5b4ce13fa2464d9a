//! `consul snapshot agent` with a store that speaks S3 and checks every signature: snapshots come, the oldest go, what is
//! wrong is said, and a snapshot that was fetched back is one.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{Agent, LoopbackAddress, Program, eventually, http};

use super::{PATIENCE, Running, programs, text_of};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "a secret/with+signs=";

/// A gateway over a folder; its buckets are folders there.
struct Gateway {
    _running: Running,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let objects = folder.path().join("objects");
        fs::create_dir_all(objects.join("backups")).expect("a bucket");
        let address = LoopbackAddress::free().port(8500);
        let mut command = Command::new(programs().join("versitygw"));
        command.args([&format!("--port={address}"), &format!("--access={KEY}"), &format!("--secret={SECRET}")]);
        command.args(["--region=eu-west-1", "--quiet", "posix", "--sidecar"]);
        let beside = folder.path().join("sidecar");
        fs::create_dir_all(&beside).expect("a folder");
        command.arg(&beside).arg(&objects);
        let running = Running::start(&mut command, &folder.path().join("log"));
        let log = folder.path().join("log");
        eventually("the store", PATIENCE, || {
            http::request(address, "GET", "/", &[], b"").map(drop).map_err(|error| error + &text_of(&log))
        });
        Self { _running: running, address, folder }
    }

    fn bucket(&self) -> PathBuf {
        self.folder.path().join("objects/backups")
    }

    /// A command that knows this store; the secret comes from the environment.
    fn command(&self, server: &Agent, secret: &str) -> Command {
        let mut command = Command::new(Program::ours().path());
        command.args(["snapshot", "agent", "-aws-s3-bucket=backups", "-aws-s3-region=eu-west-1", "-retain=2"]);
        command.arg(format!("-aws-s3-endpoint=http://{}", self.address));
        command.env("CONSUL_HTTP_ADDR", server.address().port(8500).to_string());
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", secret);
        command.stdin(Stdio::null());
        command
    }
}

fn snapshots(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.retain(|name| name.ends_with(".snap"));
    names.sort();
    names
}

fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("it runs");
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn stop(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("process ids fit"));
    kill(pid, Signal::SIGTERM).expect("it runs");
}

#[test]
fn snapshots_go_to_a_bucket_and_the_oldest_go() {
    let gateway = Gateway::start();
    let server = Agent::server(&Program::ours(), &["-node=n1"]);
    eventually("the server to be in its catalog", PATIENCE, || {
        let node = server.get_json("/v1/catalog/node/n1");
        if node.is_null() { Err("not yet".to_owned()) } else { Ok(()) }
    });
    server.put("/v1/kv/kept", "in the bucket");
    let scratch = tempfile::tempdir().expect("a folder");
    let own = gateway.bucket().join("my snapshots/x+y");
    let prefix = "-aws-s3-key-prefix=my snapshots/x+y";
    let scratch_flag = format!("-local-scratch-path={}", scratch.path().display());

    let (is_ok, text) = said(gateway.command(&server, SECRET).args(["-interval=0", prefix, &scratch_flag]));
    assert!(is_ok && text.contains("Saved and verified snapshot s3://backups/my snapshots/x+y/consul-"), "{text}");
    fs::write(own.join("mine.snap"), "not theirs").expect("it is written");

    let log = scratch.path().join("log");
    let mut command = gateway.command(&server, SECRET);
    let mut running = Running::start(command.args(["-interval=200ms", prefix, &scratch_flag]), &log);
    let first = snapshots(&own)[0].clone();
    let kept = eventually("the first to be removed", PATIENCE, || {
        let names: Vec<String> = snapshots(&own).into_iter().filter(|name| name != "mine.snap").collect();
        if names.len() == 2 && !names.contains(&first) {
            Ok(names)
        } else {
            Err(format!("{names:?} {}", text_of(&log)))
        }
    });
    assert!(own.join("mine.snap").exists(), "objects of others stay");
    stop(&running.0);
    assert!(running.0.wait().expect("it ends").success(), "{}", text_of(&log));
    assert!(text_of(&log).contains("Released the lock"), "{}", text_of(&log));
    assert_eq!(server.get_json("/v1/session/list").as_array().map(Vec::len), Some(0), "its session has ended");
    assert!(server.get_json("/v1/kv/consul-snapshot/lock/.lock")[0].get("Session").is_none(), "the lock is free");

    server.put("/v1/kv/kept", "changed since");
    let newest = snapshots(&own).into_iter().rfind(|name| name != "mine.snap").expect("one is kept");
    assert!(newest >= kept[1]);
    assert_eq!(server.output_of(&["snapshot", "restore", &own.join(newest).to_string_lossy()]), "Restored snapshot\n");
    assert_eq!(server.request("GET", "/v1/kv/kept?raw", b"").expect("an answer").text(), "in the bucket");
}

#[test]
fn what_the_store_refuses_is_said() {
    let gateway = Gateway::start();
    let server = Agent::server(&Program::ours(), &["-node=n1"]);
    let refused = |secret: &str, more: &[&str]| {
        let (is_ok, text) = said(gateway.command(&server, secret).arg("-interval=0").args(more));
        assert!(!is_ok, "{text}");
        text
    };
    let wrong = refused("another secret", &[]);
    assert!(wrong.contains("403") && wrong.contains("SignatureDoesNotMatch"), "{wrong}");
    let missing = refused(SECRET, &["-aws-s3-bucket=none"]);
    assert!(missing.contains("404") && missing.contains("NoSuchBucket"), "{missing}");
    let region = refused(SECRET, &["-aws-s3-region=us-east-1"]);
    assert!(region.contains("400") || region.contains("403"), "{region}");
    let gone = refused(SECRET, &["-aws-s3-endpoint=http://127.0.0.1:1"]);
    assert!(gone.contains("connection refused") && gone.contains("4 tries"), "{gone}");
}
