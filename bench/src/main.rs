//! The benchmark suite: the same work against Concord and against the real Consul, round by round in one run.
//!
//! `bench OURS THEIRS [ROUNDS] [SECONDS] [WORKLOAD]` takes two `consul` programs. Prints ratios; on a shared machine only those mean anything.

mod connection;
mod disk;
mod dns;
mod keys;
mod program;
mod report;
mod workloads;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::program::{Program, Side};
use crate::report::Report;
use crate::workloads::{Settings, WORKLOADS};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = |index: usize| -> Result<PathBuf> {
        arguments.get(index).map(PathBuf::from).context("usage: bench OURS THEIRS [ROUNDS] [SECONDS] [WORKLOAD]")
    };
    let number = |index: usize, default: u64| -> Result<u64> {
        arguments
            .get(index)
            .map_or(Ok(default), |text| text.parse().with_context(|| format!("{text:?} is not a number")))
    };
    let programs = [(Side::Concord, path(0)?), (Side::Consul, path(1)?)];
    let (rounds, seconds) = (number(2, 5)?, number(3, 2)?);
    let wanted = arguments.get(4).cloned().unwrap_or_default();
    let mut report = Report::default();
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}");
        report.raw_syncs(disk::syncs_per_second(seconds)?);
        for (side, path) in &programs {
            measure(*side, path, seconds, &wanted, &mut report).await?;
        }
    }
    report.print();
    Ok(())
}

/// One program, started fresh, through all workloads.
async fn measure(side: Side, path: &std::path::Path, seconds: u64, wanted: &str, report: &mut Report) -> Result<()> {
    let (mut program, leader_ms) = Program::start(path).await?;
    report.add("start to leader, ms", side, leader_ms);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    report.add("memory idle, MB", side, program.memory_mb()?);
    let settings = Settings { seconds, http: program.http, dns: program.dns };
    for workload in WORKLOADS.iter().filter(|workload| workload.name.contains(wanted)) {
        let started = std::time::Instant::now();
        for (metric, value) in workload.run(&settings).await.with_context(|| format!("{side:?}: {}", workload.name))? {
            report.add(&metric, side, value);
        }
        eprintln!("  {side:?} {} ({:.1} s)", workload.name, started.elapsed().as_secs_f64());
    }
    if wanted == keys::NAME {
        for (metric, value) in keys::run(&mut program).await.with_context(|| format!("{side:?}: {wanted}"))? {
            report.add(&metric, side, value);
        }
    }
    report.add("memory after load, MB", side, program.memory_mb()?);
    report.add("data directory, MB", side, program.disk_mb()?);
    program.stop()
}
