//! `consul lock`: runs a program while a lock or a place in a semaphore is held.
//!
//! The program is told by SIGTERM when the lock is lost or this command is to stop, and killed when it does not end soon.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use client::{Client, Contender, LockError, LockOptions, os_error_text};
use model::parse_nanos;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command as Program};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::cli::connect::with_agent;
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// How long the program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Pause between looks at a lock after an error.
const MONITOR_PAUSE: Duration = Duration::from_secs(1);

/// Exit code for a failed program, with `-child-exit-code`.
const EXIT_CHILD_FAILED: u8 = 2;

/// The row.
pub const COMMAND: Command = Command {
    name: "lock",
    synopsis: "Execute a command holding a lock",
    usage: "[options] PREFIX CHILD...",
    about: "Waits for the lock PREFIX/.lock (with -n, for a place in the semaphore below PREFIX), then runs CHILD and\n\
            releases the lock when it ends. When the lock is lost meanwhile, or this command is told to stop, CHILD gets\n\
            SIGTERM and five seconds to end. CHILD finds CONSUL_LOCK_HELD=true in its environment.",
    flags: &[
        Flag::new(
            "child-exit-code",
            Takes::Bool,
            "Exit with 2 when CHILD fails; otherwise its failure is not passed on.",
        ),
        Flag::new("monitor-retry", Takes::Uint, "How often a failed look at the held lock is repeated, by default 3."),
        Flag::new("n", Takes::Int, "How many may hold it at a time, by default 1."),
        Flag::new("name", Takes::Text("string"), "Name of the session; by default one made of PREFIX and CHILD."),
        Flag::new("pass-stdin", Takes::Bool, "Pass the standard input to CHILD."),
        Flag::new("shell", Takes::Bool, "Run CHILD in a shell (SHELL, or /bin/sh); true by default."),
        Flag::new(
            "timeout",
            Takes::Text("duration"),
            "How long to wait for the lock, such as 10s; by default for ever.",
        ),
        Flag::new("try", Takes::Text("duration"), "The same as -timeout, by its old name."),
        Flag::new("verbose", Takes::Bool, "Tell what happens."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

/// The words of the command line, understood.
struct Job {
    options: LockOptions,
    child: Vec<String>,
    timeout: Option<Duration>,
    is_shell: bool,
    passes_stdin: bool,
    tells_exit: bool,
    is_verbose: bool,
}

/// Why waiting ended.
enum Ended {
    Child(std::io::Result<ExitStatus>),
    Lost,
    Stop,
}

fn run(parsed: &Parsed) -> Outcome {
    let job = Job::read(parsed)?;
    with_agent(parsed, async |client| job.run(&client).await)
}

impl Job {
    fn read(parsed: &Parsed) -> Result<Self, Failure> {
        let (prefix, child) = match parsed.args.split_first() {
            Some((prefix, child)) if !child.is_empty() => (prefix, child.to_vec()),
            _ => return Err(Failure::new("Key prefix and child command must be specified")),
        };
        let limit = parsed.value("n").map_or(Ok(1), str::parse::<i64>).ok().and_then(|n| u64::try_from(n).ok());
        let Some(limit) = limit.filter(|limit| *limit > 0) else {
            return Err(Failure::new("Lock holder limit must be positive"));
        };
        let timeout = match parsed.text("timeout").or_else(|| parsed.text("try")) {
            Some(text) => Some(timeout(text)?),
            None => None,
        };
        let name = parsed
            .text("name")
            .map_or_else(|| format!("Consul lock for '{}' at '{prefix}'", child.join(" ")), str::to_owned);
        let retries = parsed.uint("monitor-retry").map_or(3, |retries| u32::try_from(retries).unwrap_or(u32::MAX));
        Ok(Self {
            options: LockOptions {
                prefix: prefix.trim_matches('/').to_owned(),
                limit,
                session_name: name,
                monitor_retries: retries,
                monitor_pause: MONITOR_PAUSE,
                datacenter: parsed.value("datacenter").unwrap_or_default().to_owned(),
            },
            child,
            timeout,
            is_shell: parsed.value("shell").is_none() || parsed.is_set("shell"),
            passes_stdin: parsed.is_set("pass-stdin"),
            tells_exit: parsed.is_set("child-exit-code"),
            is_verbose: parsed.is_set("verbose"),
        })
    }

    fn tell(&self, text: &str) {
        if self.is_verbose {
            println!("{text}");
        }
    }

    async fn run(&self, client: &Client) -> Outcome {
        let mut signals =
            Signals::listen().map_err(|error| Failure::new(format!("Error listening for signals: {error}")))?;
        client.agent_self().await.map_err(|error| Failure::new(format!("Error querying Consul agent: {error}")))?;
        let (prefix, limit) = (&self.options.prefix, self.options.limit);
        match limit {
            1 => self.tell(&format!("Setting up lock at path: {prefix}/.lock")),
            _ => self.tell(&format!("Setting up semaphore (limit {limit}) at prefix: {prefix}")),
        }
        self.tell("Attempting lock acquisition");
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("Lock acquisition failed: {error}"));
        let contender = client.contend(self.options.clone()).await.map_err(|error| failed(&error))?;
        let acquired = tokio::select! {
            acquired = contender.acquire() => Some(acquired),
            () = expired(self.timeout) => None,
            () = signals.told_to_stop() => None,
        };
        let outcome = match acquired {
            Some(Ok(())) => self.hold(&contender, &mut signals).await,
            Some(Err(error)) => Err(failed(&error)),
            None => Err(Failure::new("Shutdown triggered or timeout during lock acquisition")),
        };
        if let Err(error) = contender.release().await {
            return outcome.and(Err(Failure::new(format!("Lock release failed: {error}"))));
        }
        if outcome.is_ok() {
            match contender.clean_up().await {
                Ok(()) => self.tell("Cleanup succeeded"),
                Err(LockError::InUse) => self.tell("Cleanup aborted, lock in use"),
                Err(error) => return Err(Failure::new(format!("Lock cleanup failed: {error}"))),
            }
        }
        outcome
    }

    /// Runs the child while the lock is held.
    async fn hold(&self, contender: &Contender, signals: &mut Signals) -> Outcome {
        self.tell("Starting handler");
        let mut child = match self.program().spawn() {
            Ok(child) => child,
            Err(error) => {
                let name = if self.is_shell { shell() } else { self.child[0].clone() };
                let text = format!("Error starting handler: {name}: {}\n", os_error_text(&error));
                return Ok(self.child_failed(text));
            }
        };
        let pid = child.id();
        let ended = tokio::select! {
            status = child.wait() => Ended::Child(status),
            () = contender.lost() => Ended::Lost,
            () = signals.forward_until_stop(pid) => Ended::Stop,
        };
        let status = match ended {
            Ended::Child(status) => status,
            Ended::Lost => {
                self.tell("Lock lost, killing child");
                end(&mut child).await
            }
            Ended::Stop => {
                self.tell("Shutdown triggered, killing child");
                end(&mut child).await
            }
        };
        self.tell("Child terminated, releasing lock");
        match status {
            Ok(status) if status.success() => Ok(Report::silent()),
            Ok(status) => Ok(self.child_failed(format!("Error running handler: {}\n", describe(status)))),
            Err(error) => Ok(self.child_failed(format!("Error running handler: {error}\n"))),
        }
    }

    fn child_failed(&self, err: String) -> Report {
        Report { err, code: if self.tells_exit { EXIT_CHILD_FAILED } else { 0 }, ..Report::default() }
    }

    fn program(&self) -> Program {
        let mut program = if self.is_shell {
            let mut program = Program::new(shell());
            program.arg("-c").arg(self.child.join(" "));
            program
        } else {
            let mut program = Program::new(&self.child[0]);
            program.args(&self.child[1..]);
            program
        };
        program.env("CONSUL_LOCK_HELD", "true").kill_on_drop(true);
        if !self.passes_stdin {
            program.stdin(Stdio::null());
        }
        program
    }
}

fn shell() -> String {
    std::env::var("SHELL").ok().filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".to_owned())
}

fn timeout(text: &str) -> Result<Duration, Failure> {
    let nanos = parse_nanos(text)
        .map_err(|_| Failure::new(format!("invalid value {text:?} for flag -timeout: parse error")))?;
    let nanos = u64::try_from(nanos).map_err(|_| Failure::new("Timeout must be positive"))?;
    // Zero is the default, which waits for ever.
    Ok(if nanos == 0 { Duration::MAX } else { Duration::from_nanos(nanos) })
}

async fn expired(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// Ends the child in good order, or after a while in any order.
async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    send(child.id(), Signal::SIGTERM);
    tokio::select! {
        status = child.wait() => status,
        () = sleep(GRACE) => {
            child.kill().await?;
            child.wait().await
        }
    }
}

/// Sends a signal to the child, unless it has ended and was waited for.
fn send(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended in this very moment, which is fine.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("signal: {signal}"),
            Err(_) => format!("signal: {number}"),
        },
        (None, None) => status.to_string(),
    }
}

/// Signals to this command, in the order in which they came.
struct Signals(mpsc::UnboundedReceiver<Signal>);

impl Signals {
    fn listen() -> std::io::Result<Self> {
        const ALL: [Signal; 7] = [
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGTERM,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGWINCH,
        ];
        let (sender, receiver) = mpsc::unbounded_channel();
        for kind in ALL {
            let mut stream = signal(SignalKind::from_raw(kind as i32))?;
            let sender = sender.clone();
            tokio::spawn(async move { while stream.recv().await.is_some() && sender.send(kind).is_ok() {} });
        }
        Ok(Self(receiver))
    }

    /// Waits for a signal that means the end; others say nothing as long as there is no child.
    async fn told_to_stop(&mut self) {
        self.forward_until_stop(None).await;
    }

    /// Passes signals on to the child until one means the end.
    async fn forward_until_stop(&mut self, pid: Option<u32>) {
        while let Some(came) = self.0.recv().await {
            send(pid, came);
            if matches!(came, Signal::SIGINT | Signal::SIGTERM) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}
