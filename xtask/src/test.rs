//! `cargo xtask test`: every check and test, stage by stage, one line each with its time.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::stage::{self, Count, Log};
use crate::{clients, crds, go_client, kubernetes, reference, standalone, supply, ui};
use crate::{tidy, tools};

/// A stage: its name, and what it does.
type Stage = (&'static str, fn(&Log) -> Result<()>);

const STAGES: &[Stage] = &[
    ("format", format),
    ("clippy", clippy),
    ("tidy", |_| tidy::run()),
    ("generated", generated),
    ("supply-chain", supply::stage),
    ("unit", unit),
    ("conformance", conformance),
    ("cluster", cluster),
    ("go-client", go_client::run),
    ("clients", clients::run),
    ("tools", standalone::run),
    ("ui", ui::stage),
    ("kubernetes", kubernetes::stage::run),
];

/// Debian programs that the stages use, with their packages.
const PROGRAMS: &[(&str, &str)] = &[("serf", "serf"), ("ip", "iproute2"), ("cc", "gcc")];

/// Runs all stages, or those named.
pub fn run(names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !STAGES.iter().any(|(stage, _)| stage == name)) {
        let known: Vec<&str> = STAGES.iter().map(|(name, _)| *name).collect();
        bail!("unknown stage {unknown:?}; the stages are {}", known.join(", "));
    }
    let started = Instant::now();
    tools::install_packages(PROGRAMS)?;
    let (mut total, mut failed) = (Count::default(), Vec::new());
    for (name, body) in STAGES.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name))
    {
        let (ok, count) = stage::run(name, body)?;
        total.passed += count.passed;
        total.failed += count.failed;
        if !ok {
            failed.push(*name);
        }
    }
    println!("{:.0} s in all", started.elapsed().as_secs_f64());
    println!("{} passed, {} failed", total.passed, total.failed);
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

fn format(log: &Log) -> Result<()> {
    log.run(tools::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(log: &Log) -> Result<()> {
    log.run(tools::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn generated(log: &Log) -> Result<()> {
    crds::compare()?;
    reference::compare()?;
    log.run(tools::cargo().args(["test", "--package", "agent", "--test", "reference"]))
}

fn unit(log: &Log) -> Result<()> {
    log.run(tools::cargo().args(["test", "--workspace", "--exclude", "tests", "--no-fail-fast"]))
}

fn conformance(log: &Log) -> Result<()> {
    const PROGRAMS: &[&str] = &[
        "conformance",
        "dns_conformance",
        "dns_hostile",
        "dns_cache",
        "restarts",
        "differences",
        "gossip_interop",
        "events_interop",
        "encryption_interop",
        "migration",
        "watches",
        "streams",
        "acl_matrix",
        "configurations",
        "login",
        "acl_life",
        "canary",
        "reload",
        "figures",
        "cli",
        "commands",
    ];
    process_tests(log, PROGRAMS)
}

fn cluster(log: &Log) -> Result<()> {
    process_tests(
        log,
        &[
            "walkthrough",
            "mesh",
            "bad_input",
            "bad_requests",
            "linearizability",
            "locks",
            "expiry",
            "history",
            "mass_failure",
            "snapshot_agent",
            "restore",
            "recovery",
            "autopilot",
            "tls",
            "floods",
            "vulnerabilities",
        ],
    )
}

/// Runs test programs of the `tests` crate against the agent built here and against the real Consul.
fn process_tests(log: &Log, programs: &[&str]) -> Result<()> {
    log.run(tools::cargo().args(["build", "--package", "agent"]))?;
    let mut command: Command = tools::cargo();
    command.env("CONCORD_BIN", tools::target_dir().join("debug/consul"));
    command.env("CONCORD_ORACLE", tools::oracle()?);
    command.args(["test", "--package", "tests", "--no-fail-fast"]);
    for program in programs {
        command.args(["--test", program]);
    }
    log.run(command.args(["--", "--nocapture", "--test-threads", "2"]))
}
