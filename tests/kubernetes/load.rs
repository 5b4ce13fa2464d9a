//! Writers that never stop: each acknowledged key is remembered, and the longest time without any acknowledgement.
//!
//! `run` is the program inside the cluster's network: it writes until its standard input closes, then prints a
//! report. `Load` is the handle on it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::http::request;
use crate::kubectl::wait_for;

const WRITERS: usize = 4;
/// Where the keys are.
pub const PREFIX: &str = "load/";
/// Pause after an error, so that a refused connection does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// What the writers did.
#[derive(Debug, Deserialize, Serialize)]
pub struct Report {
    /// Keys whose write was acknowledged.
    pub acknowledged: BTreeSet<u64>,
    /// How many writes were not acknowledged: whether they happened is unknown.
    pub errors: u64,
    /// Longest time without any acknowledgement, in milliseconds.
    pub gap_ms: u64,
    /// How long they ran, in milliseconds.
    pub ran_ms: u64,
    /// Some of the errors, for people.
    pub samples: BTreeSet<String>,
}

struct Shared {
    address: SocketAddr,
    start: Instant,
    /// Start of the keys, so that runs do not share any.
    base: u64,
    next: AtomicU64,
    stop: AtomicBool,
    report: Mutex<Report>,
    last_acknowledged: Mutex<Instant>,
}

/// Writes until standard input closes; prints "writing" after the first acknowledged write.
pub fn run(address: &str) -> Result<()> {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let shared = Arc::new(Shared {
        address: address.parse()?,
        start: Instant::now(),
        base: u64::try_from(since_epoch.as_micros())?,
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        report: Mutex::new(Report {
            acknowledged: BTreeSet::new(),
            errors: 0,
            gap_ms: 0,
            ran_ms: 0,
            samples: BTreeSet::new(),
        }),
        last_acknowledged: Mutex::new(Instant::now()),
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || write(&shared))
        })
        .collect();
    std::io::stdin().read_to_end(&mut Vec::new())?;
    shared.stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?;
    }
    let mut report = shared.report.lock().map_err(|_| anyhow::anyhow!("a writer panicked"))?;
    report.ran_ms = milliseconds(shared.start.elapsed());
    println!("{}", serde_json::to_string(&*report)?);
    Ok(())
}

fn write(shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        let key = shared.base + shared.next.fetch_add(1, Ordering::Relaxed);
        let result = request("PUT", shared.address, &format!("/v1/kv/{PREFIX}{key}"), &key.to_string());
        let (Ok(mut report), Ok(mut last)) = (shared.report.lock(), shared.last_acknowledged.lock()) else { return };
        let problem = match result {
            Ok((200, body)) if body.trim() == "true" => {
                let gap = milliseconds(last.elapsed());
                // The first write has nothing before it to measure from.
                if !report.acknowledged.is_empty() {
                    report.gap_ms = report.gap_ms.max(gap);
                }
                *last = Instant::now();
                if report.acknowledged.is_empty() {
                    println!("writing");
                }
                report.acknowledged.insert(key);
                continue;
            }
            Ok((status, body)) => format!("{status}: {}", body.trim()),
            Err(error) => format!("{error:#}"),
        };
        report.errors += 1;
        if report.samples.len() < 8 {
            report.samples.insert(problem);
        }
        drop((report, last));
        std::thread::sleep(ERROR_PAUSE);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Running writers.
pub struct Load {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    namespace: String,
    address: String,
}

impl Load {
    /// Starts writers in a network namespace against a Service, and waits for the first acknowledged write.
    pub fn start(namespace: &str, address: &str) -> Result<Self> {
        let mut child = inside(namespace, &["load", address])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the writers")?;
        let stdout = child.stdout.take().context("the writers have no output")?;
        let mut load = Self {
            child,
            output: BufReader::new(stdout),
            namespace: namespace.to_owned(),
            address: address.to_owned(),
        };
        let mut line = String::new();
        load.output.read_line(&mut line)?;
        ensure!(line.trim() == "writing", "the writers ended before their first write: {line:?}");
        Ok(load)
    }

    /// Stops the writers and checks that every acknowledged key is there with its value.
    pub fn stop(mut self) -> Result<Report> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        self.child.wait()?;
        let report: Report = serde_json::from_str(text.trim()).context("the writers printed no report")?;
        let present = wait_for("the written keys", Duration::from_secs(20), || {
            present(&self.namespace, &self.address).map(Some)
        })?;
        let lost: Vec<u64> = report.acknowledged.difference(&present).copied().collect();
        if !lost.is_empty() {
            bail!(
                "{} of {} acknowledged writes are lost, for example {}",
                lost.len(),
                report.acknowledged.len(),
                lost[0]
            );
        }
        Ok(report)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Ended already when it was stopped; otherwise a test failed and nobody wants the report.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The keys that are there with the value they were written with.
fn present(namespace: &str, address: &str) -> Result<BTreeSet<u64>> {
    let rows = get(namespace, address, &format!("/v1/kv/{PREFIX}?recurse&consistent"))?;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&rows)?;
    let key = |row: &serde_json::Value| {
        let key = row["Key"].as_str()?.strip_prefix(PREFIX)?.to_owned();
        let value = decode(row["Value"].as_str()?)?;
        (value == key).then(|| key.parse().ok())?
    };
    Ok(rows.iter().filter_map(key).collect())
}

fn decode(base64: &str) -> Option<String> {
    use base64::Engine;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(base64).ok()?).ok()
}

/// The body of a GET from inside the cluster's network.
pub fn get(namespace: &str, address: &str, path: &str) -> Result<String> {
    let output = inside(namespace, &["http", "GET", address, path])?.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("GET {path}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// This program in a network namespace.
fn inside(namespace: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}")).arg("--").arg(std::env::current_exe()?).args(arguments);
    Ok(command)
}
