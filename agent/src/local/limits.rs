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
/// Programs of checks that run at the same moment; others wait for their turn.
pub const CONCURRENT_PROGRAMS_MAX: usize = 64;
/// Checks that are at the network at the same moment; others wait for their turn. More than programs, so that many
/// targets that hang do not hold up those that answer.
pub const CONCURRENT_PROBES_MAX: usize = 512;
/// Bytes read of the body that an HTTP check gets, unless more output is to be kept.
pub const BODY_BYTES_READ_MAX: usize = 10 << 10;
/// How long a UDP check waits for a refusal.
pub const UDP_SILENCE: Duration = Duration::from_secs(1);
/// How long the output of a program is waited for after it has ended, if others hold it open.
pub const SCRIPT_LINGER: Duration = Duration::from_millis(200);
/// Shortest time between two questions of one alias check about another node.
pub const ALIAS_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Wait after a question about another node's checks that failed, and longest wait for a change of them.
pub const ALIAS_RETRY: Duration = Duration::from_secs(60);

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
/// How long the answer to a registration waits for the catalog to have it.
pub const CATALOG_WAIT_MAX: Duration = Duration::from_secs(1);
/// Removals that are on their way to the servers at once, so that they share a write to the disk there.
pub const REMOVALS_AT_ONCE: usize = 64;
/// Registrations in one write.
pub const REGISTRATIONS_PER_WRITE_MAX: usize = 64;
/// Bytes of registrations in one write, roughly.
pub const REGISTRATION_BYTES_PER_WRITE_MAX: usize = 256 << 10;

/// Largest SRV weight.
pub const WEIGHT_MAX: i64 = 65_535;
