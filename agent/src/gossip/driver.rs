//! The task of one pool: datagrams in and out, timers, and the start of streams.

use super::shared::Shared;
use super::{known_peers, streams};
use gossip::{Output, Status};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// Largest datagram there is.
const DATAGRAM_MAX: usize = 65_535;
/// Datagrams handled before timers get a turn.
const BATCH_MAX: usize = 64;
/// The kernel keeps this many bytes while the task is busy.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;
/// Pause after a receive error, so that a broken socket cannot spin.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// Quiet time after a change of members before they are written to disk.
const SNAPSHOT_PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn run(
    shared: Arc<Shared>,
    tcp: TcpListener,
    udp: UdpSocket,
    snapshot: Option<PathBuf>,
    rejoins: bool,
) {
    if let Err(error) = socket2::SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "the receive buffer keeps its size");
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(streams::accept(shared.clone(), tcp));
    let mut buffer = vec![0; DATAGRAM_MAX];
    let mut saved = shared.members.load_full();
    let mut save_at = None;
    while !shared.stop.is_cancelled() {
        let (outputs, next) = shared.turn();
        for output in outputs {
            put_out(&shared, &udp, &mut tasks, output).await;
        }
        if save_at.is_none() && snapshot.is_some() && !Arc::ptr_eq(&saved, &shared.members.load()) {
            save_at = Some(Instant::now() + SNAPSHOT_PAUSE);
        }
        tokio::select! {
            received = udp.recv_from(&mut buffer) => match received {
                Ok((len, from)) => {
                    receive(&shared, from, &buffer[..len]);
                    for _ in 1..BATCH_MAX {
                        let Ok((len, from)) = udp.try_recv_from(&mut buffer) else { break };
                        receive(&shared, from, &buffer[..len]);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot receive gossip");
                    sleep(ERROR_PAUSE).await;
                }
            },
            () = shared.wake.notified() => {}
            () = shared.stop.cancelled() => {}
            () = until(next) => {}
            () = until(save_at) => {
                save_at = None;
                saved = shared.members.load_full();
                save(&shared, snapshot.as_ref(), rejoins).await;
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    // What a last command queued, such as the end of a leave, still goes out.
    let (outputs, _) = shared.turn();
    for output in outputs {
        put_out(&shared, &udp, &mut tasks, output).await;
    }
    save(&shared, snapshot.as_ref(), rejoins).await;
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A node that left must not come back by itself, unless it was told to: it knows nobody.
async fn save(shared: &Shared, snapshot: Option<&PathBuf>, rejoins: bool) {
    if let Some(path) = snapshot {
        let here = rejoins || shared.read(|core| core.local().status == Status::Alive);
        let members = if here { shared.members.load_full() } else { Arc::default() };
        known_peers::write(path, members).await;
    }
}

fn receive(shared: &Shared, from: std::net::SocketAddr, bytes: &[u8]) {
    if let Err(error) = shared.receive(from, bytes) {
        tracing::debug!(%from, %error, "unreadable gossip datagram");
    }
}

async fn put_out(shared: &Arc<Shared>, udp: &UdpSocket, tasks: &mut JoinSet<()>, output: Output) {
    match output {
        Output::Datagram { to, bytes } => {
            // Local trouble such as a missing route; the protocol copes with loss.
            if let Err(error) = udp.send_to(&bytes, to).await {
                tracing::debug!(%to, %error, "cannot send gossip");
            }
        }
        Output::Connect { stream, to, bytes, deadline } => {
            let (shared, deadline) = (shared.clone(), shared.instant(deadline));
            tasks.spawn(async move {
                let reply = streams::exchange(shared.bind_ip, to, &bytes, deadline).await;
                shared.write(|inner, now| inner.core.on_reply(now, stream, reply));
            });
        }
        Output::StoreKeys { change } => {
            let shared = shared.clone();
            tasks.spawn(async move { shared.store_keys(change).await });
        }
        Output::Event(_)
        | Output::Joined { .. }
        | Output::Answered { .. }
        | Output::LeaveDone
        | Output::ForceLeaveDone { .. } => {
            unreachable!("settled before it reaches the outbox");
        }
    }
}
