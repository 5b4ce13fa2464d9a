//! Streams: messages with their length in front, any number on one connection.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use dns::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Current;
use super::limits::{ACCEPT_PAUSE, TCP_CONNECTIONS_MAX, TCP_IDLE, TCP_PER_CLIENT_MAX};
use crate::seats::Seats;

/// Accepts connections until told to stop. When all places are taken, new connections wait to be accepted; who has too
/// many is cut off.
pub(super) async fn serve(server: Arc<Current>, listener: TcpListener, stop: CancellationToken) {
    let seats = Seats::new(TCP_PER_CLIENT_MAX);
    let places = Arc::new(Semaphore::new(TCP_CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, client)) => {
                let Some(seat) = seats.take(client.ip()) else { continue };
                let (server, stop) = (Arc::clone(&server), stop.clone());
                tokio::spawn(async move {
                    let _held = (place, seat);
                    stop.run_until_cancelled(Box::pin(converse(&server, stream, client.ip()))).await;
                });
            }
            Err(error) => {
                debug!("accepting a DNS connection failed: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection in their order, until the client closes it, sends something that is no
/// request, or takes too long.
async fn converse(server: &Current, stream: TcpStream, client: IpAddr) {
    // Answers are written whole, so that nothing is gained by holding them back.
    let _ = stream.set_nodelay(true);
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    while let Ok(Ok(Some(packet))) = timeout(TCP_IDLE, read_message(&mut read)).await {
        let Some(answer) = server.load_full().handle(&packet, client, Transport::Tcp).await else { return };
        let Ok(length) = u16::try_from(answer.len()) else { return };
        let mut framed = Vec::with_capacity(2 + answer.len());
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&answer);
        if !matches!(timeout(TCP_IDLE, write.write_all(&framed)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// The next message; `None` when the client closed the connection between messages.
pub(super) async fn read_message(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 2];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).await?;
    Ok(Some(packet))
}
