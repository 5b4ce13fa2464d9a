//! The stage `clients`: fetches the programs and libraries that people use beside Consul, and runs the tests that use them.
//!
//! What was fetched stays in the cache, under a folder with its version; versions and checksums of the Go programs are
//! pinned in `tests/clients/tools`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::stage::Log;
use crate::tools;

/// Name of the folder in the cache; the versions in it are part of the name.
const FOLDER: &str = "clients-prometheus-0.316.0-consul-template-0.41.1-versitygw-1.8.0-python-1.1.0-java-1.4.5";
/// Debian programs that the tests use, with their packages.
const PROGRAMS: &[(&str, &str)] =
    &[("haproxy", "haproxy"), ("javac", "default-jdk-headless"), ("mvn", "maven"), ("python3", "python3")];
/// Name, package and flags of the Go programs.
const GO_PROGRAMS: &[(&str, &str, &[&str])] = &[
    // Prometheus with the discovery of Consul and no other.
    ("prometheus", "github.com/prometheus/prometheus/cmd/prometheus", &["-tags", "remove_all_sd,enable_consul_sd"]),
    ("consul-template", "github.com/hashicorp/consul-template", &[]),
    // A store that speaks S3 and checks every signature.
    ("versitygw", "github.com/versity/versitygw/cmd/versitygw", &[]),
];

/// Runs the stage.
///
/// # Errors
/// When a program cannot be fetched or a test fails.
pub fn run(log: &Log) -> Result<()> {
    tools::install_packages(PROGRAMS)?;
    let folder = tools::cache()?.join("bin").join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    for (name, package, flags) in GO_PROGRAMS {
        build(log, &folder, name, package, flags).with_context(|| format!("building {name} with Go"))?;
    }
    fetch_python(log, &folder).context("fetching the Python client")?;
    fetch_java(log, &folder).context("fetching the Java client")?;
    log.run(tools::cargo().args(["build", "--package", "agent"]))?;
    let mut command = tools::cargo();
    command.env("CONCORD_BIN", tools::target_dir().join("debug/consul")).env("CONCORD_CLIENTS", &folder);
    command.args(["test", "--package", "tests", "--features", "clients", "--test", "clients"]);
    log.run(command.args(["--", "--nocapture", "--test-threads", "2"]))
}

fn build(log: &Log, folder: &Path, name: &str, package: &str, flags: &[&str]) -> Result<()> {
    let target = folder.join(name);
    if target.exists() {
        return Ok(());
    }
    let partial = target.with_extension("partial");
    let mut go = Command::new("go");
    go.current_dir(tools::root().join("tests/clients/tools").join(name)).env("CGO_ENABLED", "0");
    log.run(go.args(["build", "-ldflags=-s -w"]).args(flags).arg("-o").arg(&partial).arg(package))?;
    Ok(std::fs::rename(partial, target)?)
}

/// A virtual environment with python-consul. A run that was cut off is begun anew.
fn fetch_python(log: &Log, folder: &Path) -> Result<()> {
    let target = folder.join("python");
    let done = target.join("fetched");
    if done.exists() {
        return Ok(());
    }
    if tools::run(Command::new("python3").args(["-c", "import ensurepip"])).is_err() {
        tools::install_packages(&[("python3-has-venv", "python3-venv")])?;
    }
    log.run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&target))?;
    log.run(Command::new(target.join("bin/pip")).args(["install", "--quiet", "python-consul==1.1.0"]))?;
    Ok(std::fs::write(done, "")?)
}

/// The client's archive and those it depends on.
fn fetch_java(log: &Log, folder: &Path) -> Result<()> {
    let target = folder.join("java");
    if target.exists() {
        return Ok(());
    }
    let partial = folder.join("java.partial");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "dependency:copy-dependencies"]);
    maven.arg(format!("-DoutputDirectory={}", partial.display()));
    log.run(maven.arg("-f").arg(tools::root().join("tests/clients/tools/pom.xml")))?;
    Ok(std::fs::rename(partial, target)?)
}
