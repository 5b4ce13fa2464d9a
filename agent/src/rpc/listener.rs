//! The called side: accepts connections on the server port, greets, and hands calls to a [`Handler`].
//!
//! Peers are not trusted: they get a deadline for the greeting, a size for frames, a number of connections and of calls.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::connection::{read_frame, tune, write_frames};
use super::frame::{Frame, GREETING_BYTES, Greeting, Kind, Lane, PROTOCOL_BYTE, Welcome};
use super::limits;
use super::wire::Wire;
use crate::tls::AgentTls;

/// The answer to a call, to come.
pub type Answer = Pin<Box<dyn Future<Output = Bytes> + Send>>;

/// What answers calls: the service of a server; an echo in tests.
pub trait Handler: Send + Sync + 'static {
    /// Whether a method is for servers alone.
    fn is_for_servers(&self, method: u8) -> bool;

    /// Begins a call. On the Raft lanes the first poll of the answer happens in the order of arrival.
    fn handle(&self, lane: Lane, method: u8, payload: Bytes) -> Answer;
}

/// A running listener; dropping it stops accepting and closes its connections.
pub struct Listener {
    address: SocketAddr,
    closed: CancellationToken,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Who may connect.
#[derive(Clone)]
pub struct Admission {
    /// TLS and its rules.
    pub tls: Arc<AgentTls>,
    /// Connections at once from one address; 0 for no limit.
    pub per_address_max: usize,
    /// Time for the handshake and the greeting.
    pub handshake_timeout: Duration,
}

impl Default for Admission {
    fn default() -> Self {
        let per_address_max = limits::CONNECTIONS_PER_ADDRESS_MAX;
        Self { tls: AgentTls::off(), per_address_max, handshake_timeout: limits::GREETING_TIMEOUT }
    }
}

struct Shared<H> {
    handler: H,
    server: Uuid,
    admission: Admission,
    refusals: Arc<Semaphore>,
    closed: CancellationToken,
    counts: Mutex<Counts>,
}

/// Gives the place of a connection back.
struct Place<H> {
    shared: Arc<Shared<H>>,
    address: IpAddr,
}

impl<H> Place<H> {
    fn take(shared: &Arc<Shared<H>>, address: IpAddr) -> Option<Self> {
        let mut counts = shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = counts.by_address.get(&address).copied().unwrap_or(0);
        let max = shared.admission.per_address_max;
        if counts.total >= limits::CONNECTIONS_MAX || (max > 0 && of_address >= max) {
            return None;
        }
        counts.total += 1;
        counts.by_address.insert(address, of_address + 1);
        Some(Self { shared: shared.clone(), address })
    }
}

impl<H> Drop for Place<H> {
    fn drop(&mut self) {
        let mut counts = self.shared.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

impl Listener {
    /// Listens on an address (port 0 for any) and answers for the server of this id.
    ///
    /// # Errors
    /// When the address cannot be bound; the text names it.
    pub async fn start(
        address: SocketAddr,
        server: Uuid,
        admission: Admission,
        handler: impl Handler,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen for server RPC on {address}: {error}"))
        })?;
        Self::run(listener, server, admission, handler)
    }

    /// As [`Listener::start`], on a socket that is bound already.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn run(listener: TcpListener, server: Uuid, admission: Admission, handler: impl Handler) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let closed = CancellationToken::new();
        let counts = Mutex::new(Counts { total: 0, by_address: HashMap::new() });
        let refusals = Arc::new(Semaphore::new(limits::REFUSALS_MAX));
        let shared = Arc::new(Shared { handler, server, admission, refusals, closed: closed.clone(), counts });
        tokio::spawn(accept(listener, shared));
        Ok(Self { address, closed })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept<H: Handler>(listener: TcpListener, shared: Arc<Shared<H>>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.closed.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, peer, shared).await {
                        tracing::debug!(%peer, %error, "server RPC connection ended");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: without a pause this loop would spin.
                tracing::warn!(%error, "cannot accept a server RPC connection");
                tokio::time::sleep(limits::HOLD_RETRY).await;
            }
        }
    }
}

async fn serve<H: Handler>(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared<H>>) -> io::Result<()> {
    tune(&stream)?;
    let Some(_place) = Place::take(&shared, peer.ip()) else {
        tracing::warn!(%peer, "refused a server RPC connection: too many connections");
        return refuse(stream, &shared).await;
    };
    // Boxed, so that the state of the handshake does not stay with the connection.
    let met = timeout(shared.admission.handshake_timeout, Box::pin(meet(stream, peer, &shared)));
    let met = tokio::select! {
        met = met => met.map_err(|_| io::Error::other("no greeting in time"))??,
        () = shared.closed.cancelled() => return Ok(()),
    };
    if let Some((wire, lane, is_server)) = met {
        serve_calls(wire, lane, is_server, peer, shared).await;
    }
    Ok(())
}

/// Tells a caller in plain text that there are too many; the others see the end of the connection.
async fn refuse<H>(mut stream: TcpStream, shared: &Shared<H>) -> io::Result<()> {
    let Ok(_permit) = shared.refusals.clone().try_acquire_owned() else { return Ok(()) };
    let tell = async {
        let mut greeting = [0; GREETING_BYTES];
        // Closing before it was read would reset the connection and lose the answer.
        stream.read_exact(&mut greeting).await?;
        if greeting[0] == PROTOCOL_BYTE {
            stream.write_all(&Welcome::Full.encode()).await?;
        }
        io::Result::Ok(())
    };
    timeout(limits::GOODBYE_TIMEOUT, tell).await.unwrap_or(Ok(()))
}

