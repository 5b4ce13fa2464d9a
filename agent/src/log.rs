//! Log output: one line per event in the layout of Consul's agent, or JSON lines; the level can be changed at run time.
//!
//! `2026-11-22T13:33:37.892Z [INFO]  agent.server: message: key=value`. Targets are given without `agent.` in code.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt as _};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;

type LevelHandle = reload::Handle<Targets, tracing_subscriber::Registry>;

static LEVEL: OnceLock<LevelHandle> = OnceLock::new();

/// The text names none of the levels.
#[derive(Debug, thiserror::Error)]
#[error("unknown log level {0:?}; use trace, debug, info, warn or err")]
pub struct UnknownLevel(pub String);

/// Starts logging to standard output, and to the end of `file` where one is given. Called once, before anything logs.
///
/// # Errors
/// When `level` is not one of trace, debug, info, warn, err(or).
pub fn start(level: &str, json: bool, file: Option<File>) -> Result<(), UnknownLevel> {
    let (filter, handle) = reload::Layer::new(targets(parse_level(level)?));
    let writer = match file {
        Some(file) => BoxMakeWriter::new(std::io::stdout.and(Arc::new(file))),
        None => BoxMakeWriter::new(std::io::stdout),
    };
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    // A second start in the same process (tests) keeps the first subscriber.
    let started = if json {
        tracing::subscriber::set_global_default(registry.with(layer.json()))
    } else {
        tracing::subscriber::set_global_default(registry.with(layer.event_format(Lines)))
    };
    if started.is_ok() {
        LEVEL.get_or_init(|| handle);
    }
    Ok(())
}

/// Changes the level of the running log.
///
/// # Errors
/// When `level` is not a level; the old one stays.
pub fn set_level(level: &str) -> Result<(), UnknownLevel> {
    let level = targets(parse_level(level)?);
    if let Some(handle) = LEVEL.get() {
        // The handle fails only when the subscriber is gone, and then there is no level to change.
        let _ = handle.modify(|current| *current = level);
    }
    Ok(())
}

/// Our own events at the level; those of libraries, which speak of their insides, only from debug on or as warnings.
fn targets(level: LevelFilter) -> Targets {
    let library = if level >= LevelFilter::DEBUG { level } else { level.min(LevelFilter::WARN) };
    Targets::new().with_default(library).with_target("agent", level).with_target("gossip", level)
}

fn parse_level(text: &str) -> Result<LevelFilter, UnknownLevel> {
    match text.to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" => Ok(LevelFilter::DEBUG),
        "info" => Ok(LevelFilter::INFO),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "err" | "error" => Ok(LevelFilter::ERROR),
        _ => Err(UnknownLevel(text.to_owned())),
    }
}

/// The module path as Consul names its parts: `agent::dns` is `agent.dns`, the agent itself is `agent`.
fn target(path: &str) -> String {
    match path.trim_start_matches("agent::").replace("::", ".") {
        part if part == "agent" => part,
        part => format!("agent.{part}"),
    }
}

struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::TRACE => "[TRACE]",
            Level::DEBUG => "[DEBUG]",
            Level::INFO => "[INFO] ",
            Level::WARN => "[WARN] ",
            Level::ERROR => "[ERROR]",
        };
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        let target = target(event.metadata().target());
        let mut line = Line::default();
        event.record(&mut line);
        writeln!(out, "    {time} {level} {target}: {}{}", line.message, line.fields)
    }
}

/// Collects the message and the `: key=value` pairs of one event.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            let separator = if self.fields.is_empty() { ": " } else { " " };
            // Writing to a String cannot fail.
            let _ = write!(self.fields, "{separator}{}={value:?}", field.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_named_as_consul_names_parts() {
        assert_eq!(
            (target("agent::dns::udp"), target("agent::agent"), target("openraft")),
            ("agent.dns.udp".to_owned(), "agent".to_owned(), "agent.openraft".to_owned())
        );
    }

    #[test]
    fn levels_are_known_by_both_spellings() {
        assert_eq!(parse_level("ERR").ok(), Some(LevelFilter::ERROR));
        assert_eq!(parse_level("warning").ok(), Some(LevelFilter::WARN));
        assert!(parse_level("zz").is_err_and(|error| error.to_string().contains("zz")));
    }
}
