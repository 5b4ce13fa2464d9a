//! UDP checks: passing unless the host refuses an empty datagram. Silence is no refusal: most services do not answer it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use model::Status;
use tokio::net::UdpSocket;

use super::Outcome;
use super::net::{reason, split};
use crate::local::limits::UDP_SILENCE;

/// Sends one datagram and waits for a moment.
pub async fn run(address: &str) -> Outcome {
    match ask(address).await {
        Ok(()) => Outcome { status: Status::Passing, output: format!("UDP connect {address}: Success") },
        Err(output) => Outcome { status: Status::Critical, output },
    }
}

async fn ask(address: &str) -> Result<(), String> {
    let (host, port) = split(address).map_err(|reason| format!("dial udp: {reason}"))?;
    let no_host = || format!("dial udp: lookup {host}: no such host");
    let mut found = tokio::net::lookup_host((host, port)).await.map_err(|_| no_host())?;
    let target = found.next().ok_or_else(no_host)?;
    let any = match target {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let failed = |error: std::io::Error| format!("udp {target}: {}", reason(&error));
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    socket.connect(target).await.map_err(failed)?;
    socket.send(&[]).await.map_err(failed)?;
    // The system reports a refusal at the next read; whatever else comes is an answer.
    match tokio::time::timeout(UDP_SILENCE, socket.recv(&mut [0; 1])).await {
        Ok(Ok(_)) | Err(_) => Ok(()),
        Ok(Err(error)) => Err(failed(error)),
    }
}
