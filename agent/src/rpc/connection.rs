//! The calling side of one connection: many calls at once, one task that writes, one that reads.
//!
//! Dropping the future of a call takes the call back (`Cancel`). When the connection breaks, every waiting call ends
//! with [`CallError::Lost`]: it may or may not have been done.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, FrameError, Greeting, Kind, WELCOME_BYTES, Welcome};
use super::limits;
use super::wire::{Reader, Wire, Writer};
use crate::tls::{Dial, reason};

/// Why a call brought no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No connection could be made, or it broke before the call was handed to it: the call was certainly not done.
    #[error("{0}")]
    NotSent(String),
    /// The server did not begin the call: too many are in work.
    #[error("the server has too many calls in work")]
    Refused,
    /// The connection broke, or no answer came in time: the call may or may not have been done.
    #[error("{0}")]
    Lost(String),
}

impl CallError {
    /// Whether the call was certainly not begun, so that it may be tried elsewhere.
    #[must_use]
    pub fn is_not_done(&self) -> bool {
        !matches!(self, Self::Lost(_))
    }
}

type Waiting = HashMap<u64, oneshot::Sender<Result<Bytes, CallError>>>;

struct Shared {
    /// `None` once the connection is closed.
    waiting: Mutex<Option<Waiting>>,
    next_call: AtomicU64,
    closed: CancellationToken,
}

impl Shared {
    fn with_waiting<R>(&self, act: impl FnOnce(&mut Option<Waiting>) -> R) -> R {
        // A panic while the lock is held leaves the map usable: it is only inserted into and removed from.
        act(&mut self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn close(&self, why: &str) {
        self.closed.cancel();
        if let Some(waiting) = self.with_waiting(Option::take) {
            for (_, sender) in waiting {
                // The caller may have gone.
                let _ = sender.send(Err(CallError::Lost(why.to_owned())));
            }
        }
    }
}

/// One open connection. Cloning shares it; it closes when the last clone is gone.
#[derive(Clone)]
pub struct Connection {
    frames: mpsc::Sender<Frame>,
    shared: Arc<Shared>,
}

/// Takes a call back when its future is dropped before the answer came.
struct TakeBack<'a> {
    connection: &'a Connection,
    call: u64,
}

impl Drop for TakeBack<'_> {
    fn drop(&mut self) {
        let waited =
            self.connection.shared.with_waiting(|it| it.as_mut().is_some_and(|it| it.remove(&self.call).is_some()));
        if waited {
            let frame = Frame { kind: Kind::Cancel, method: 0, call: self.call, payload: Bytes::new() };
            // A full queue only means that the server answers into the void.
            let _ = self.connection.frames.try_send(frame);
        }
    }
}

impl Connection {
    /// Connects and greets.
    ///
    /// # Errors
    /// [`CallError::NotSent`] naming the address and the cause.
    pub async fn open(address: SocketAddr, greeting: Greeting, dial: Dial) -> Result<Self, CallError> {
        let not_sent = |cause: String| CallError::NotSent(format!("cannot reach the server at {address}: {cause}"));
        let stream = match timeout(limits::CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(not_sent(error.to_string())),
            Err(_) => return Err(not_sent("connecting took too long".to_owned())),
        };
        tune(&stream).map_err(|error| not_sent(error.to_string()))?;
        let greet = async {
            let mut wire = dial.wrap(stream).await?;
            let mut answer = [0; WELCOME_BYTES];
            let exchange = async {
                wire.writer.write_all(&greeting.encode()).await?;
                wire.writer.flush().await?;
                wire.reader.read_exact(&mut answer).await
            };
            // With TLS 1.3 the refusal of our certificate comes as the answer.
            exchange.await.map_err(|error: std::io::Error| reason(&error))?;
            Ok::<_, String>((wire, answer))
        };
        // Boxed, because a handshake is big and connections are opened deep inside of calls.
        let (wire, answer) = match timeout(limits::GREETING_TIMEOUT, Box::pin(greet)).await {
            Ok(Ok(greeted)) => greeted,
            Ok(Err(cause)) => return Err(not_sent(cause)),
            Err(_) => return Err(not_sent("it did not answer the greeting".to_owned())),
        };
        match Welcome::decode(answer) {
            Ok(Welcome::Yes) => Ok(Self::run(wire)),
            Ok(Welcome::WrongServer) => Err(not_sent("another server has this address now".to_owned())),
            Ok(Welcome::WrongVersion) => Err(not_sent("it speaks another version of the protocol".to_owned())),
            Ok(Welcome::Full) => Err(not_sent("it has too many connections".to_owned())),
            Ok(Welcome::WantsTls) => Err(not_sent("it takes TLS alone; set verify_outgoing and ca_file".to_owned())),
            Ok(Welcome::NotAServer) => {
                Err(not_sent("it says that the certificate of this agent is not that of a server".to_owned()))
            }
            Err(error) => Err(not_sent(error.to_string())),
        }
    }

