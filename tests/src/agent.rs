//! A running `consul agent` of either program.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{LoopbackAddress, Program, eventually, http};

/// Longest that starting, electing or stopping may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A `consul agent`; killed when dropped. Its data directory and log live as long as this value.
pub struct Agent {
    child: Child,
    program: Program,
    address: LoopbackAddress,
    arguments: Vec<String>,
    folder: tempfile::TempDir,
}

/// How an agent ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Everything it logged.
    pub log: String,
}

impl Agent {
    /// Starts `consul agent` with `-data-dir`, `-bind` and `-client` on a free loopback address, plus `arguments`.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start(program: &Program, arguments: &[&str]) -> Self {
        Self::start_at(program, LoopbackAddress::free(), arguments)
    }

    /// As [`Agent::start`], on a given address.
    ///
    /// # Panics
    /// When the program cannot be started.
    #[must_use]
    pub fn start_at(program: &Program, address: LoopbackAddress, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = spawn(program, address, &arguments, folder.path());
        Self { child, program: program.clone(), address, arguments, folder }
    }

    /// A single server that elects itself, once it leads.
    ///
    /// # Panics
    /// When it does not lead in time.
    #[must_use]
    pub fn server(program: &Program, arguments: &[&str]) -> Self {
        let mut all = vec!["-server", "-bootstrap-expect=1"];
        all.extend(arguments);
        let agent = Self::start(program, &all);
        agent.wait_for_leader();
        agent
    }

    /// Starts the same agent again on its data directory, after it ended or was killed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn restart(&mut self) {
        self.restart_at(self.address);
    }

    /// As [`Agent::restart`], at another address.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn restart_at(&mut self, address: LoopbackAddress) {
        self.kill();
        self.address = address;
        self.child = spawn(&self.program, address, &self.arguments, self.folder.path());
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> LoopbackAddress {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Everything it has logged so far, over all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(self.folder.path().join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Sends a request to its HTTP API.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<http::Response, String> {
        http::request(self.address.port(8500), method, path, &[], body)
    }

    /// `GET` that must answer 200, as JSON.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn get_json(&self, path: &str) -> serde_json::Value {
        let response = self.request("GET", path, b"").unwrap_or_else(|error| panic!("GET {path}: {error}"));
        assert_eq!(response.status, 200, "GET {path}: {}", response.text());
        response.json()
    }

    /// `PUT` that must answer 200; the body of the answer.
    ///
    /// # Panics
    /// When it does not.
    pub fn put(&self, path: &str, body: &str) -> String {
        let response = self.request("PUT", path, body.as_bytes()).unwrap_or_else(|error| panic!("PUT {path}: {error}"));
        assert_eq!(response.status, 200, "PUT {path}: {}", response.text());
        response.text()
    }

    /// Waits until the agent answers and knows a leader; the leader's RPC address.
    ///
    /// # Panics
    /// When that takes too long; the message has the end of the log.
    pub fn wait_for_leader(&self) -> String {
        eventually("a leader", PATIENCE, || {
            let response = self.request("GET", "/v1/status/leader", b"").map_err(|error| self.with_log(&error))?;
            let leader = response.text().trim().trim_matches('"').to_owned();
            if response.status == 200 && leader.contains(':') { Ok(leader) } else { Err(self.with_log(&leader)) }
        })
    }

    fn with_log(&self, reason: &str) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!("{reason}\nend of the log:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"))
    }

    /// Runs a command of the same program against this agent (`CONSUL_HTTP_ADDR` is set).
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Output {
        Command::new(self.program.path())
            .args(arguments)
            .env("CONSUL_HTTP_ADDR", self.address.port(8500).to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("cannot run {arguments:?}: {error}"))
    }

    /// Runs a command that must succeed; its standard output.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn output_of(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?} ended with {}: {out}{error}", output.status);
        out.into_owned()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("process ids fit"));
        kill(pid, signal).unwrap_or_else(|error| panic!("signal {signal} to {pid}: {error}"));
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself; then both fail, and it is gone all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn wait_until_ended(&mut self) -> Ended {
        let status = eventually("the end of the agent", PATIENCE, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err(self.with_log("still running")),
            Err(error) => Err(error.to_string()),
        });
        Ended { status, log: self.log() }
    }

    /// SIGTERM, and waits until it has ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn terminate(&mut self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.wait_until_ended()
    }
}

impl Drop for Agent {
    /// Stops it; when its test has failed, shows the end of its log first.
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            eprintln!("the end of the log of {}:\n{}", self.address, end.join("\n"));
        }
    }
}

/// Lines of its log that an agent of a failed test shows.
const SHOWN_LINES: usize = 40;

fn spawn(program: &Program, address: LoopbackAddress, arguments: &[String], folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    Command::new(program.path())
        .arg("agent")
        .arg(format!("-data-dir={}", folder.join("data").display()))
        .arg(format!("-bind={address}"))
        .arg(format!("-client={address}"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.path().display()))
}
