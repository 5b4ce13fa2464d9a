//! A million keys: what they weigh, how long it takes to read, save and start again with them. Runs only when it is named, as it
//! takes minutes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use base64::Engine as _;

use crate::connection::Connection;
use crate::program::Program;
use crate::workloads::{Metrics, percentile_ms};

/// Name of the workload.
pub const NAME: &str = "keys 1000000";

const KEYS: usize = 1_000_000;

/// Folders that the keys lie in, evenly.
const FOLDERS: usize = 1_000;

/// Most operations of a transaction that Consul takes.
const PER_TRANSACTION: usize = 64;

const CLIENTS: usize = 16;

const VALUE_BYTES: usize = 64;

/// Reads of one folder that are timed.
const FOLDER_READS: usize = 50;

fn key(number: usize) -> String {
    format!("app/{:03}/settings/{number:07}", number % FOLDERS)
}

/// Loads the keys and measures.
pub async fn run(program: &mut Program) -> Result<Metrics> {
    let mut metrics = Vec::new();
    let mut note = |name: &str, value: f64| {
        eprintln!("    {name}: {value:.1}");
        metrics.push((format!("1,000,000 keys: {name}"), value));
    };
    let empty = program.memory_mb()?;
    let began = Instant::now();
    load(program).await?;
    note("load, s", began.elapsed().as_secs_f64());
    tokio::time::sleep(Duration::from_secs(3)).await;
    note("memory, MB", program.memory_mb()?);
    note("memory per key, bytes", (program.memory_mb()? - empty) * f64::from(1 << 20) / KEYS as f64);

    let mut connection = Connection::open(program.http).await?;
    let folder = "/v1/kv/app/007/";
    for (name, path, times) in [
        ("recurse of 1,000, p50 ms", format!("{folder}?recurse"), FOLDER_READS),
        ("keys of 1,000, p50 ms", format!("{folder}?keys"), FOLDER_READS),
        ("folders of all (separator), ms", "/v1/kv/app/?keys&separator=/".to_owned(), 5),
        ("keys of all, ms", "/v1/kv/?keys".to_owned(), 3),
        ("recurse of all, ms", "/v1/kv/?recurse".to_owned(), 3),
    ] {
        note(name, timed(&mut connection, &path, times).await?);
    }
    note("memory after reads of all, MB", program.memory_mb()?);
    let began = Instant::now();
    let archive = connection.request("GET", "/v1/snapshot", b"").await?;
    if archive.status != 200 {
        bail!("the snapshot was answered with {}", archive.status);
    }
    note("snapshot, ms", began.elapsed().as_secs_f64() * 1000.0);
    note("snapshot, MB", archive.body_len as f64 / f64::from(1 << 20));
    note("data directory, MB", program.disk_mb()?);
    note("peak memory, MB", program.peak_memory_mb()?);
    let path = format!("/v1/kv/{}", key(KEYS - 1));
    note("restart to answering after a kill, ms", program.restart(&path).await?);
    tokio::time::sleep(Duration::from_secs(3)).await;
    note("memory after the restart, MB", program.memory_mb()?);
    Ok(metrics)
}

/// Median time of a read, ms. Each one comes after a change, so that no answer is as good as the one before.
async fn timed(connection: &mut Connection, path: &str, times: usize) -> Result<f64> {
    let mut taken = Vec::new();
    for number in 0..times {
        let changed = format!("/v1/kv/app/007/changed/{number}");
        let written = connection.request("PUT", &changed, path.as_bytes()).await?;
        if written.status != 200 {
            bail!("a write was answered with {}", written.status);
        }
        let began = Instant::now();
        let answer = connection.request("GET", path, b"").await?;
        if answer.status != 200 || answer.body_len < 1000 {
            bail!("{path} was answered with {} and {} bytes", answer.status, answer.body_len);
        }
        taken.push(began.elapsed());
    }
    Ok(percentile_ms(&mut taken, 50.0))
}

async fn load(program: &Program) -> Result<()> {
    let value = base64::engine::general_purpose::STANDARD.encode([b'v'; VALUE_BYTES]);
    let mut tasks = Vec::new();
    for client in 0..CLIENTS {
        let (address, value) = (program.http, value.clone());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            for first in (client * PER_TRANSACTION..KEYS).step_by(CLIENTS * PER_TRANSACTION) {
                let operations: Vec<_> = (first..KEYS.min(first + PER_TRANSACTION))
                    .map(|number| serde_json::json!({"KV": {"Verb": "set", "Key": key(number), "Value": value}}))
                    .collect();
                let answer = connection.request("PUT", "/v1/txn", &serde_json::to_vec(&operations)?).await?;
                if answer.status != 200 {
                    bail!("a transaction was answered with {}", answer.status);
                }
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}
