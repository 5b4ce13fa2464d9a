//! Script checks: exit code 0 passes, 1 warns, all others are critical; the output is what the program printed.
//!
//! The program runs in a process group of its own, which is killed as a whole when the time is over or the check ends.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use model::{Status, format_duration};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::Command;

use super::Outcome;
use super::output::Tail;

/// Kills the process group when it goes out of scope.
struct Group(Option<Pid>);

impl Group {
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // Nothing to kill when all processes have ended already.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs the program once.
pub async fn run(args: &[String], timeout: Duration, limit: usize) -> Outcome {
    match execute(args, timeout, limit).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome {
            status: Status::Critical,
            output: format!("cannot run {:?}: {error}", args.first().map_or("", String::as_str)),
        },
    }
}

async fn execute(args: &[String], timeout: Duration, limit: usize) -> io::Result<Outcome> {
    let (program, rest) =
        args.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is given"))?;
    let (reader, writer) = io::pipe()?;
    let mut output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the writing ends, without which there is no end of the output.
    drop(command);
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let mut tail = Tail::new(limit);
    let finished = tokio::time::timeout(timeout, async {
        let mut buffer = [0; 4096];
        loop {
            match output.read(&mut buffer).await? {
                0 => break,
                read => tail.push(&buffer[..read]),
            }
        }
        child.wait().await
    })
    .await;
    let Ok(ended) = finished else {
        group.kill();
        // Reaped by the runtime; the kill has ended it.
        let _ = child.wait().await;
        let output = format!("Timed out ({}) running check", format_duration(timeout));
        return Ok(Outcome { status: Status::Critical, output });
    };
    // What the program left running on purpose is none of our business; and its group's number may be another's by now.
    group.0 = None;
    let status = match ended?.code() {
        Some(0) => Status::Passing,
        Some(1) => Status::Warning,
        _ => Status::Critical,
    };
    Ok(Outcome { status, output: tail.into_noted_text() })
}
