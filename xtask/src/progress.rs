//! Progress on the terminal: one line per step, with the time it took.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Runs one step and prints `name ... 1.2 s`, or `failed` when it returns an error.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    print!("  {name:<58}");
    // The name must be visible while the step works; a closed terminal is no reason to stop.
    let _ = std::io::stdout().flush();
    let start = Instant::now();
    let result = work();
    match &result {
        Ok(_) => println!("{:>8}", seconds(start.elapsed())),
        Err(_) => println!("{:>8} failed", seconds(start.elapsed())),
    }
    result
}

/// A duration as people read it: `0.3 s`, `12.0 s`.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
