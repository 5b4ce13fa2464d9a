//! The stage `tools`: programs of others that are used unmodified with an agent, one test program for each group.

use anyhow::{Context as _, Result};

use crate::stage::Log;
use crate::{kubernetes, tools};

/// Debian programs that the tests use, with their packages.
const PROGRAMS: &[(&str, &str)] =
    &[("/usr/sbin/unbound", "unbound"), ("/usr/sbin/named", "bind9"), ("/usr/sbin/dnsmasq", "dnsmasq-base")];

/// Test programs of the `tests` crate.
const TESTS: &[&str] = &["resolvers"];

/// Runs the stage.
///
/// # Errors
/// When a program cannot be had or a test fails.
pub fn run(log: &Log) -> Result<()> {
    tools::install_packages(PROGRAMS)?;
    let coredns = kubernetes::coredns().context("building CoreDNS with Go")?;
    log.run(tools::cargo().args(["build", "--package", "agent"]))?;
    let mut command = tools::cargo();
    command.env("CONCORD_BIN", tools::target_dir().join("debug/consul")).env("CONCORD_COREDNS", coredns);
    command.args(["test", "--package", "tests", "--no-fail-fast"]);
    for test in TESTS {
        command.args(["--test", test]);
    }
    log.run(command.args(["--", "--nocapture", "--test-threads", "2"]))
}
