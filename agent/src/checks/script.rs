//! Script checks: exit code 0 passes, 1 warns, all others are critical; the output is what the program printed.
//!
//! The program runs in a process group of its own, which is killed as a whole when the time is over or the check ends.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use model::{Status, format_duration};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::Outcome;
use super::net::reason;
use super::output::Tail;
use crate::local::limits::SCRIPT_LINGER;

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

/// What a program that ended in time left.
pub struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The end of what it printed.
    pub output: Tail,
}

/// Runs the program once.
pub async fn run(args: &[String], timeout: Duration, limit: usize) -> Outcome {
    match execute(args, timeout, limit).await {
        Ok(ended) => Outcome { status: status_of(ended.code), output: ended.output.into_noted_text() },
        Err(output) => Outcome { status: Status::Critical, output },
    }
}

/// The status that an exit code stands for.
#[must_use]
pub fn status_of(code: Option<i32>) -> Status {
    match code {
        Some(0) => Status::Passing,
        Some(1) => Status::Warning,
        _ => Status::Critical,
    }
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started or does not end in time; the text is what the check shows.
pub async fn execute(args: &[String], timeout: Duration, limit: usize) -> Result<Ended, String> {
    let name = args.first().map_or("", String::as_str);
    let failed = |error: io::Error| format!("fork/exec {name}: {}", reason(&error));
    let (mut child, mut printed) = start(args).map_err(failed)?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let mut output = Tail::new(limit);
    let finished = tokio::time::timeout(timeout, attend(&mut child, &mut printed, &mut output)).await;
    let Ok(ended) = finished else {
        group.kill();
        // Reaped by the runtime; the kill has ended it.
        let _ = child.wait().await;
        return Err(format!("Timed out ({}) running check", format_duration(timeout)));
    };
    // What the program left running on purpose is none of our business; and its group's number may be another's by now.
    group.0 = None;
    Ok(Ended { code: ended.map_err(failed)?.code(), output })
}

fn start(args: &[String]) -> io::Result<(Child, pipe::Receiver)> {
    let (program, rest) =
        args.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is given"))?;
    let (reader, writer) = io::pipe()?;
    let printed = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    command.stdout(writer.try_clone()?).stderr(writer);
    // The command holds the writing ends, without which there is no end of the output; it is dropped here.
    Ok((command.spawn()?, printed))
}

/// Reads until the program has ended and its output too. A process that it left behind may hold the output open: then
/// the program's own end counts, after a moment.
async fn attend(child: &mut Child, printed: &mut pipe::Receiver, output: &mut Tail) -> io::Result<ExitStatus> {
    let ended = tokio::select! {
        biased;
        all = drain(printed, output) => {
            all?;
            return child.wait().await;
        }
        ended = child.wait() => ended?,
    };
    if let Ok(all) = tokio::time::timeout(SCRIPT_LINGER, drain(printed, output)).await {
        all?;
    }
    Ok(ended)
}

async fn drain(printed: &mut pipe::Receiver, output: &mut Tail) -> io::Result<()> {
    // On the heap, so that waiting checks do not carry it about.
    let mut buffer = vec![0; 4096];
    loop {
        match printed.read(&mut buffer).await? {
            0 => return Ok(()),
            read => output.push(&buffer[..read]),
        }
    }
}
