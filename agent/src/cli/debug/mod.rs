//! `consul debug`: facts of an agent over some time, in one archive for whoever is to find out what is wrong.

mod bundle;
mod capture;

use std::time::{Duration, SystemTime};

use client::Client;
use model::{format_duration, parse_duration};
use tokio::signal::unix::{SignalKind, signal};

use self::bundle::Bundle;
use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// What can be captured, in the order in which it is named.
const TARGETS: [&str; 6] = ["metrics", "logs", "pprof", "host", "agent", "cluster"];
/// Shortest time over all.
const DURATION_MIN: Duration = Duration::from_secs(10);
/// Shortest time between two looks.
const INTERVAL_MIN: Duration = Duration::from_secs(5);
/// Time over all unless told otherwise.
const DURATION_DEFAULT: Duration = Duration::from_secs(120);
/// Time between two looks unless told otherwise.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);

/// The row.
pub const COMMAND: Command = Command {
    name: "debug",
    synopsis: "Records a debugging archive for operators",
    usage: "[options]",
    about: "Follows an agent for some time and writes what it finds into an archive: what the agent says of itself, its\n\
            host, the members of the cluster, and at every interval its metrics, figures, log and profiles. When it is\n\
            interrupted, what it has so far is written. With access control it needs a token with operator:read and\n\
            agent:read.\n\n\
            Tokens and keys are left out by the agent, but names, addresses and metadata are in there: look through the\n\
            archive before you give it away. index.json says what could not be had and why.",
    flags: &[
        Flag::new(
            "archive",
            Takes::Bool,
            "Pack everything into one file; true by default. Otherwise a folder is left.",
        ),
        Flag::new(
            "capture",
            Takes::Text("value"),
            "What to capture: metrics, logs, pprof, host, agent or cluster. May be repeated; everything by default.",
        ),
        Flag::new("duration", Takes::Text("duration"), "How long to look, at least 10s; 2m by default."),
        Flag::new("interval", Takes::Text("duration"), "Time between two looks, at least 5s; 30s by default."),
        Flag::new("output", Takes::Text("string"), "Name of the archive, without .tar.gz, or of the folder."),
    ],
    shared: Shared::Http,
    run: Run::Once(run),
};

/// The words of the command line, understood.
pub(super) struct Job {
    duration: Duration,
    interval: Duration,
    output: String,
    targets: Vec<String>,
    is_archived: bool,
}

impl Job {
    fn read(parsed: &Parsed) -> Result<Self, Failure> {
        let refused = |text: String| Failure::new(format!("==> Capture validation failed: {text}"));
        let time = |flag: &str, default: Duration, least: Duration| match parsed.text(flag) {
            None => Ok(default),
            Some(text) => {
                let time = parse_duration(text)
                    .map_err(|_| Failure::new(format!("invalid value {text:?} for flag -{flag}: parse error")))?;
                if time < least {
                    return Err(refused(format!("{flag} must be longer than {}", format_duration(least))));
                }
                Ok(time)
            }
        };
        let duration = time("duration", DURATION_DEFAULT, DURATION_MIN)?;
        let interval = time("interval", INTERVAL_DEFAULT, INTERVAL_MIN)?;
        let stamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut targets: Vec<String> = parsed.values("capture").map(str::to_owned).collect();
        if let Some(unknown) = targets.iter().find(|target| !TARGETS.contains(&target.as_str())) {
            return Err(refused(format!("target not found: {unknown}")));
        }
        if targets.is_empty() {
            targets = TARGETS.map(str::to_owned).to_vec();
        }
        let output = parsed.text("output").map_or_else(|| format!("consul-debug-{stamp}"), str::to_owned);
        let is_archived = parsed.value("archive").is_none() || parsed.is_set("archive");
        Ok(Self { duration, interval, output, targets, is_archived })
    }

    fn wants(&self, target: &str) -> bool {
        self.targets.iter().any(|wanted| wanted == target)
    }

    /// What is written in the end.
    fn product(&self) -> String {
        if self.is_archived { format!("{}.tar.gz", self.output) } else { self.output.clone() }
    }
}

fn run(parsed: &Parsed) -> Outcome {
    if !parsed.args.is_empty() {
        return Err(Failure::new(format!(
            "==> debug: Too many arguments provided, expected 0, got {}",
            parsed.args.len()
        )));
    }
    let job = Job::read(parsed)?;
    with_agent(parsed, async |client| follow(&job, &client).await)
}

async fn follow(job: &Job, client: &Client) -> Outcome {
    let facts = client.agent_self().await.map_err(|error| {
        Failure::new(format!(
            "==> Capture validation failed: error querying target agent: {error}. verify connectivity and agent address"
        ))
    })?;
    let version = facts["Config"]["Version"].as_str().unwrap_or_default().to_owned();
    let mut bundle = Bundle::create(job, &version)
        .map_err(|error| Failure::new(format!("==> Capture validation failed: {error}")))?;
    let times = [format_duration(job.interval), format_duration(job.duration)];
    println!(
        "==> Starting debugger and capturing static information...\n     Agent Version: '{version}'\n          \
         Interval: '{}'\n          Duration: '{}'\n            Output: '{}'\n           Capture: '{}'",
        times[0],
        times[1],
        job.product(),
        job.targets.join(", ")
    );
    let failed = |error: std::io::Error| Failure::new(format!("==> Error during capture: {error}"));
    let listening = |error: std::io::Error| Failure::new(format!("==> Error listening for signals: {error}"));
    let mut interrupted = signal(SignalKind::interrupt()).map_err(listening)?;
    let mut terminated = signal(SignalKind::terminate()).map_err(listening)?;
    let stopped = tokio::select! {
        captured = capture::everything(job, client, &mut bundle) => {
            captured.map_err(failed)?;
            false
        }
        _ = interrupted.recv() => true,
        _ = terminated.recv() => true,
    };
    bundle.finish().map_err(failed)?;
    let err = match stopped {
        true => "==> Error encountered during collection: stopping collection due to shutdown signal\n".to_owned(),
        false => String::new(),
    };
    Ok(Report { err, ..Report::line(format!("    Saved debug archive: {}", job.product())) })
}
