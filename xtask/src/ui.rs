//! The stage `ui`: the sources of the web page are sound, the built page that the repository holds is what they give, and
//! every page and write works in a real browser with a real agent.
//!
//! Building the agent needs none of this: the built page is in `agent/ui/dist`. `cargo xtask ui` builds it anew.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::stage::Log;
use crate::tools;

/// Debian programs that the stage uses, with their packages.
const PROGRAMS: &[(&str, &str)] = &[("node", "nodejs"), ("npm", "npm"), ("/usr/bin/chromium", "chromium")];
/// What the page is made of, below `agent/ui`.
const SOURCES: &[&str] = &["package.json", "package-lock.json", ".npmrc", "tsconfig.json", "build.mjs", "src", "tests"];

/// Runs the stage.
///
/// # Errors
/// When a program cannot be had, the built page is not up to date, or a test fails.
pub fn stage(log: &Log) -> Result<()> {
    let work = prepare(log)?;
    log.run(node(&work, "node_modules/.bin/tsc").arg("--noEmit"))?;
    log.run(node(&work, "build.mjs").arg("dist"))?;
    compare(&work.join("dist"), &source().join("dist"))?;
    log.run(tools::cargo().args(["build", "--package", "agent"]))?;
    let mut test = Command::new("node");
    test.current_dir(&work)
        .env("CONCORD_BIN", tools::target_dir().join("debug/consul"))
        .args(["--test", "--test-reporter=tap"]);
    log.run(test.args(tests(&work)?))
}

/// `cargo xtask ui`: builds the page into the repository, and takes the pictures of the documentation.
///
/// # Errors
/// When a program cannot be had or the page cannot be built.
pub fn build() -> Result<()> {
    let log = Log::create("ui-build")?;
    let work = prepare(&log)?;
    log.run(node(&work, "node_modules/.bin/tsc").arg("--noEmit"))?;
    log.run(node(&work, "build.mjs").arg(source().join("dist")))?;
    log.run(tools::cargo().args(["build", "--package", "agent"]))?;
    let pictures = tools::root().join("docs/ui");
    std::fs::create_dir_all(&pictures)?;
    let mut test = Command::new("node");
    test.current_dir(&work).env("CONCORD_BIN", tools::target_dir().join("debug/consul")).env("SCREENSHOTS", &pictures);
    log.run(test.args(["--test", "--test-reporter=tap"]).args(tests(&work)?))?;
    println!("the page is in agent/ui/dist, its pictures in docs/ui");
    Ok(())
}

fn source() -> PathBuf {
    tools::root().join("agent/ui")
}

/// A copy of the sources with their packages, outside the repository.
fn prepare(log: &Log) -> Result<PathBuf> {
    tools::install_packages(PROGRAMS)?;
    let work = tools::target_dir().join("ui");
    std::fs::create_dir_all(&work)?;
    for name in SOURCES {
        let target = work.join(name);
        if target.is_dir() {
            std::fs::remove_dir_all(&target)?;
        }
        copy(&source().join(name), &target).with_context(|| format!("copying {name}"))?;
    }
    let lock = std::fs::read(work.join("package-lock.json"))?;
    let installed = work.join("node_modules/.installed-from");
    if std::fs::read(&installed).is_ok_and(|from| from == lock) {
        return Ok(work);
    }
    log.run(Command::new("npm").current_dir(&work).args(["ci", "--ignore-scripts"]))?;
    std::fs::write(installed, lock)?;
    Ok(work)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        std::fs::copy(from, to)?;
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn node(work: &Path, program: &str) -> Command {
    let mut command = Command::new("node");
    command.current_dir(work).arg(program);
    command
}

fn tests(work: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(work.join("tests"))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn compare(built: &Path, kept: &Path) -> Result<()> {
    for entry in std::fs::read_dir(built)? {
        let name = entry?.file_name();
        let is_same = std::fs::read(built.join(&name))? == std::fs::read(kept.join(&name)).unwrap_or_default();
        if !is_same {
            bail!("agent/ui/dist/{} is not what the sources give: run cargo xtask ui", name.display());
        }
    }
    Ok(())
}
