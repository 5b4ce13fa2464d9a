//! Every limit of the RPC layer, in one place.

use std::time::Duration;

/// Largest frame that a server accepts, bytes. A transaction of 64 values of 512 KiB does not fit; Consul's Raft has
/// the same practical bound. Memory grows with the bytes that came, not with the length that was claimed.
pub const FRAME_TO_SERVER_MAX: usize = 32 * 1024 * 1024;

/// Largest answer that a caller accepts, bytes.
pub const FRAME_TO_CLIENT_MAX: usize = 512 * 1024 * 1024;

/// Connections that a server serves at once, over all peers.
pub const CONNECTIONS_MAX: usize = 8192;

/// Connections that a server serves at once from one address (`limits.rpc_max_conns_per_client`).
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 100;

/// Calls in work at once on one connection; more are refused as busy.
pub const CALLS_PER_CONNECTION_MAX: usize = 16_384;

/// Frames waiting for the writer of a connection; whoever sends more waits.
pub const WRITE_QUEUE_FRAMES: usize = 256;

/// Bytes gathered into one write.
pub const WRITE_BATCH_BYTES: usize = 256 * 1024;

/// Time to connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Refusals at once; who comes while all are under way is cut off without a word.
pub const REFUSALS_MAX: usize = 64;

/// Time to say the end of a connection.
pub const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for the greeting with the handshake, on both sides (`limits.rpc_handshake_timeout` on the called one).
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// A frame that has begun must be complete after this time, and one write must be taken by the peer.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// Silence after which the kernel begins to probe the peer.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);

/// Time between the kernel's probes, and the number of unanswered ones that end the connection.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// See [`KEEPALIVE_INTERVAL`].
pub const KEEPALIVE_RETRIES: u32 = 3;

/// How long requests are held while there is no leader (`performance.rpc_hold_timeout`).
pub const HOLD_TIMEOUT: Duration = Duration::from_secs(7);

/// Pause between tries while requests are held.
pub const HOLD_RETRY: Duration = Duration::from_millis(20);

/// How long an answer to a non-blocking request may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Most time that a blocking query may wait, plus a sixteenth of jitter, plus time to answer.
pub const BLOCKING_CALL_EXTRA: Duration = Duration::from_secs(15);
