//! Every limit of the server's requests, in one place.

use std::time::Duration;

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

/// How long the index of a deleted key is remembered.
pub const TOMBSTONE_TTL: Duration = Duration::from_secs(900);

/// Tombstones are reaped in groups that were made within this time.
pub const TOMBSTONE_GRANULARITY: Duration = Duration::from_secs(30);