/// Shakes hands, reads and answers the greeting; `None` when the connection is not to be served. Tells the lane, and
/// whether the caller may do what servers do.
async fn meet<H>(stream: TcpStream, peer: SocketAddr, shared: &Shared<H>) -> io::Result<Option<(Wire, Lane, bool)>> {
    let (mut wire, caller) = match shared.admission.tls.accept_rpc(stream, peer).await {
        Ok(accepted) => accepted,
        Err(cause) => {
            tracing::info!(%peer, %cause, "refused a server RPC connection");
            return Ok(None);
        }
    };
    let first = wire.reader.read_u8().await?;
    if first != PROTOCOL_BYTE {
        tracing::info!(%peer, "closed a server RPC connection: unrecognized RPC byte: {first}");
        return Ok(None);
    }
    let mut rest = [0; GREETING_BYTES - 1];
    wire.reader.read_exact(&mut rest).await?;
    let may_serve = shared.admission.tls.check_server(&caller);
    let (welcome, lane) = match Greeting::decode_after_first(rest) {
        Err(error) => {
            tracing::info!(%peer, %error, "refused a server RPC connection");
            (Welcome::WrongVersion, None)
        }
        Ok(greeting) if greeting.server.is_some_and(|id| id != shared.server) => (Welcome::WrongServer, None),
        Ok(greeting) => match &may_serve {
            Err(cause) if greeting.lane != Lane::Requests => {
                tracing::warn!(%peer, %cause, lane = ?greeting.lane, "refused a server RPC connection");
                (Welcome::NotAServer, None)
            }
            _ => (Welcome::Yes, Some(greeting.lane)),
        },
    };
    wire.writer.write_all(&welcome.encode()).await?;
    wire.writer.flush().await?;
    Ok(lane.map(|lane| (wire, lane, may_serve.is_ok())))
}

/// The calls in work on one connection, so that they can be taken back.
type Running = Arc<Mutex<HashMap<u64, AbortHandle>>>;

async fn serve_calls<H: Handler>(wire: Wire, lane: Lane, is_server: bool, peer: SocketAddr, shared: Arc<Shared<H>>) {
    let Wire { mut reader, writer } = wire;
    let (replies, queue) = mpsc::channel(limits::WRITE_QUEUE_FRAMES);
    let closed = shared.closed.child_token();
    tokio::spawn(write_frames(writer, queue, closed.clone()));
    let places = Arc::new(Semaphore::new(limits::CALLS_PER_CONNECTION_MAX));
    let running = Running::default();
    let mut buffer = BytesMut::new();
    loop {
        let read = tokio::select! {
            read = read_frame(&mut reader, &mut buffer, limits::FRAME_TO_SERVER_MAX) => read,
            () = closed.cancelled() => break,
        };
        let frame = match read {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                tracing::info!(%peer, %error, "closed a server RPC connection");
                break;
            }
        };
        match frame.kind {
            Kind::Call if !is_server && shared.handler.is_for_servers(frame.method) => {
                let method = frame.method;
                tracing::warn!(%peer, method, "closed a server RPC connection: the caller's certificate is not that of a server");
                break;
            }
            Kind::Call => {
                let Ok(place) = places.clone().try_acquire_owned() else {
                    let refusal = Frame { kind: Kind::Refused, payload: Bytes::new(), ..frame };
                    if replies.send(refusal).await.is_err() {
                        break;
                    }
                    continue;
                };
                begin(&*shared, lane, frame, &replies, &running, place).await;
            }
            Kind::Cancel => {
                let task = running.lock().unwrap_or_else(PoisonError::into_inner).remove(&frame.call);
                if let Some(task) = task {
                    task.abort();
                }
            }
            Kind::Reply | Kind::Refused => {
                tracing::info!(%peer, "closed a server RPC connection: the caller sent an answer");
                break;
            }
        }
    }
    closed.cancel();
    // Nobody reads the answers any more: waiting queries end now instead of at their deadline.
    let tasks: Vec<AbortHandle> =
        running.lock().unwrap_or_else(PoisonError::into_inner).drain().map(|(_, task)| task).collect();
    for task in tasks {
        task.abort();
    }
}

async fn begin<H: Handler>(
    shared: &Shared<H>,
    lane: Lane,
    frame: Frame,
    replies: &mpsc::Sender<Frame>,
    running: &Running,
    place: tokio::sync::OwnedSemaphorePermit,
) {
    let Frame { method, call, payload, .. } = frame;
    let mut answer = shared.handler.handle(lane, method, payload);
    if lane != Lane::Requests
        && let std::task::Poll::Ready(payload) = futures::poll!(&mut answer)
    {
        // A closed queue means that the connection is ending, which the read loop sees too.
        let _ = replies.send(Frame { kind: Kind::Reply, method, call, payload }).await;
        return;
    }
    let replies = replies.clone();
    let on_list = running.clone();
    // The list is held until the task is on it, so that a quick task cannot leave it before it came.
    let mut list = running.lock().unwrap_or_else(PoisonError::into_inner);
    let task = tokio::spawn(async move {
        let _place = place;
        let payload = answer.await;
        on_list.lock().unwrap_or_else(PoisonError::into_inner).remove(&call);
        let _ = replies.send(Frame { kind: Kind::Reply, method, call, payload }).await;
    });
    list.insert(call, task.abort_handle());
}
