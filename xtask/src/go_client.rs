//! The tests of HashiCorp's own Go client, run unchanged against the agent: they start whatever `consul` they find.
//!
//! `tests/go-client` pins the client; `exceptions.txt` there names the tests that need not pass, each with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::stage::Log;
use crate::tools;

/// The pinned version; names the folder in the cache.
const VERSION: &str = "v1.7.0";
/// The packages whose tests are run, with the name of the test program.
const PACKAGES: &[(&str, &str)] =
    &[("github.com/hashicorp/consul/api", "api.test"), ("github.com/hashicorp/consul/api/watch", "watch.test")];
/// How many tests run at once, each with an agent of its own.
const PARALLEL: &str = "-test.parallel=4";
/// The programs stop by themselves after this time.
const TIMEOUT: &str = "-test.timeout=240s";

/// Runs the stage.
///
/// # Errors
/// When a test that is no exception does not pass, or an exception names a test that does not exist.
pub fn run(log: &Log) -> Result<()> {
    let programs = build(log)?;
    log.run(tools::cargo().args(["build", "--package", "agent"]))?;
    let consul = tools::target_dir().join("debug/consul");
    let exceptions = read_exceptions()?;
    let (mut known, mut passed) = (BTreeSet::new(), BTreeSet::new());
    for program in &programs {
        known.extend(list_tests(program)?);
        passed.extend(run_tests(program, &consul, &exceptions, log)?);
    }
    let verdict = judge(&known, &passed, &exceptions)?;
    log.note(&verdict.text)?;
    if verdict.failed > 0 { bail!("{} tests of the Go client fail", verdict.failed) } else { Ok(()) }
}

/// Builds the test programs that are not in the cache yet.
fn build(log: &Log) -> Result<Vec<PathBuf>> {
    let folder = tools::cache()?.join("bin").join(format!("go-client-{VERSION}"));
    std::fs::create_dir_all(&folder)?;
    let mut programs = Vec::new();
    for (package, name) in PACKAGES {
        let program = folder.join(name);
        if !program.exists() {
            let partial = program.with_extension("partial");
            let mut go = Command::new("go");
            go.current_dir(tools::root().join("tests/go-client")).args(["test", "-c", "-o"]).arg(&partial).arg(package);
            log.run(&mut go).context("building the tests of the Go client needs Go 1.23 or newer in PATH")?;
            std::fs::rename(&partial, &program)?;
        }
        programs.push(program);
    }
    Ok(programs)
}

fn list_tests(program: &Path) -> Result<Vec<String>> {
    let text = tools::run(Command::new(program).arg("-test.list=."))?;
    Ok(text.lines().filter(|line| line.starts_with("Test")).map(str::to_owned).collect())
}

/// Runs one test program with `consul` first in the path, without the exceptions, some of which wait for ever, and returns
/// the tests that passed. What it prints goes to the log; its exit code tells nothing that the lines do not.
fn run_tests(program: &Path, consul: &Path, exceptions: &BTreeMap<String, String>, log: &Log) -> Result<Vec<String>> {
    let work = tempfile::tempdir()?;
    std::os::unix::fs::symlink(consul, work.path().join("consul"))?;
    let mut paths = vec![work.path().to_path_buf()];
    paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new(program);
    command.current_dir(work.path()).env("PATH", std::env::join_paths(paths)?).env("TMPDIR", work.path());
    let skipped: Vec<&str> = exceptions.keys().map(String::as_str).collect();
    command.arg(format!("-test.skip=^({})$", skipped.join("|")));
    command.args(["-test.v", PARALLEL, TIMEOUT]).stdin(Stdio::null());
    // In a group of its own, so that the agents of a test that panics end with it.
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.with_context(|| format!("cannot start {}", program.display()))?;
    let group = format!("-{}", child.id());
    let output = child.wait_with_output();
    // There is nothing left to end when all went well.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let output = output?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    log.note(&text)?;
    log.note(&String::from_utf8_lossy(&output.stderr))?;
    Ok(passed_tests(&text))
}

/// The names in the lines `--- PASS: NAME (TIME)` of tests at the top level.
fn passed_tests(text: &str) -> Vec<String> {
    let names = text.lines().filter_map(|line| line.strip_prefix("--- PASS: "));
    names.filter_map(|rest| rest.split(' ').next()).map(str::to_owned).collect()
}

/// Reads `exceptions.txt`: name to kind and reason.
fn read_exceptions() -> Result<BTreeMap<String, String>> {
    let path = tools::root().join("tests/go-client/exceptions.txt");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let (name, rest) = row.split_once(char::is_whitespace).with_context(|| format!("{row:?} has no reason"))?;
        Ok((name.to_owned(), rest.trim().to_owned()))
    })
    .collect()
}

/// What came out, as text in the form of the other stages.
struct Verdict {
    text: String,
    failed: usize,
}

fn judge(
    known: &BTreeSet<String>,
    passed: &BTreeSet<String>,
    exceptions: &BTreeMap<String, String>,
) -> Result<Verdict> {
    if let Some(gone) = exceptions.keys().find(|name| !known.contains(*name)) {
        bail!("exceptions.txt names {gone}, which is no test of the client");
    }
    let mut text = String::new();
    let mut failed = 0;
    for name in known.difference(passed) {
        match exceptions.get(name) {
            Some(reason) => writeln!(text, "not asked: {name}: {reason}")?,
            None => {
                failed += 1;
                writeln!(text, "FAILED: {name}")?;
            }
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    writeln!(text, "test result: {result}. {} passed; {failed} failed", passed.len())?;
    Ok(Verdict { text, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_top_level_passes_count() {
        let text =
            "=== RUN   TestA\n--- PASS: TestA (0.10s)\n    --- PASS: TestA/sub (0.00s)\n--- FAIL: TestB (1.00s)\n";
        assert_eq!(passed_tests(text), ["TestA"]);
    }

    #[test]
    fn a_test_fails_the_stage_unless_it_is_an_exception() {
        let exceptions = BTreeMap::from([("TestC".to_owned(), "later  no such part".to_owned())]);
        let verdict = judge(&names(&["TestA", "TestB", "TestC"]), &names(&["TestA"]), &exceptions).unwrap();
        assert_eq!(verdict.failed, 1);
        assert!(
            verdict.text.contains("FAILED: TestB") && verdict.text.contains("not asked: TestC"),
            "{}",
            verdict.text
        );
    }

    #[test]
    fn an_exception_for_nothing_is_an_error() {
        let exceptions = BTreeMap::from([("TestZ".to_owned(), "later".to_owned())]);
        assert!(judge(&names(&["TestA"]), &names(&["TestA"]), &exceptions).is_err());
    }
}
