//! TCP checks: passing when a connection can be made.

use model::Status;

use super::Outcome;
use super::net::{dial, split};

/// Connects once and closes.
pub async fn run(address: &str) -> Outcome {
    let result = match split(address) {
        Ok((host, port)) => dial(host, port).await.map(drop),
        Err(reason) => Err(format!("dial tcp: {reason}")),
    };
    match result {
        Ok(()) => Outcome { status: Status::Passing, output: format!("TCP connect {address}: Success") },
        Err(output) => Outcome { status: Status::Critical, output },
    }
}
