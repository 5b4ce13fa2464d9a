//! TCP streams of a pool: one frame in, at most one frame out, all within a deadline. Memory grows
//! only with bytes that arrived, and with a bound over all streams.

use super::shared::Shared;
use gossip::wire::stream::{Frame, FrameReader};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Streams served at the same time. When one more comes, the oldest is closed: an honest stream
/// takes milliseconds, so the oldest is the one most likely held open for no good.
const STREAMS_MAX: usize = 128;
/// Total time of an accepted stream.
const STREAM_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes of unfinished frames over all accepted streams.
const UNFINISHED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = 8 * 1024;
/// Pause after an accept error, such as too many open files.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn accept(shared: Arc<Shared>, tcp: TcpListener) {
    let mut tasks = JoinSet::new();
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    let unfinished = Arc::new(AtomicUsize::new(0));
    loop {
        tokio::select! {
            Some(_) = tasks.join_next() => {}
            accepted = tcp.accept() => match accepted {
                Ok((stream, from)) => {
                    open.retain(|task| !task.is_finished());
                    if open.len() >= STREAMS_MAX && let Some(oldest) = open.pop_front() {
                        oldest.abort();
                    }
                    let (shared, unfinished) = (shared.clone(), unfinished.clone());
                    open.push_back(tasks.spawn(async move {
                        match timeout(STREAM_TIME_MAX, serve(&shared, stream, unfinished)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => tracing::debug!(%from, %error, "gossip stream failed"),
                            Err(_) => tracing::debug!(%from, "gossip stream took too long"),
                        }
                    }));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept gossip streams");
                    sleep(ERROR_PAUSE).await;
                }
            },
        }
    }
}

async fn serve(shared: &Shared, mut stream: TcpStream, unfinished: Arc<AtomicUsize>) -> io::Result<()> {
    let mut share = Share { total: unfinished, mine: 0 };
    let frame = read_frame(&mut stream, Some(&mut share)).await?;
    drop(share);
    if let Some(answer) = shared.write(|inner, now| inner.core.on_frame(now, frame)) {
        stream.write_all(&answer).await?;
    }
    stream.shutdown().await
}

/// One stream's part of the unfinished bytes.
struct Share {
    total: Arc<AtomicUsize>,
    mine: usize,
}

impl Share {
    fn grow(&mut self, bytes: usize) -> io::Result<()> {
        self.mine += bytes;
        if self.total.fetch_add(bytes, Ordering::Relaxed) + bytes > UNFINISHED_BYTES_MAX {
            return Err(io::Error::other("too many bytes of unfinished gossip frames"));
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.total.fetch_sub(self.mine, Ordering::Relaxed);
    }
}

async fn read_frame(stream: &mut TcpStream, mut share: Option<&mut Share>) -> io::Result<Frame> {
    let mut reader = FrameReader::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before a whole frame came"));
        }
        if let Some(share) = &mut share {
            share.grow(len)?;
        }
        let frame = reader.push(&buffer[..len]);
        if let Some(frame) = frame.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))? {
            return Ok(frame);
        }
    }
}

/// Opens a stream from the pool's own address, sends `bytes` and waits for one frame.
pub(super) async fn exchange(from: IpAddr, to: SocketAddr, bytes: &[u8], deadline: Instant) -> Result<Frame, String> {
    match timeout_at(deadline, try_exchange(from, to, bytes)).await {
        Ok(Ok(frame)) => Ok(frame),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("timed out".to_owned()),
    }
}

async fn try_exchange(from: IpAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<Frame> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !from.is_unspecified() && from.is_ipv4() == to.is_ipv4() {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let mut stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    stream.write_all(bytes).await?;
    read_frame(&mut stream, None).await
}
