//! Every limit of the HTTP server in one place.

use std::time::Duration;

/// Largest value of a key, bytes (`limits.kv_max_value_size` may change it).
pub const KV_VALUE_BYTES_MAX: usize = 512 * 1024;
/// Largest body of a transaction, bytes (`limits.txn_max_req_len` may change it).
pub const TXN_BYTES_MAX: usize = KV_VALUE_BYTES_MAX;
/// Most operations of a transaction (`limits.txn_max_ops` may change it). Consul allows 64, later versions 128; what a
/// transaction costs is bounded by its bytes.
pub const TXN_OPERATIONS_MAX: usize = 8192;
/// Largest body of any other request, bytes.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Largest request head (line and headers), bytes; it also bounds the length of a key.
pub const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Open connections in all.
pub const CONNECTIONS_MAX: usize = 20_000;
/// How long a client may take to send a request head, and how long a kept connection may lie idle. Above the 90
/// seconds after which Go clients drop an idle connection, so that the client closes first.
pub const HEAD_WAIT: Duration = Duration::from_secs(120);
/// How long a client may pause within a request body.
pub const BODY_PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long requests in progress may go on after the server was told to stop.
pub const STOP_WAIT: Duration = Duration::from_secs(2);
/// How long a connection is read from after the last answer, so that the client gets it.
pub const LINGER_WAIT: Duration = Duration::from_millis(500);
/// Bytes that are read and thrown away meanwhile.
pub const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pause after the system refused to accept a connection (out of file descriptors).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that the kernel may hold until they are accepted.
pub const BACKLOG: i32 = 1024;
/// Largest file of an own web page (`ui_dir`), bytes.
pub const UI_FILE_BYTES_MAX: u64 = 16 << 20;
/// Smallest body that is compressed, bytes; below this the saving is not worth the work.
pub const GZIP_BYTES_MIN: usize = 1024;
/// Largest body that is compressed on the thread that serves the connection, bytes.
pub const GZIP_INLINE_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of a JSON request.
pub const JSON_DEPTH_MAX: usize = 128;
/// Pairs in a query string.
pub const QUERY_PAIRS_MAX: usize = 1000;

/// Rows that one stream of changes may watch: it remembers the names of all.
pub const STREAM_ROWS_MAX: usize = 100_000;
/// Events that wait for the reader of a stream.
pub const STREAM_FRAMES_MAX: usize = 64;
/// How long the reader of a stream may read nothing while events wait for it.
pub const STREAM_STALL_MAX: Duration = Duration::from_secs(30);
/// How long a stream is silent at most; then it says that it is alive.
pub const STREAM_PULSE: Duration = Duration::from_secs(15);

/// The limits that configuration may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest value of a key, bytes.
    pub kv_value_bytes_max: usize,
    /// Largest body of a transaction, bytes.
    pub txn_bytes_max: usize,
    /// Most operations of a transaction.
    pub txn_operations_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            kv_value_bytes_max: KV_VALUE_BYTES_MAX,
            txn_bytes_max: TXN_BYTES_MAX,
            txn_operations_max: TXN_OPERATIONS_MAX,
        }
    }
}
