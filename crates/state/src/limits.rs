//! Every limit of the store, in one place.

/// Deepest nesting of maps and lists in a command or snapshot record; deeper ones are refused, because decoding recurses.
pub const NESTING_MAX: usize = 64;

/// Largest record of a snapshot, bytes; a record that claims more is refused before anything is read.
pub const SNAPSHOT_RECORD_BYTES_MAX: u32 = 256 << 20;

/// What a past version of a key counts in memory beside its key and value, bytes.
pub const HISTORY_VERSION_BYTES: usize = 200;

/// Longest lock-delay, nanoseconds; sessions may ask for more and get this.
pub const LOCK_DELAY_MAX_NANOS: u64 = 60_000_000_000;

/// Most keys that one command copies or moves: it holds up all other commands while it works.
pub const COPIED_KEYS_MAX: usize = 100_000;

/// An old version of the state with at least this many fewer or other values should be dropped off the hot thread.
pub const RETIRED_BIG_VALUES: usize = 10_000;

/// Longest name of a template that is ever looked for, bytes.
pub const TEMPLATE_NAME_BYTES_MAX: usize = 1024;
