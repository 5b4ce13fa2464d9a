//! The members a pool knew, in a text file of one address per line, so that a restarted node finds
//! its cluster again without being told. Empty after a graceful leave.

use super::shared::Shared;
use gossip::{Member, Status};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Addresses kept.
const ADDRESSES_MAX: usize = 256;
/// Bytes read of a file, whatever its size.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// Pause between rounds of attempts.
const ROUND_PAUSE: Duration = Duration::from_secs(3);

/// Reads the file; a missing or damaged one is an empty one.
pub(super) async fn read(path: &Path) -> Vec<SocketAddr> {
    match tokio::fs::read(path).await {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(FILE_BYTES_MAX)]).into_owned();
            text.lines().filter_map(|line| line.parse().ok()).take(ADDRESSES_MAX).collect()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read known peers");
            Vec::new()
        }
    }
}

/// Writes those members that may be there after a restart.
pub(super) async fn write(path: &Path, members: Arc<Vec<Member>>) {
    let path = path.to_owned();
    let written = tokio::task::spawn_blocking(move || write_now(&path, &members)).await;
    if let Ok(Err((path, error))) = written {
        tracing::warn!(path = %path.display(), %error, "cannot write known peers");
    }
}

fn write_now(path: &Path, members: &[Member]) -> Result<(), (PathBuf, std::io::Error)> {
    let mut text = String::new();
    let here = members.iter().filter(|member| matches!(member.status, Status::Alive | Status::Failed));
    for member in here.take(ADDRESSES_MAX) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", member.addr);
    }
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, text).and_then(|()| std::fs::rename(&fresh, path)).map_err(|error| (path.to_owned(), error))
}

/// Joins through known peers, round after round, until one answers.
pub(super) async fn rejoin(shared: Arc<Shared>, known: Vec<SocketAddr>) {
    loop {
        let attempts: Vec<_> = known.iter().map(|addr| shared.join(*addr)).collect();
        for attempt in attempts {
            if let Ok(Ok(())) = attempt.await {
                return;
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(ROUND_PAUSE) => {}
        }
    }
}
