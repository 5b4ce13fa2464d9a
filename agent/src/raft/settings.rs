//! What a Raft node needs to know, and how it becomes openraft's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use model::NodeName;
use openraft::{Config, SnapshotPolicy};
use uuid::Uuid;

/// Heartbeats at multiplier 1, milliseconds. A follower waits for the lease (the longest election time) and then for a
/// random election time, so a killed leader is replaced after 0.9 to 1.2 s. With 100/500/1000 it took 1.6 to 1.9 s; half
/// of the times here caused no election without need under full load on two shared processors.
const HEARTBEAT_MS: u64 = 60;
const ELECTION_MS_MIN: u64 = 300;
const ELECTION_MS_MAX: u64 = 600;

/// Range of `performance.raft_multiplier`, as in Consul. Our default is 1, Consul's 5: heartbeats have a connection of
/// their own here and are answered before the disk is asked.
pub const MULTIPLIER_MAX: u32 = 10;

/// Entries in one append request at most; also bounded by bytes.
const APPEND_ENTRIES_MAX: u64 = 1024;

/// Settings of one Raft node.
#[derive(Clone, Debug)]
pub struct RaftSettings {
    /// Identity of the server.
    pub id: Uuid,
    /// Node name.
    pub name: NodeName,
    /// Where other servers reach its RPC.
    pub address: SocketAddr,
    /// `-data-dir`; `None` keeps everything in memory.
    pub data_dir: Option<PathBuf>,
    /// Scales all times, 1 to [`MULTIPLIER_MAX`].
    pub multiplier: u32,
    /// Entries between two snapshots (`raft_snapshot_threshold`).
    pub snapshot_threshold: u64,
    /// Entries kept behind a snapshot for followers that lag (`raft_trailing_logs`).
    pub trailing_logs: u64,
}

/// The times in force under the names that `/v1/agent/self` has for them: a leader's lease is the longest time in which
/// nobody starts an election after its last heartbeat.
#[must_use]
pub fn raft_times(multiplier: u32) -> [(&'static str, Duration); 3] {
    let scaled =
        |milliseconds: u64| Duration::from_millis(milliseconds * u64::from(multiplier.clamp(1, MULTIPLIER_MAX)));
    [
        ("ConsulRaftHeartbeatTimeout", scaled(HEARTBEAT_MS)),
        ("ConsulRaftElectionTimeout", scaled(ELECTION_MS_MAX)),
        ("ConsulRaftLeaderLeaseTimeout", scaled(ELECTION_MS_MAX)),
    ]
}

impl RaftSettings {
    /// Settings with the defaults.
    #[must_use]
    pub fn new(id: Uuid, name: NodeName, address: SocketAddr, data_dir: Option<PathBuf>) -> Self {
        Self { id, name, address, data_dir, multiplier: 1, snapshot_threshold: 16_384, trailing_logs: 10_240 }
    }

    fn scale(&self) -> u64 {
        u64::from(self.multiplier.clamp(1, MULTIPLIER_MAX))
    }

    /// Time in which an election is over, usually.
    #[must_use]
    pub fn election_time(&self) -> Duration {
        Duration::from_millis(2 * ELECTION_MS_MAX * self.scale())
    }

    pub(super) fn to_config(&self) -> Config {
        let scale = self.scale();
        let threshold = self.snapshot_threshold.max(1);
        Config {
            cluster_name: "concord".to_owned(),
            heartbeat_interval: HEARTBEAT_MS * scale,
            heartbeat_min_interval: Some(HEARTBEAT_MS * scale),
            election_timeout_min: ELECTION_MS_MIN * scale,
            election_timeout_max: ELECTION_MS_MAX * scale,
            max_payload_entries: APPEND_ENTRIES_MAX,
            enable_pre_vote: Some(true),
            // A leader that starts again at once as leader of its old term does not know what it had confirmed last, and
            // would answer from before that. A new election tells it.
            enable_leader_restore: Some(false),
            snapshot_policy: SnapshotPolicy::LogsSinceLast(threshold),
            max_in_snapshot_log_to_keep: self.trailing_logs,
            // A follower that lags more than this gets a snapshot; it must exceed the distance of two snapshots.
            replication_lag_threshold: threshold + self.trailing_logs + 1,
            purge_batch_size: 1024.min(threshold),
            install_snapshot_timeout: 600_000,
            ..Config::default()
        }
    }
}
