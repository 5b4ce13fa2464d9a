//! What the agents say: `NODE/ack`, `NODE/out/00000` and so on, `NODE/exit`, each told once, output before exit codes.

use std::collections::BTreeSet;
use std::time::Duration;

use client::{Client, QueryOptions};
use model::Key;
use tokio::time::Instant;

use super::Job;
use crate::cli::frame::Failure;

/// Exit code when the command failed on a node, or a node did not say how it ended.
const EXIT_FAILED: u8 = 2;
/// Most keys of one execution that are remembered.
const KEYS_MAX: usize = 1_000_000;

/// One key that an agent wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Ack(String),
    /// Node and number.
    Out(String, String),
    Exit(String),
}

impl Said {
    /// Reads the part of a key below the folder of the execution.
    fn of(below: &str) -> Option<Self> {
        let (node, rest) = below.split_once('/')?;
        let node = node.to_owned();
        match rest.split_once('/') {
            None if rest == "ack" => Some(Self::Ack(node)),
            None if rest == "exit" => Some(Self::Exit(node)),
            Some(("out", number)) => Some(Self::Out(node, number.to_owned())),
            _ => None,
        }
    }
}

/// Tells what comes until nothing comes for some time; the exit code.
pub(super) async fn follow(job: &Job, client: &Client, folder: &str) -> Result<u8, Failure> {
    let started = Instant::now();
    let (mut seen, mut index) = (BTreeSet::new(), 0);
    let (mut acks, mut exits, mut failures) = (0_u64, 0_u64, 0_u64);
    let mut quiet_since = Instant::now();
    loop {
        // Consul's agents give signs of life no more often than that, and they may be late.
        let limit = if exits < acks { job.wait * 2 } else { job.wait };
        let left = limit.saturating_sub(quiet_since.elapsed());
        if left.is_zero() {
            break;
        }
        let options = QueryOptions {
            datacenter: job.datacenter.clone(),
            // Whole milliseconds, as an agent counts; never none, which would wait for minutes.
            ..QueryOptions::blocking(index, left.max(Duration::from_millis(1)))
        };
        let found = client.kv_keys(&Key::from(folder), "", &options).await;
        let found = found.map_err(|error| Failure::new(format!("Error retrieving results: {error}")))?;
        // An index that goes back means that the servers began anew.
        index = if found.index < index { 0 } else { found.index };
        let new: BTreeSet<Said> = found
            .rows
            .iter()
            .filter_map(|key| Said::of(key.strip_prefix(folder)?))
            .filter(|said| !seen.contains(said))
            .collect();
        for said in new {
            quiet_since = Instant::now();
            match &said {
                Said::Ack(node) => {
                    acks += 1;
                    job.tell(&format!("==> {node}: acknowledged"));
                }
                Said::Out(node, number) => {
                    let value = value(job, client, &format!("{folder}{node}/out/{number}")).await?;
                    tell_output(job, node, &value);
                }
                Said::Exit(node) => {
                    let value = value(job, client, &format!("{folder}{node}/exit")).await?;
                    let code = String::from_utf8_lossy(&value).trim().to_owned();
                    exits += 1;
                    failures += u64::from(code != "0");
                    println!("==> {node}: finished with exit code {code}");
                }
            }
            if seen.len() < KEYS_MAX {
                seen.insert(said);
            }
        }
    }
    println!("{exits} / {acks} node(s) completed / acknowledged");
    job.tell(&format!("Completed in {:.2} seconds", started.elapsed().as_secs_f64()));
    Ok(if failures > 0 || exits < acks { EXIT_FAILED } else { 0 })
}

/// Each line with the node's name; no output at all is a sign of life.
fn tell_output(job: &Job, node: &str, value: &[u8]) {
    if value.is_empty() {
        job.tell(&format!("==> {node}: heartbeat received"));
        return;
    }
    for line in String::from_utf8_lossy(value).split('\n') {
        println!("{}", format!("    {node}: {line}").trim_end());
    }
}

async fn value(job: &Job, client: &Client, key: &str) -> Result<Vec<u8>, Failure> {
    let options = QueryOptions { datacenter: job.datacenter.clone(), ..QueryOptions::default() };
    let found = client.kv_get(&Key::from(key), &options).await;
    let found = found.map_err(|error| Failure::new(format!("Error retrieving results: {error}")))?;
    Ok(found.rows.map(|entry| entry.value.0.to_vec()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::Said;

    #[test]
    fn keys_are_read_and_output_comes_before_the_end() {
        assert_eq!(Said::of("n1/ack"), Some(Said::Ack("n1".to_owned())));
        assert_eq!(Said::of("n1/out/0000a"), Some(Said::Out("n1".to_owned(), "0000a".to_owned())));
        for other in ["job", "n1/", "n1/other", "n1/other/x", ""] {
            assert_eq!(Said::of(other), None, "{other}");
        }
        assert!(Said::of("z/ack") < Said::of("a/out/00000") && Said::of("z/out/00001") < Said::of("a/exit"));
    }
}
