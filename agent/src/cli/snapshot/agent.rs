//! `consul snapshot agent`: snapshots at an interval, kept in a directory or in a bucket.
//!
//! Any number may run; a lock lets one work at a time, and another takes over when that one stops or its session ends.

use std::time::{Duration, SystemTime};

use client::{Client, Contender, LockOptions, QueryOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::settings::{FLAGS, Plan, plan};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::Parsed;
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// Pause before the lock is tried again after it could not be had at all.
const LOCK_RETRY: Duration = Duration::from_secs(5);
/// How long giving up the lock may take when the agent is told to stop.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// The row.
pub const COMMAND: Command = Command {
    name: "snapshot agent",
    synopsis: "Periodically saves snapshots of Consul server state",
    usage: "[options]",
    about: "Saves a snapshot into a directory or an S3 bucket at every interval, verifies it, and removes the oldest\n\
            beyond -retain. Of all that run with the same -lock-key one works at a time. -interval=0 saves once.",
    flags: FLAGS,
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

/// Turns true when the agent is to stop.
type Stop = watch::Receiver<bool>;

fn run(parsed: &Parsed) -> Outcome {
    let plan = plan(parsed, |name| std::env::var(name).ok()).map_err(Failure::new)?;
    let options = query_options(parsed);
    with_agent(parsed, async |client| {
        let listen = |kind| signal(kind).map_err(|error| Failure::new(format!("Error listening for signals: {error}")));
        let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        if plan.interval.is_zero() {
            let name = plan.store.save(&client, &options, plan.retain).await.map_err(Failure::new)?;
            return Ok(Report::line(format!("Saved and verified snapshot {name}")));
        }
        let (tell, stop) = watch::channel(false);
        let signals = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tell.send_replace(true);
        };
        let worker = Worker { plan: &plan, client: &client, options: &options };
        tokio::join!(signals, worker.work(stop));
        Ok(Report::line("Stopped"))
    })
}

struct Worker<'a> {
    plan: &'a Plan,
    client: &'a Client,
    options: &'a QueryOptions,
}

impl Worker<'_> {
    /// Works whenever it holds the lock, until it is stopped.
    async fn work(&self, mut stop: Stop) {
        while !*stop.borrow() {
            let options = LockOptions {
                prefix: self.plan.lock.clone(),
                limit: 1,
                session_name: "Consul Snapshot Agent".to_owned(),
                monitor_retries: 3,
                monitor_pause: Duration::from_secs(1),
                datacenter: self.options.datacenter.clone(),
            };
            match self.client.contend(options).await {
                Ok(contender) => {
                    self.work_in_turn(&contender, &mut stop).await;
                    // Whoever waits need not wait for the session to expire.
                    match timeout(RELEASE_TIMEOUT, contender.release()).await {
                        Ok(Ok(())) => say("Released the lock"),
                        Ok(Err(error)) => say(&format!("Cannot release the lock: {error}")),
                        Err(_) => say("Cannot release the lock: no answer"),
                    }
                }
                Err(error) => say(&format!("Cannot begin a session: {error}")),
            }
            tokio::select! {
                () = sleep(LOCK_RETRY) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
    }

    async fn work_in_turn(&self, contender: &Contender, stop: &mut Stop) {
        say("Waiting to obtain leadership...");
        let acquired = tokio::select! {
            acquired = contender.acquire() => acquired,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if let Err(error) = acquired {
            say(&format!("Cannot get the lock: {error}"));
            return;
        }
        say("Obtained leadership");
        tokio::select! {
            () = self.save_at_intervals() => {}
            () = contender.lost() => say("Lost leadership, stopped taking snapshots"),
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn save_at_intervals(&self) {
        let mut ticks = interval(self.plan.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.plan.store.save(self.client, self.options, self.plan.retain).await {
                Ok(name) => say(&format!("Saved and verified snapshot {name}")),
                Err(error) => say(&format!("Snapshot failed: {error}")),
            }
        }
    }
}

/// One line of what happens, with its time.
fn say(text: &str) {
    use std::io::Write as _;
    let time = humantime::format_rfc3339_seconds(SystemTime::now());
    // Where nobody listens it need not be said.
    let _ = writeln!(std::io::stdout(), "{time} {text}");
}
