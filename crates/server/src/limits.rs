//! Every limit of the server's requests, in one place.

use std::time::Duration;

/// The time in which the brake on mass failures counts.
pub const BRAKE_WINDOW: Duration = Duration::from_secs(60);

/// How long a blocking query waits when it does not say.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(300);

/// Longest wait of a blocking query, before jitter.
pub const WAIT_MAX: Duration = Duration::from_secs(600);

/// A blocking query waits up to this part of its wait longer, so that those who came together do not return together.
pub const JITTER_PART: u32 = 16;

/// Most answers that are kept to be shared between equal queries.
pub const SHARED_ANSWERS_MAX: usize = 4096;

/// Most bytes of answers that are kept to be shared between equal queries.
pub const SHARED_BYTES_MAX: usize = 64 << 20;

/// Shortest TTL of a session, unless a server is configured otherwise.
pub const SESSION_TTL_MIN: Duration = Duration::from_secs(10);

/// Longest TTL of a session.
pub const SESSION_TTL_MAX: Duration = Duration::from_secs(86_400);

/// How long after its TTL a session that was not renewed expires: for renewals that are on their way.
pub const SESSION_GRACE: Duration = Duration::from_secs(1);

/// Lock-delays that began within this time count as one, from the last of them on.
pub const LOCK_DELAY_GRANULARITY: Duration = Duration::from_millis(20);

/// How long lock-delays are remembered: longer than the longest of them.
pub const LOCK_DELAY_KEPT: Duration = Duration::from_secs(62);
/// Most tokens whose rights a server keeps at hand.
pub const CALLERS_MAX: usize = 65_536;

/// Shortest life of a token that expires.
pub const TOKEN_TTL_MIN: Duration = Duration::from_secs(60);

/// Longest life of a token that expires.
pub const TOKEN_TTL_MAX: Duration = Duration::from_secs(24 * 3600);

/// Most expired tokens that are deleted at once.
pub const REAPED_TOKENS_MAX: usize = 1024;
/// Most coordinates that wait on the leader to be written.
pub const COORDINATES_WAITING_MAX: usize = 65_536;

/// Coordinates that are written as one command.
pub const COORDINATES_PER_COMMAND_MAX: usize = 128;

/// Deepest nesting of an expression in a template.
pub const EXPRESSION_DEPTH_MAX: usize = 32;

/// How far down the nearest instances the node itself is looked for, to be put first.
pub const NEAREST_SEARCHED_MAX: usize = 10;

/// Pairs of metadata that a prepared query may ask nodes for.
pub const QUERY_META_PAIRS_MAX: usize = 64;

/// Longest key of those, bytes.
pub const QUERY_META_KEY_MAX: usize = 128;

/// Longest value of those, bytes.
pub const QUERY_META_VALUE_MAX: usize = 512;

/// Shortest life of a key that expires.
pub const KEY_TTL_MIN: Duration = Duration::from_secs(1);

/// Longest life of a key that expires: ten years.
pub const KEY_TTL_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Most expired keys that are deleted at once.
pub const EXPIRED_KEYS_MAX: u32 = 1024;

/// The clock on the wall may be set while the leader waits for a key to expire: then it notices after this time.
pub const EXPIRY_WAIT_MAX: Duration = Duration::from_secs(30);

/// How long the index of a deleted key is remembered.
pub const TOMBSTONE_TTL: Duration = Duration::from_secs(900);

/// Tombstones are reaped in groups that were made within this time.
pub const TOMBSTONE_GRANULARITY: Duration = Duration::from_secs(30);
