//! One stage of `cargo xtask test`: runs commands, keeps their output in a log, prints one line with the time.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// How much of the log a failure shows, lines.
const SHOWN_LINES: usize = 200;

/// What tests of the finished stages counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
}

/// The log of a running stage.
pub struct Log {
    path: PathBuf,
}

impl Log {
    /// Opens an empty log for the stage.
    pub fn create(stage: &str) -> Result<Self> {
        let dir = crate::tools::target_dir().join("xtask");
        std::fs::create_dir_all(&dir)?;
        let path = dir.join(format!("{stage}.log"));
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path })
    }

    /// Runs a command with its output going to the log.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        let mut file = File::options().append(true).open(&self.path)?;
        writeln!(file, "$ {command:?}")?;
        let status = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .status()
            .with_context(|| format!("cannot start {command:?}"))?;
        if !status.success() {
            bail!("{command:?} ended with {status}");
        }
        Ok(())
    }

    /// Adds text to the log.
    pub fn note(&self, text: &str) -> Result<()> {
        let mut file = File::options().append(true).open(&self.path)?;
        writeln!(file, "{}", text.trim_end())?;
        Ok(())
    }

    fn text(&self) -> String {
        std::fs::read(&self.path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

/// Runs one stage and prints its line. A failure prints the end of the log too.
pub fn run(name: &str, body: impl FnOnce(&Log) -> Result<()>) -> Result<(bool, Count)> {
    let started = Instant::now();
    let log = Log::create(name)?;
    let result = body(&log);
    let seconds = started.elapsed().as_secs_f64();
    let text = log.text();
    let count = count_tests(&text);
    let note = if count.passed + count.failed > 0 {
        format!("  {} passed, {} failed", count.passed, count.failed)
    } else {
        String::new()
    };
    let lines = text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    for line in lines.filter(|line| line.starts_with("figure: ") || line.starts_with("skipped: ")) {
        println!("    {line}");
    }
    match result {
        Ok(()) => {
            println!("ok    {name:<14} {seconds:7.1} s{note}");
            Ok((true, count))
        }
        Err(error) => {
            let lines: Vec<&str> = text.lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)) {
                println!("    {line}");
            }
            println!(
                "FAIL  {name:<14} {seconds:7.1} s{note}\n      {error:#}\n      whole log: {}",
                log.path.display()
            );
            Ok((false, count))
        }
    }
}

/// Adds up the closing lines of the test runners: Cargo's, and Node's in the form of TAP.
fn count_tests(log: &str) -> Count {
    let mut count = Count::default();
    for line in log.lines().filter(|line| line.starts_with("test result: ")) {
        count.passed += number_before(line, " passed");
        count.failed += number_before(line, " failed");
    }
    for line in log.lines() {
        let after = |word: &str| line.strip_prefix(word).and_then(|digits| digits.parse::<u64>().ok());
        count.passed += after("# pass ").unwrap_or(0);
        count.failed += after("# fail ").unwrap_or(0);
    }
    count
}

fn number_before(line: &str, word: &str) -> u64 {
    line.find(word).and_then(|end| line[..end].rsplit(' ').next()).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_closing_lines_of_cargo_test() {
        let log = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored\n\
                   test result: FAILED. 5 passed; 1 failed; 0 ignored\n# pass 3\n# fail 0\n";
        let count = count_tests(log);
        assert_eq!((count.passed, count.failed), (10, 1));
    }
}
