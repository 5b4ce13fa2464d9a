//! The program of a remote execution: read from JSON, started, its output in pieces.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout, timeout_at};

use crate::watch::handler::shell;

/// Largest piece of output.
const PIECE_MAX: usize = 4 * 1024;
/// Longest that a piece is waited for to fill.
const PIECE_TIME: Duration = Duration::from_millis(500);
/// After the program has ended, what it left running may hold its output for so long.
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// Shortest time between two signs of life.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// Time between two signs of life where none is asked for.
const WAIT_DEFAULT: Duration = Duration::from_secs(2);

/// What is to be run: a line for the shell, words without one, or a script.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Program {
    command: String,
    args: Vec<String>,
    /// In base64.
    script: String,
    /// Nanoseconds.
    wait: u64,
}

impl Program {
    /// Reads the value of the key.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let program: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if program.command.is_empty() && program.args.is_empty() && program.script.is_empty() {
            return Err("there is nothing to run in it".to_owned());
        }
        Ok(program)
    }

    /// For the log.
    pub(super) fn shown(&self) -> String {
        match (&self.script[..], &self.args[..]) {
            ("", []) => self.command.clone(),
            ("", args) => args.join(" "),
            _ => "a script".to_owned(),
        }
    }

    /// Time between two signs of life: half of the time after which nothing more is waited for.
    pub(super) fn wait(&self) -> Duration {
        if self.wait == 0 { WAIT_DEFAULT } else { Duration::from_nanos(self.wait / 2).max(WAIT_MIN) }
    }

    /// Starts it. A script goes into a file of its own first.
    pub(super) fn start(self) -> io::Result<Running> {
        let script = if self.script.is_empty() { None } else { Some(ScriptFile::write(&self.script)?) };
        let words = match (&script, self.args.is_empty()) {
            (Some(file), _) => shell(&file.0.display().to_string()),
            (None, true) => shell(&self.command),
            (None, false) => self.args,
        };
        let (reader, writer) = io::pipe()?;
        let output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let (program, rest) = words.split_first().ok_or_else(|| io::Error::other("no program"))?;
        // The parent's copies of the writing end are closed when the command is dropped, or the end would never come.
        let child = {
            let mut command = Command::new(program);
            command.args(rest).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
            command.spawn().map_err(|error| io::Error::other(format!("cannot start {program}: {error}")))?
        };
        Ok(Running { child, output: Some(output), pending: Vec::new(), ended: None, _script: script })
    }
}

/// A script on disk; removed when dropped.
struct ScriptFile(PathBuf);

impl ScriptFile {
    fn write(base64: &str) -> io::Result<Self> {
        let bytes = base64::engine::general_purpose::STANDARD.decode(base64).map_err(io::Error::other)?;
        let path = std::env::temp_dir().join(format!("rexec{}", uuid::Uuid::new_v4().simple()));
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o700).open(&path)?;
        let script = Self(path);
        io::Write::write_all(&mut file, &bytes)?;
        Ok(script)
    }
}

impl Drop for ScriptFile {
    fn drop(&mut self) {
        // The script may have removed itself.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What comes of a program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Both outputs, in the order in which they were written.
    Output(Vec<u8>),
    /// Its exit code; -1 where a signal ended it.
    Ended(i32),
}

/// A program that runs.
pub(super) struct Running {
    child: Child,
    output: Option<pipe::Receiver>,
    /// Output that was read and not yet given out.
    pending: Vec<u8>,
    ended: Option<io::Result<ExitStatus>>,
    _script: Option<ScriptFile>,
}

impl Running {
    /// The next piece. May be given up and called again.
    pub(super) async fn next(&mut self) -> Piece {
        let Some(output) = &mut self.output else {
            let ended = match self.ended.take() {
                Some(ended) => ended,
                None => self.child.wait().await,
            };
            let code = |status: ExitStatus| status.code().unwrap_or(if status.signal().is_some() { -1 } else { 255 });
            return Piece::Ended(ended.map_or(255, code));
        };
        if self.pending.is_empty() {
            let first = if self.ended.is_some() {
                timeout(DRAIN_TIME, output.read_buf(&mut self.pending)).await.unwrap_or(Ok(0))
            } else {
                tokio::select! {
                    biased;
                    read = output.read_buf(&mut self.pending) => read,
                    ended = self.child.wait() => {
                        self.ended = Some(ended);
                        return Box::pin(self.next()).await;
                    }
                }
            };
            if !matches!(first, Ok(1..)) {
                self.output = None;
                return Box::pin(self.next()).await;
            }
        }
        let full = Instant::now() + PIECE_TIME;
        while self.pending.len() < PIECE_MAX {
            match timeout_at(full, output.read_buf(&mut self.pending)).await {
                Ok(Ok(1..)) => {}
                // The end is read again, and told of, by the next call.
                _ => break,
            }
        }
        let rest = self.pending.split_off(self.pending.len().min(PIECE_MAX));
        Piece::Output(std::mem::replace(&mut self.pending, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(json: &str) -> (String, i32) {
        let mut running = Program::parse(json.as_bytes()).unwrap().start().unwrap();
        let mut text = Vec::new();
        loop {
            match running.next().await {
                Piece::Output(bytes) => text.extend(bytes),
                Piece::Ended(code) => return (String::from_utf8(text).unwrap(), code),
            }
        }
    }

    #[tokio::test]
    async fn lines_words_and_scripts_are_run() {
        let script = base64::engine::general_purpose::STANDARD.encode("#!/bin/sh\necho script\nexit 4\n");
        for (json, said, code) in [
            ("{\"Command\": \"echo a; echo b >&2; exit 3\"}".to_owned(), "a\nb\n".to_owned(), 3),
            ("{\"Args\": [\"echo\", \"a  b\", \"$HOME\"]}".to_owned(), "a  b $HOME\n".to_owned(), 0),
            (format!("{{\"Script\": \"{script}\"}}"), "script\n".to_owned(), 4),
            ("{\"Command\": \"kill -9 $$\"}".to_owned(), String::new(), -1),
            ("{\"Command\": \"seq 1 3000\"}".to_owned(), (1..=3000).map(|n| format!("{n}\n")).collect(), 0),
        ] {
            assert_eq!(all(&json).await, (said, code), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        assert!(Program::parse(b"{}").is_err() && Program::parse(b"x").is_err());
        let program = Program::parse(b"{\"Args\": [\"/nonexistent\"]}").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let error = program.start().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with("cannot start /nonexistent: "), "{error}");
        assert_eq!(Program::parse(b"{\"Command\": \"x\", \"Wait\": 1}").unwrap().wait(), WAIT_MIN);
    }
}
