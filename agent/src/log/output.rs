//! Where events go: standard output, the file, syslog, the watchers.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::file::RotatingFile;
use super::level::Verbosity;
use super::line::Line;
use super::monitor::Monitors;
use super::syslog::Syslog;
use super::{Arc, Settings};

pub(super) struct Output {
    verbosity: Mutex<Verbosity>,
    json: bool,
    file: Option<Mutex<RotatingFile>>,
    syslog: Option<Syslog>,
    monitors: Monitors,
}

impl Output {
    pub(super) fn new(verbosity: Verbosity, settings: Settings) -> Self {
        Self {
            verbosity: Mutex::new(verbosity),
            json: settings.json,
            file: settings.file.map(Mutex::new),
            syslog: settings.syslog,
            monitors: Monitors::default(),
        }
    }

    pub(super) fn monitors(&self) -> &Monitors {
        &self.monitors
    }

    pub(super) fn set_verbosity(&self, verbosity: Verbosity) {
        *self.verbosity.lock().unwrap_or_else(PoisonError::into_inner) = verbosity;
    }

    fn verbosity(&self) -> Verbosity {
        *self.verbosity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lowest level that the log or a watcher wants.
    pub(super) fn wanted(&self) -> Verbosity {
        let own = self.verbosity();
        self.monitors.wanted().map_or(own, |watched| watched.max(own))
    }

    fn write(&self, line: &Line) {
        let text = if self.json { line.json() } else { line.text() };
        // A closed standard output or a full disk stops nothing: the agent serves without its log.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        if let Some(file) = &self.file {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write(text.trim_start().as_bytes());
        }
        if let Some(syslog) = &self.syslog {
            syslog.send(line.level(), &line.words());
        }
    }
}

/// The output as a part of the subscriber.
pub(super) struct Events(pub(super) Arc<Output>);

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (target, level) = (event.metadata().target(), event.metadata().level());
        let line = Line::of(event);
        if self.0.verbosity().admits(target, level) {
            self.0.write(&line);
        }
        self.0.monitors.tell(target, level, &line);
    }
}
