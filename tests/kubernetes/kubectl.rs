//! kubectl as a library: run, read JSON, wait.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// The program.
pub struct Kubectl {
    program: String,
}

impl Kubectl {
    /// Uses this program.
    pub fn new(program: String) -> Self {
        Self { program }
    }

    /// Runs it; returns what it printed, or an error with its complaints.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        self.run_with_input(arguments, "")
    }

    /// Runs it with text on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("kubectl {}: {}{text}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(text)
    }

    /// An object or list as JSON.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        let mut all = vec!["get", "-o", "json"];
        all.extend(arguments);
        serde_json::from_str(&self.run(&all)?).context("kubectl printed no JSON")
    }

    /// The items of a list.
    pub fn list(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        Ok(self.get(arguments)?["items"].as_array().cloned().unwrap_or_default())
    }

    /// Applies a manifest given as text.
    pub fn apply(&self, manifest: &str) -> Result<String> {
        self.run_with_input(&["apply", "-f", "-"], manifest)
    }

    /// Runs a shell line in a pod.
    pub fn shell(&self, pod: &str, line: &str) -> Result<String> {
        self.run(&["exec", pod, "--", "sh", "-c", line])
    }
}

/// Waits until `ask` gives a value; an error counts as "not yet" and is told when time runs out.
pub fn wait_for<T>(what: &str, at_most: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if let Ok(Some(value)) = answer {
            return Ok(value);
        }
        if start.elapsed() > at_most {
            let reason = answer.err().map_or_else(String::new, |error| format!(": {error:#}"));
            bail!("{what}: not so after {} s{reason}", at_most.as_secs());
        }
        std::thread::sleep(POLL);
    }
}

/// A text field of an object, empty when absent: `text(&pod, "/status/podIP")`.
pub fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