    fn run(wire: Wire) -> Self {
        let Wire { reader, writer } = wire;
        let (frames, queue) = mpsc::channel(limits::WRITE_QUEUE_FRAMES);
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Some(HashMap::new())),
            next_call: AtomicU64::new(1),
            closed: CancellationToken::new(),
        });
        tokio::spawn(write_frames(writer, queue, shared.closed.clone()));
        tokio::spawn(read_replies(reader, shared.clone()));
        Self { frames, shared }
    }

    /// Whether the connection can no longer be used.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }

    /// Closes the connection; all waiting calls are lost.
    pub fn close(&self, why: &str) {
        self.shared.close(why);
    }

    /// Calls a method and waits for the answer, for ever: the caller sets the time. Calls begin in the order in which
    /// their futures are first polled.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(&self, method: u8, payload: Bytes) -> Result<Bytes, CallError> {
        let closed = || CallError::NotSent("the connection was closed".to_owned());
        let call = self.shared.next_call.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        let open = self.shared.with_waiting(|it| it.as_mut().map(|it| it.insert(call, sender)).is_some());
        if !open {
            return Err(closed());
        }
        let _take_back = TakeBack { connection: self, call };
        let frame = Frame { kind: Kind::Call, method, call, payload };
        if self.frames.send(frame).await.is_err() {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(CallError::Lost("the connection was closed".to_owned())))
    }
}

/// Sets what every socket of the RPC has: no delay, and probes that find a peer that went away without a word.
pub(super) fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(limits::KEEPALIVE_IDLE)
        .with_interval(limits::KEEPALIVE_INTERVAL)
        .with_retries(limits::KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(limits::KEEPALIVE_IDLE + limits::KEEPALIVE_INTERVAL * limits::KEEPALIVE_RETRIES))
}

/// Writes frames until the queue or the connection closes; what waits is gathered into one write.
pub(super) async fn write_frames(mut writer: Writer, mut queue: mpsc::Receiver<Frame>, closed: CancellationToken) {
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    loop {
        let frame = tokio::select! {
            frame = queue.recv() => frame,
            () = closed.cancelled() => None,
        };
        let Some(frame) = frame else { break };
        frame.encode(&mut buffer);
        while buffer.len() < limits::WRITE_BATCH_BYTES {
            let Ok(frame) = queue.try_recv() else { break };
            frame.encode(&mut buffer);
        }
        let write = async {
            writer.write_all(&buffer).await?;
            writer.flush().await
        };
        let written = tokio::select! {
            written = timeout(limits::FRAME_TIMEOUT, write) => matches!(written, Ok(Ok(()))),
            () = closed.cancelled() => false,
        };
        if !written {
            break;
        }
        buffer.clear();
        if buffer.capacity() > 2 * limits::WRITE_BATCH_BYTES {
            buffer = BytesMut::with_capacity(8 * 1024);
        }
    }
    closed.cancel();
    // TLS tells the end of a connection; whether that arrives does not matter.
    let _ = timeout(limits::GOODBYE_TIMEOUT, writer.shutdown()).await;
}

/// Reads the next frame; `Ok(None)` at the end of the connection.
pub(super) async fn read_frame(
    reader: &mut Reader,
    buffer: &mut BytesMut,
    max: usize,
) -> Result<Option<Frame>, ReadError> {
    loop {
        if let Some(frame) = Frame::decode(buffer, max)? {
            return Ok(Some(frame));
        }
        // Memory follows what has come: at most double, never what a peer merely announces.
        buffer.reserve(buffer.len().clamp(4 * 1024, 1024 * 1024));
        let count = if buffer.is_empty() {
            match reader.read_buf(buffer).await {
                // Who was killed did not say goodbye, as TLS wants it. Between frames nothing is lost by that.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
                read => read?,
            }
        } else {
            timeout(limits::FRAME_TIMEOUT, reader.read_buf(buffer)).await.map_err(|_| ReadError::Slow)??
        };
        if count == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(ReadError::Cut) };
        }
    }
}

/// Why reading from a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("the peer stopped in the middle of a frame")]
    Slow,
    #[error("the connection ended in the middle of a frame")]
    Cut,
}

async fn read_replies(mut reader: Reader, shared: Arc<Shared>) {
    let mut buffer = BytesMut::new();
    let why = loop {
        let read = tokio::select! {
            read = read_frame(&mut reader, &mut buffer, limits::FRAME_TO_CLIENT_MAX) => read,
            () = shared.closed.cancelled() => break "the connection was closed".to_owned(),
        };
        let frame = match read {
            Ok(Some(frame)) => frame,
            Ok(None) => break "the server closed the connection".to_owned(),
            Err(error) => break error.to_string(),
        };
        let answer = match frame.kind {
            Kind::Reply => Ok(frame.payload),
            Kind::Refused => Err(CallError::Refused),
            Kind::Call | Kind::Cancel => break "the server sent a call".to_owned(),
        };
        let sender = shared.with_waiting(|it| it.as_mut().and_then(|it| it.remove(&frame.call)));
        if let Some(sender) = sender {
            // The caller may have gone meanwhile.
            let _ = sender.send(answer);
        }
    };
    shared.close(&why);
}
