//! Limits and intervals of telemetry.

use std::time::Duration;

/// Length of the intervals whose figures `/v1/agent/metrics` shows.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// Most series; a name or label beyond it is not recorded, only counted as dropped.
pub const SERIES_MAX: usize = 4096;
/// Most values of a measured series that are kept in an interval for the quantiles; later ones replace random ones.
pub const VALUES_MAX: usize = 256;
/// Most characters of a label's value; a longer one is cut.
pub const LABEL_CHARS_MAX: usize = 256;
/// Most events that wait for a sink; more are dropped.
pub const SINK_EVENTS_MAX: usize = 4096;
/// Most bytes of one packet to a sink, within the usual MTU.
pub const SINK_PACKET_BYTES_MAX: usize = 1400;
