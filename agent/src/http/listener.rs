//! The HTTP server on its sockets: limits on connections, slow clients, an orderly stop.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::extract::Client;
use super::limits::{
    ACCEPT_PAUSE, CONNECTIONS_MAX, HEAD_BYTES_MAX, HEAD_WAIT, LINGER_BYTES_MAX, LINGER_WAIT, STOP_WAIT,
};
use super::sockets::{Accepted, Listener, OpenListener, Wire};
use super::{HttpState, routes};
use crate::seats::Seats;

/// Serves the API on all sockets, as many connections as there are seats, until `stop` is cancelled, then lets requests in progress finish for a moment.
///
/// # Errors
/// When a socket cannot be handed to the runtime. Unix sockets are removed at the end.
pub async fn serve(
    state: Arc<HttpState>,
    listeners: Vec<Listener>,
    seats: Arc<Seats>,
    stop: CancellationToken,
) -> io::Result<()> {
    let router = Router::new().fallback(routes::answer).with_state(state);
    let waits = Waits { head: HEAD_WAIT, stop: STOP_WAIT };
    Server::new(router, seats, waits, stop).run(listeners).await
}

/// How long the server waits for others.
#[derive(Clone, Copy)]
struct Waits {
    /// For a request head.
    head: Duration,
    /// For requests in progress, once told to stop.
    stop: Duration,
}

#[derive(Clone)]
struct Server {
    router: Router,
    connections: Arc<Semaphore>,
    seats: Arc<Seats>,
    waits: Waits,
    tasks: TaskTracker,
    /// Accept no more, finish what is in progress.
    stop: CancellationToken,
    /// Drop what is still in progress.
    cut: CancellationToken,
}

impl Server {
    fn new(router: Router, seats: Arc<Seats>, waits: Waits, stop: CancellationToken) -> Self {
        Self {
            router,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            seats,
            waits,
            tasks: TaskTracker::new(),
            stop,
            cut: CancellationToken::new(),
        }
    }

    async fn run(self, listeners: Vec<Listener>) -> io::Result<()> {
        for listener in listeners {
            self.tasks.spawn(self.clone().accept_all(listener.open()?));
        }
        self.stop.cancelled().await;
        self.tasks.close();
        if tokio::time::timeout(self.waits.stop, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
        Ok(())
    }

    async fn accept_all(self, listener: OpenListener) {
        loop {
            let permit = tokio::select! {
                () = self.stop.cancelled() => return,
                permit = self.connections.clone().acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return };
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => {
                    self.tasks.spawn(self.clone().attend(accepted, permit));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn attend(self, accepted: Accepted, permit: OwnedSemaphorePermit) {
        let _permit = permit;
        match accepted {
            // Who may open the socket is decided by its permissions; there is no address to count by.
            Accepted::Unix(stream) => self.converse_until_cut(stream, None).await,
            Accepted::Tcp(stream, peer, tls) => {
                let Some(_seat) = self.seats.take(peer.ip()) else {
                    // In the clear even where TLS is spoken: a handshake for a refusal is too much.
                    refuse(stream).await;
                    return;
                };
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, %peer, "cannot set TCP_NODELAY");
                }
                match tls {
                    None => self.converse_until_cut(stream, Some(peer)).await,
                    Some(tls) => match Box::pin(tls.accept_https(stream)).await {
                        Ok(stream) => self.converse_until_cut(stream, Some(peer)).await,
                        Err(reason) => tracing::debug!(reason, %peer, "TLS handshake failed"),
                    },
                }
            }
        }
    }

    async fn converse_until_cut<S: Wire>(&self, stream: S, peer: Option<SocketAddr>) {
        tokio::select! {
            () = self.cut.cancelled() => {}
            () = self.converse(stream, peer) => {}
        }
    }

    async fn converse<S: Wire>(&self, stream: S, peer: Option<SocketAddr>) {
        let router = self.router.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            if let Some(peer) = peer {
                request.extensions_mut().insert(Client(peer.ip()));
            }
            let mut router = router.clone();
            router.call(request.map(Body::new))
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.waits.head)
            .max_buf_size(HEAD_BYTES_MAX)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), service);
        let result = tokio::select! {
            result = poll_fn(|cx| connection.poll_without_shutdown(cx)) => result,
            () = self.stop.cancelled() => {
                Pin::new(&mut connection).graceful_shutdown();
                poll_fn(|cx| connection.poll_without_shutdown(cx)).await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, ?peer, "HTTP connection ended");
        }
        close(connection.into_parts().io.into_inner()).await;
    }
}

/// Closes so that the last answer arrives. Closing while bytes of the client are still unread would reset the
/// connection, and the client would lose an answer that it has not read yet, such as the refusal of a large body.
async fn close<S: Wire>(mut stream: S) {
    let unread = async {
        stream.shutdown().await?;
        // On the heap, so that open connections do not carry it about.
        let mut discarded = vec![0; 8192];
        let mut total = 0;
        while total < LINGER_BYTES_MAX {
            match stream.read(&mut discarded).await? {
                0 => break,
                len => total += len,
            }
        }
        io::Result::Ok(())
    };
    // Whatever goes wrong, the connection is over.
    let _ = tokio::time::timeout(LINGER_WAIT, unread).await;
}

async fn refuse(mut stream: TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
        Your IP is issuing too many concurrent connections, please rate limit your calls\n";
    // The client may be gone already, and nobody else wants to know.
    let _ = stream.write_all(ANSWER).await;
    close(stream).await;
}

#[cfg(test)]
mod tests;
