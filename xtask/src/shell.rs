//! Running other programs: one place that turns "it exited with 1" into an error that names the
//! command and shows what it printed. It is not a shell: arguments are never split or expanded.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

/// How much of a failed program's output an error repeats, in bytes, counted from its end.
const OUTPUT_SHOWN_BYTES_MAX: usize = 4000;

/// Makes a command from a program and its arguments.
pub fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs a command quietly and returns what it printed on standard output.
///
/// Errors when it cannot be started or exits with another status than 0; the error holds its output.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", name(command)))?;
    checked(command, &output)
}

/// Like [`run`], with text given to the command on standard input.
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    checked(command, &output)
}

/// Starts a command that outlives this program, with its output in `log`; returns its process id.
///
/// The process leads its own group, so a Ctrl-C meant for us does not reach it.
pub fn spawn_detached(command: &mut Command, log: &Path) -> Result<u32> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    Ok(child.id())
}

fn checked(command: &Command, output: &Output) -> Result<String> {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let printed = format!("{stdout}{stderr}");
    let mut start = printed.len().saturating_sub(OUTPUT_SHOWN_BYTES_MAX);
    while !printed.is_char_boundary(start) {
        start += 1;
    }
    bail!("{} failed: {}\n{}", name(command), output.status, printed[start..].trim_end())
}

fn name(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
