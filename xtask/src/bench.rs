//! `cargo xtask bench`: builds for release and runs the benchmark suite against this build and the real Consul.

use anyhow::{Result, bail};

use crate::tools;

/// Passes the arguments on to the suite.
pub fn run(arguments: &[String]) -> Result<()> {
    let oracle = tools::oracle()?;
    println!("building for release");
    tools::run(tools::cargo().args(["build", "--release", "--package", "agent", "--package", "bench"]))?;
    let built = tools::target_dir().join("release");
    let mut suite = std::process::Command::new(built.join("bench"));
    let status =
        suite.current_dir(tools::target_dir()).arg(built.join("consul")).arg(oracle).args(arguments).status()?;
    if status.success() { Ok(()) } else { bail!("the benchmark suite ended with {status}") }
}
