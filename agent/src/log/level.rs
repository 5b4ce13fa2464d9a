//! Levels: the log's own, and what follows from it for libraries.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::layer::{Context, Filter as LayerFilter};

/// The text names none of the levels.
#[derive(Debug, thiserror::Error)]
#[error("Unknown log level: {0}")]
pub struct UnknownLevel(pub String);

/// A level that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Verbosity(LevelFilter);

impl Verbosity {
    pub(super) fn parse(text: &str) -> Result<Self, UnknownLevel> {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Ok(Self(LevelFilter::TRACE)),
            "debug" => Ok(Self(LevelFilter::DEBUG)),
            "info" => Ok(Self(LevelFilter::INFO)),
            "warn" | "warning" => Ok(Self(LevelFilter::WARN)),
            "err" | "error" => Ok(Self(LevelFilter::ERROR)),
            _ => Err(UnknownLevel(text.to_owned())),
        }
    }

    /// Whether an event is wanted: our own at the level; those of libraries, which speak of their insides hundreds of
    /// times a second, only with `trace` or as warnings.
    pub(super) fn admits(self, target: &str, level: &Level) -> bool {
        let own = ["agent", "gossip"].iter().any(|name| target.starts_with(name));
        let limit = match self.0 {
            level if own => level,
            LevelFilter::TRACE => LevelFilter::DEBUG,
            level => level.min(LevelFilter::WARN),
        };
        *level <= limit
    }
}

/// What may reach any output.
pub(super) struct Filter(pub(super) Verbosity);

impl<S> LayerFilter<S> for Filter {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.0.admits(metadata.target(), metadata.level())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        if self.0.admits(metadata.target(), metadata.level()) {
            tracing::subscriber::Interest::always()
        } else {
            tracing::subscriber::Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_known_by_both_spellings() {
        assert_eq!(Verbosity::parse("ERR").ok(), Some(Verbosity(LevelFilter::ERROR)));
        assert_eq!(Verbosity::parse("warning").ok(), Some(Verbosity(LevelFilter::WARN)));
        assert!(Verbosity::parse("zz").is_err_and(|error| error.to_string() == "Unknown log level: zz"));
    }

    #[test]
    fn libraries_are_quieter_than_we_are() {
        let info = Verbosity::parse("info").unwrap();
        assert!(info.admits("agent::dns", &Level::INFO) && info.admits("openraft::core", &Level::WARN));
        assert!(!info.admits("openraft::core", &Level::INFO) && !info.admits("agent::dns", &Level::DEBUG));
        assert!(!Verbosity::parse("debug").unwrap().admits("openraft::core", &Level::INFO));
        assert!(Verbosity::parse("trace").unwrap().admits("openraft::core", &Level::DEBUG));
    }
}
