//! Those who watch the log while it is written (`/v1/agent/monitor`, `consul monitor`).
//!
//! A watcher that reads too slowly loses lines and is told how many; it never slows the agent down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tracing::Level;

use super::level::Verbosity;
use super::line::Line;

/// Most lines that wait for a watcher.
const LINES_MAX: usize = 512;

/// One watcher. The lines end with its drop.
pub struct Monitor {
    lines: mpsc::Receiver<String>,
    dropped: Arc<AtomicU64>,
}

impl Monitor {
    /// The next line, with its line feed; waits until there is one.
    pub async fn next(&mut self) -> Option<String> {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            return Some(format!("Dropped {dropped} logs during monitor request\n"));
        }
        self.lines.recv().await
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.lines.close();
        super::forget_watchers();
    }
}

struct Watcher {
    verbosity: Verbosity,
    json: bool,
    lines: mpsc::Sender<String>,
    dropped: Arc<AtomicU64>,
}

/// All watchers.
#[derive(Default)]
pub(super) struct Monitors(Mutex<Vec<Watcher>>);

impl Monitors {
    pub(super) fn add(&self, verbosity: Verbosity, json: bool) -> Monitor {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let watcher = Watcher { verbosity, json, lines: sender, dropped: dropped.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
        Monitor { lines, dropped }
    }

    /// The lowest level that any of them wants; forgets those that have gone.
    pub(super) fn wanted(&self) -> Option<Verbosity> {
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| !watcher.lines.is_closed());
        watchers.iter().map(|watcher| watcher.verbosity).max()
    }

    pub(super) fn tell(&self, target: &str, level: &Level, line: &Line) {
        let watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for watcher in watchers.iter().filter(|watcher| watcher.verbosity.admits(target, level)) {
            let text = if watcher.json { line.json() } else { line.text().trim_start().to_owned() };
            if let Err(mpsc::error::TrySendError::Full(_)) = watcher.lines.try_send(text) {
                watcher.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
