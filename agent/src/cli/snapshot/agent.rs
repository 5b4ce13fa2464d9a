//! `consul snapshot agent`: snapshots at an interval, kept in a directory.
//!
//! Any number may run; a lock lets one work at a time, and another takes over when the session of that one ends.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use client::{Client, Contender, LockOptions, QueryOptions};
use model::parse_duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::save::save;
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

const INTERVAL_DEFAULT: Duration = Duration::from_secs(3600);
const RETAIN_DEFAULT: u64 = 30;
const LOCK_DEFAULT: &str = "consul-snapshot/lock";
/// Pause before the lock is tried again after it could not be had at all.
const LOCK_RETRY: Duration = Duration::from_secs(5);
/// Names of our files: this, a time in milliseconds that sorts as text, and the ending.
const PREFIX: &str = "consul-";
const SUFFIX: &str = ".snap";

/// The row.
pub const COMMAND: Command = Command {
    name: "snapshot agent",
    synopsis: "Periodically saves snapshots of Consul server state",
    usage: "[options]",
    about: "Saves a snapshot into a directory at every interval, verifies it, and removes the oldest beyond -retain.\n\
            Of all that run with the same -lock-key one works at a time. -interval=0 saves once.",
    flags: &[
        Flag::new("interval", Takes::Text("1h"), "Time between snapshots; 0 saves one and ends."),
        Flag::new("local-path", Takes::Text("path"), "Directory to keep snapshots in."),
        Flag::new("lock-key", Takes::Text("string"), "Prefix of the lock; consul-snapshot/lock by default."),
        Flag::new("retain", Takes::Uint, "Snapshots kept; 30 by default, 0 keeps all."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

struct Plan {
    folder: PathBuf,
    interval: Duration,
    retain: usize,
    lock: String,
    options: QueryOptions,
}

fn run(parsed: &Parsed) -> Outcome {
    let plan = plan(parsed).map_err(Failure::new)?;
    with_agent(parsed, async |client| {
        let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("Error listening for signals: {error}")));
        let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        if plan.interval.is_zero() {
            let name = plan.save(&client).await.map_err(Failure::new)?;
            return Ok(Report::line(format!("Saved and verified snapshot {name}")));
        }
        tokio::select! {
            () = plan.work(&client) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(Report::line("Stopped"))
    })
}

fn plan(parsed: &Parsed) -> Result<Plan, String> {
    let interval = match parsed.text("interval") {
        None => INTERVAL_DEFAULT,
        Some("0") => Duration::ZERO,
        Some(text) => parse_duration(text).map_err(|error| format!("Invalid -interval: {error}"))?,
    };
    let folder = parsed.text("local-path").ok_or("Give -local-path: where are snapshots to be kept?")?;
    Ok(Plan {
        folder: PathBuf::from(folder),
        interval,
        retain: usize::try_from(parsed.uint("retain").unwrap_or(RETAIN_DEFAULT)).unwrap_or(usize::MAX),
        lock: parsed.text("lock-key").unwrap_or(LOCK_DEFAULT).trim_matches('/').to_owned(),
        options: query_options(parsed),
    })
}

impl Plan {
    /// Works whenever it holds the lock, for ever.
    async fn work(&self, client: &Client) {
        loop {
            let options = LockOptions {
                prefix: self.lock.clone(),
                limit: 1,
                session_name: "Consul Snapshot Agent".to_owned(),
                monitor_retries: 3,
                monitor_pause: Duration::from_secs(1),
                datacenter: self.options.datacenter.clone(),
            };
            match client.contend(options).await {
                Ok(contender) => self.work_in_turn(client, &contender).await,
                Err(error) => say(&format!("Cannot begin a session: {error}")),
            }
            tokio::time::sleep(LOCK_RETRY).await;
        }
    }

    async fn work_in_turn(&self, client: &Client, contender: &Contender) {
        say("Waiting to obtain leadership...");
        if let Err(error) = contender.acquire().await {
            say(&format!("Cannot get the lock: {error}"));
            return;
        }
        say("Obtained leadership");
        let mut ticks = interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let saving = async {
            loop {
                ticks.tick().await;
                match self.save(client).await {
                    Ok(name) => say(&format!("Saved and verified snapshot {name}")),
                    Err(error) => say(&error),
                }
            }
        };
        tokio::select! {
            () = saving => {}
            () = contender.lost() => say("Lost leadership, stopped taking snapshots"),
        }
    }

    /// Saves one snapshot and removes what is too old; returns its name.
    async fn save(&self, client: &Client) -> Result<String, String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("{PREFIX}{:015}{SUFFIX}", now.as_millis());
        save(client, &self.options, &self.folder.join(&name)).await?;
        for old in self.too_old(list(&self.folder)?) {
            std::fs::remove_file(self.folder.join(&old)).map_err(|error| format!("Cannot remove {old}: {error}"))?;
        }
        Ok(name)
    }

    /// Of the names, those of our snapshots that are beyond what is kept.
    fn too_old(&self, names: Vec<String>) -> Vec<String> {
        let mut ours: Vec<String> = names.into_iter().filter(|name| is_ours(name)).collect();
        ours.sort_unstable();
        let kept = if self.retain == 0 { ours.len() } else { self.retain.min(ours.len()) };
        ours.truncate(ours.len() - kept);
        ours
    }
}

fn is_ours(name: &str) -> bool {
    let time = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    time.is_some_and(|time| time.len() == 15 && time.bytes().all(|byte| byte.is_ascii_digit()))
}

fn list(folder: &Path) -> Result<Vec<String>, String> {
    let failed = |error: std::io::Error| format!("Cannot list {}: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned())).collect()
}

/// One line of what happens, with its time.
fn say(text: &str) {
    use std::io::Write as _;
    let time = humantime::format_rfc3339_seconds(SystemTime::now());
    // Where nobody listens it need not be said.
    let _ = writeln!(std::io::stdout(), "{time} {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(flags: &[(&'static str, &str)]) -> Parsed {
        Parsed { flags: flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), args: Vec::new() }
    }

    #[test]
    fn the_oldest_of_ours_go() {
        let plan = plan(&parsed(&[("local-path", "/x"), ("retain", "2")])).unwrap();
        let name = |number: u64| format!("consul-{number:015}.snap");
        let names = vec![name(3), "mine.snap".to_owned(), name(1), "consul-1.snap".to_owned(), name(2)];
        assert_eq!(plan.too_old(names), [name(1)]);
        assert_eq!(plan.interval, INTERVAL_DEFAULT);
    }

    #[test]
    fn what_is_missing_is_named() {
        let refusal = |flags| plan(&parsed(flags)).err().expect("it is refused");
        assert!(refusal(&[]).contains("-local-path"));
        assert!(refusal(&[("interval", "x"), ("local-path", "/x")]).contains("-interval"));
    }
}
