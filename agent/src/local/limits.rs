//! The limits and times of local registrations, checks and anti-entropy, named in one place.

use std::time::Duration;

/// Shortest time between two runs of a check; shorter ones are raised to it.
pub const CHECK_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Longest run of an HTTP or TCP check that gives none.
pub const CHECK_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Longest run of a script that gives none.
pub const SCRIPT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Shortest time in critical state before a service is deregistered; shorter ones are raised to it.
pub const CRITICAL_TIMEOUT_MIN: Duration = Duration::from_secs(60);
/// Time between two looks at whether a sidecar listens.
pub const SIDECAR_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Time between two looks for services that are critical for too long.
pub const REAP_INTERVAL: Duration = Duration::from_secs(30);
/// Checks that run at the same moment; others wait for their turn.
pub const CONCURRENT_CHECKS_MAX: usize = 64;

/// Services that one agent takes.
pub const SERVICES_MAX: usize = 16_384;
/// Checks that one agent takes.
pub const CHECKS_MAX: usize = 65_536;
/// Largest file of a kept registration, bytes; larger ones are not ours.
pub const KEPT_FILE_BYTES_MAX: u64 = 4 << 20;

/// Time between two full comparisons with the catalog in a small cluster.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(60);
/// Cluster size up to which [`SYNC_INTERVAL`] is not stretched.
pub const SYNC_SCALE_FROM: usize = 128;
/// First wait after a failed synchronisation; doubled on each further failure.
pub const SYNC_RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest wait after failed synchronisations.
pub const SYNC_RETRY_MAX: Duration = Duration::from_secs(15);
/// Registrations in one write.
pub const REGISTRATIONS_PER_WRITE_MAX: usize = 64;
/// Bytes of registrations in one write, roughly.
pub const REGISTRATION_BYTES_PER_WRITE_MAX: usize = 256 << 10;

/// Pairs in the metadata of a service.
pub const META_PAIRS_MAX: usize = 64;
/// Length of a metadata key, characters.
pub const META_KEY_MAX: usize = 128;
/// Length of a metadata value, characters.
pub const META_VALUE_MAX: usize = 512;
/// Largest SRV weight.
pub const WEIGHT_MAX: i64 = 65_535;
