//! TCP checks: passing when a connection can be made.

use std::time::Duration;

use model::Status;

use super::{Outcome, dial};

/// Connects once and closes.
pub async fn run(address: &str, timeout: Duration) -> Outcome {
    let result = match split(address) {
        Ok((host, port)) => match tokio::time::timeout(timeout, dial(host, port)).await {
            Ok(connected) => connected.map(drop),
            Err(_) => Err(format!("dial tcp {address}: i/o timeout")),
        },
        Err(reason) => Err(format!("dial tcp: address {address}: {reason}")),
    };
    match result {
        Ok(()) => Outcome { status: Status::Passing, output: format!("TCP connect {address}: Success") },
        Err(output) => Outcome { status: Status::Critical, output },
    }
}

fn split(address: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = address.rsplit_once(':').ok_or("missing port in address")?;
    let port = port.parse().map_err(|_| "invalid port")?;
    Ok((host.trim_matches(['[', ']']), port))
}
