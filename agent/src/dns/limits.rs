//! Bounds of the DNS interface.

use std::time::Duration;

/// Tasks that read from one UDP socket.
pub const UDP_WORKERS: usize = 2;

/// UDP questions that wait for a server or recursor at once, per socket; more are dropped, and the clients ask again.
pub const UDP_WAITING_MAX: usize = 4096;

/// Receive buffer of a UDP socket, bytes; the system may grant less.
pub const UDP_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Largest request over UDP that is read, bytes. Requests have one question and at most an OPT record.
pub const UDP_REQUEST_BYTES_MAX: usize = 4096;

/// TCP connections at once, per address listened on.
pub const TCP_CONNECTIONS_MAX: usize = 1024;

/// TCP connections at once of one client address, so that nobody takes all of them.
pub const TCP_PER_CLIENT_MAX: usize = 128;

/// How long a TCP client may take for its next whole request, and for taking an answer.
pub const TCP_IDLE: Duration = Duration::from_secs(10);

/// Connections that wait to be accepted.
pub const TCP_BACKLOG: i32 = 256;

/// How long a lookup may take; clients ask again after about five seconds.
pub const LOOKUP_WAIT: Duration = Duration::from_secs(4);

/// Pause after the system refused to accept a connection.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Longest chain of aliases that is followed for one answer.
pub const ALIASES_MAX: usize = 5;

/// Most SRV targets outside the catalog that are resolved for one answer.
pub const TARGETS_MAX: usize = 16;

/// Answers of recursors that are kept at once.
pub const KEPT_ANSWERS_MAX: usize = 4096;

/// Largest answer of a recursor that is kept, bytes.
pub const KEPT_BYTES_MAX: usize = 4096;

/// Longest that an answer of a recursor is kept, whatever it says itself.
pub const KEPT_TTL_MAX: Duration = Duration::from_secs(3600);
