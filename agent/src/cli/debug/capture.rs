//! What goes into a debug archive: facts that do not change once, those that do at every interval.

use std::io;
use std::time::{Duration, SystemTime};

use client::{Client, SaveError};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Job;
use super::bundle::Bundle;

/// Most of the log that is kept of one interval, bytes; what comes after is left out.
const LOG_BYTES_MAX: usize = 64 << 20;
/// Profiles that the runtime of Consul offers where `enable_debug` is on, with their files. Concord offers none.
const PROFILES: [(&str, &str); 2] =
    [("/debug/pprof/heap?debug=0", "heap.prof"), ("/debug/pprof/goroutine?debug=0", "goroutine.prof")];

/// Captures everything that the job wants, until its time is over.
pub(super) async fn everything(job: &Job, client: &Client, bundle: &mut Bundle) -> io::Result<()> {
    for (target, path, file) in [
        ("host", "/v1/agent/host", "host.json"),
        ("agent", "/v1/agent/self", "agent.json"),
        ("cluster", "/v1/agent/members?wan=1", "cluster.json"),
    ] {
        if job.wants(target) {
            fetch(client, bundle, path, file).await?;
        }
    }
    if !["metrics", "logs", "pprof"].iter().any(|target| job.wants(target)) {
        return Ok(());
    }
    let end = Instant::now() + job.duration;
    let mut number = 0;
    while Instant::now() < end {
        let now = SystemTime::now();
        println!("==> Beginning capture interval {} ({number})", humantime::format_rfc3339_seconds(now));
        let until = (Instant::now() + job.interval).min(end);
        interval(job, client, bundle, (now, until)).await?;
        sleep_until(until).await;
        number += 1;
    }
    Ok(())
}

/// One interval: what is now, and the log until its end.
async fn interval(
    job: &Job,
    client: &Client,
    bundle: &mut Bundle,
    (now, until): (SystemTime, Instant),
) -> io::Result<()> {
    let folder = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
    if job.wants("metrics") {
        fetch(client, bundle, "/v1/agent/metrics", &format!("{folder}/metrics.json")).await?;
    }
    if job.wants("pprof") {
        profiles(client, bundle, &folder).await?;
    }
    if job.wants("logs") {
        let log = log(client, until).await;
        match log {
            Ok(log) => bundle.add(&format!("{folder}/consul.log"), &log)?,
            Err(error) => bundle.miss("consul.log", &error),
        }
    }
    Ok(())
}

/// Profiles where the agent has them. Its figures of tasks and memory are there in any case: of an agent that has no
/// profiles they say where to look.
async fn profiles(client: &Client, bundle: &mut Bundle, folder: &str) -> io::Result<()> {
    for (path, file) in PROFILES {
        match client.fetch(path).await {
            Ok(bytes) => bundle.add(&format!("{folder}/{file}"), &bytes)?,
            Err(error) => bundle.miss(file, &format!("the agent gives no profile ({error}); see stats.json")),
        }
    }
    match client.agent_self().await {
        Ok(facts) => bundle.add_json(&format!("{folder}/stats.json"), facts["Stats"].to_string().as_bytes()),
        Err(error) => {
            bundle.miss("stats.json", &error);
            Ok(())
        }
    }
}

async fn fetch(client: &Client, bundle: &mut Bundle, path: &str, file: &str) -> io::Result<()> {
    match client.fetch(path).await {
        Ok(bytes) => bundle.add_json(file, &bytes),
        Err(error) => {
            bundle.miss(file, &error);
            Ok(())
        }
    }
}

/// The log in all detail until the end of the interval.
async fn log(client: &Client, until: Instant) -> Result<Vec<u8>, client::Error> {
    // Even a late interval gets what the agent says at once.
    let until = until.max(Instant::now() + Duration::from_millis(100));
    let mut log = Vec::new();
    let followed = client.monitor("DEBUG", false, |bytes| {
        if log.len() + bytes.len() <= LOG_BYTES_MAX {
            log.extend_from_slice(bytes);
        }
        Ok(())
    });
    let ended = timeout_at(until, followed).await;
    match ended {
        Err(_) | Ok(Ok(()) | Err(SaveError::Local(_))) => Ok(log),
        Ok(Err(SaveError::Agent(error))) => Err(error),
    }
}
