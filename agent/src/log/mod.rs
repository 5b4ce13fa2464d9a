//! Log output: one line per event in the layout of Consul's agent, or JSON lines; to standard output, a file that is
//! rotated, syslog, and to those who watch through `/v1/agent/monitor`. The level can be changed at run time.
//!
//! `2026-11-22T13:33:37.892Z [INFO]  agent.server: message: key=value`. Targets are given without `agent.` in code.

pub(crate) mod file;
mod level;
mod line;
mod monitor;
mod output;
mod syslog;

use std::sync::{Arc, OnceLock};

use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{Registry, reload};

pub use file::{FileSettings, RotatingFile};
pub use level::UnknownLevel;
pub use monitor::Monitor;
pub use syslog::{Syslog, SyslogError};

use level::{Filter, Verbosity};
use output::Output;

struct Running {
    output: Arc<Output>,
    filter: reload::Handle<Filter, Registry>,
}

static RUNNING: OnceLock<Running> = OnceLock::new();

/// Where the log goes besides standard output, and how.
#[derive(Default)]
pub struct Settings {
    /// One of trace, debug, info, warn, err(or).
    pub level: String,
    /// JSON lines instead of text.
    pub json: bool,
    /// A file as well.
    pub file: Option<RotatingFile>,
    /// The system's log as well.
    pub syslog: Option<Syslog>,
}

/// Starts logging. Called once, before anything logs; a second start in the same process (tests) keeps the first.
///
/// # Errors
/// When the level is not one of those known.
pub fn start(settings: Settings) -> Result<(), UnknownLevel> {
    let verbosity = Verbosity::parse(&settings.level)?;
    let output = Arc::new(Output::new(verbosity, settings));
    let (filter, handle) = reload::Layer::new(Filter(verbosity));
    let subscriber = tracing_subscriber::registry().with(output::Events(output.clone()).with_filter(filter));
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        RUNNING.get_or_init(|| Running { output, filter: handle });
    }
    Ok(())
}

/// Changes the level of the running log.
///
/// # Errors
/// When `level` is not a level; the old one stays.
pub fn set_level(level: &str) -> Result<(), UnknownLevel> {
    let verbosity = Verbosity::parse(level)?;
    if let Some(running) = RUNNING.get() {
        running.output.set_verbosity(verbosity);
        refresh(running);
    }
    Ok(())
}

/// Watches the log at a level of one's own, which may be lower than the log's; none before the log is started.
///
/// # Errors
/// When `level` is not a level.
pub fn monitor(level: &str, json: bool) -> Result<Option<Monitor>, UnknownLevel> {
    let verbosity = Verbosity::parse(level)?;
    let Some(running) = RUNNING.get() else { return Ok(None) };
    let monitor = running.output.monitors().add(verbosity, json);
    refresh(running);
    Ok(Some(monitor))
}

/// Lets through what the log or any watcher wants, no more.
fn refresh(running: &Running) {
    let wanted = Filter(running.output.wanted());
    // The handle fails only when the subscriber is gone, and then there is nothing to filter.
    let _ = running.filter.modify(|filter| *filter = wanted);
}

/// After a watcher has gone.
fn forget_watchers() {
    if let Some(running) = RUNNING.get() {
        refresh(running);
    }
}
