//! The DNS interface: sockets (UDP, TCP) and recursors around the pure `dns` crate.
//!
//! A packet is read, planned and packed by the crate; rows come through the [`Backend`](crate::backend::Backend).

mod alias;
mod bind;
mod kept;
mod limits;
mod recursor;
mod server;
mod settings;
mod tcp;
mod udp;

#[cfg(test)]
mod tests;

pub use bind::{BindError, Listener, bind};
pub use recursor::Recursors;
pub use server::{DnsServer, Freshness};
pub use settings::{server_of, settings};

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The interface as it is configured now; a reload puts another one in its place.
pub type Current = ArcSwap<DnsServer>;

/// Answers on all sockets until `stop` is cancelled.
///
/// # Errors
/// The runtime refuses a socket.
pub async fn serve(server: Arc<Current>, listeners: Vec<Listener>, stop: CancellationToken) -> io::Result<()> {
    let tasks = TaskTracker::new();
    for listener in listeners {
        let udp = udp::Socket::new(listener.udp)?;
        for _ in 0..limits::UDP_WORKERS {
            tasks.spawn(udp::serve(Arc::clone(&server), Arc::clone(&udp), stop.clone()));
        }
        let tcp = tokio::net::TcpListener::from_std(listener.tcp)?;
        tasks.spawn(tcp::serve(Arc::clone(&server), tcp, stop.clone()));
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}
