//! HTTP/2 checks: passing when the other side answers a PING frame.

use model::Status;
use tokio_util::task::AbortOnDropHandle;

use super::Outcome;
use super::net::{CheckTls, split};
use crate::local::H2Probe;

/// Connects, greets and pings once.
pub async fn run(probe: &H2Probe, tls: &CheckTls) -> Outcome {
    match ping(probe, tls).await {
        Ok(()) => Outcome { status: Status::Passing, output: "HTTP2 ping was successful".to_owned() },
        Err(reason) => {
            let output = format!("HTTP2 ping of {} failed: {reason}", probe.address);
            Outcome { status: Status::Critical, output }
        }
    }
}

async fn ping(probe: &H2Probe, tls: &CheckTls) -> Result<(), String> {
    let (host, port) = split(&probe.address)?;
    let stream = tls.connect(host, port, probe.tls.as_ref(), true).await?;
    // Kept for as long as the connection is to live: without a sender it would close itself.
    let (_sender, mut connection) = h2::client::handshake(stream).await.map_err(|error| error.to_string())?;
    let mut pings = connection.ping_pong().ok_or("the connection answers no pings")?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(async move {
        // Whoever waits for the answer sees the error.
        let _ = connection.await;
    }));
    pings.ping(h2::Ping::opaque()).await.map(drop).map_err(|error| error.to_string())
}
