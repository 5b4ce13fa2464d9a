//! Every key of the configuration, declared once: name, type, default, meaning, flag, and how far Concord has it.
//!
//! The rows are in `schema/settings.rs` (what works) and `schema/foreign.rs` (what Consul has besides). The fields of
//! service and check definitions are in `schema/definitions.rs`. Files, flags, help and rendering all read these.

mod definitions;
mod entries;
mod foreign;
mod settings;
mod tls;

pub use definitions::{CHECK, Field, FieldKind, SERVICE, WATCH};
pub use entries::{EntryField, EntryShape, entry_fields};

/// The type of a setting's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Text.
    Text,
    /// A duration as Go writes it.
    Duration,
    /// A list of texts; the lists of all sources are joined.
    TextList,
    /// Texts by name; the maps of all sources are joined.
    TextMap,
    /// Durations by name; the maps of all sources are joined.
    DurationMap,
    /// Definitions with these fields, one or a list; the lists of all sources are joined.
    Definitions(&'static [Field]),
    /// Any value: a key that is only recognised.
    Any,
}

/// How far Concord has a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It works.
    Works,
    /// Accepted in silence, because there is nothing to do for it.
    Moot,
    /// Accepted with a warning that says this, unless it has the default value.
    NoEffect(&'static str),
    /// Refused, unless it has the default value; this says what to do.
    NotYet(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Full name with dots, as `dns_config.allow_stale`.
    pub key: &'static str,
    /// Another name that means the same; empty when there is none.
    pub alias: &'static str,
    /// Type.
    pub kind: Kind,
    /// Default as JSON; `null` when there is none.
    pub default: &'static str,
    /// Command line flag of `consul agent` without the dash; empty when there is none.
    pub flag: &'static str,
    /// What it does, for help and documentation.
    pub doc: &'static str,
    /// Whether a reload takes a change up.
    pub reloadable: bool,
    /// How far Concord has it.
    pub support: Support,
}

impl Setting {
    const fn new(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { key, alias: "", kind, default, flag: "", doc, reloadable: false, support: Support::Works }
    }

    const fn flag(self, flag: &'static str) -> Self {
        Self { flag, ..self }
    }

    const fn alias(self, alias: &'static str) -> Self {
        Self { alias, ..self }
    }

    const fn reloadable(self) -> Self {
        Self { reloadable: true, ..self }
    }

    const fn support(self, support: Support) -> Self {
        Self { support, ..self }
    }
}

/// All rows.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    settings::SETTINGS.iter().chain(tls::FLAT).chain(tls::BLOCKS.as_flattened()).chain(foreign::FOREIGN)
}

/// The row of a key (ignoring case) or of its alias.
#[must_use]
pub fn setting(key: &str) -> Option<&'static Setting> {
    settings()
        .find(|row| row.key.eq_ignore_ascii_case(key) || (!row.alias.is_empty() && row.alias.eq_ignore_ascii_case(key)))
}

/// The row that a flag of `consul agent` sets.
#[must_use]
pub fn setting_of_flag(flag: &str) -> Option<&'static Setting> {
    settings().find(|row| !row.flag.is_empty() && row.flag == flag)
}

/// Whether keys below this one exist, as for `dns_config`.
#[must_use]
pub(crate) fn is_section(path: &str) -> bool {
    settings().any(|row| {
        row.key.len() > path.len()
            && row.key.as_bytes()[path.len()] == b'.'
            && row.key.get(..path.len()).is_some_and(|head| head.eq_ignore_ascii_case(path))
    })
}

/// Settings of dev mode, laid over the defaults.
pub(crate) const DEV_OVERLAY: &str = r#"{
    "server": true, "bootstrap": true, "log_level": "DEBUG", "enable_debug": true, "ui_config": {"enabled": true},
    "disable_anonymous_signature": true, "disable_keyring_file": true, "connect": {"enabled": true},
    "gossip_lan": {"gossip_interval": "100ms", "probe_interval": "100ms", "probe_timeout": "100ms", "suspicion_mult": 3},
    "gossip_wan": {"gossip_interval": "100ms", "probe_interval": "100ms", "probe_timeout": "100ms", "suspicion_mult": 3}
}"#;
