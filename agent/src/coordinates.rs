//! Tells the servers every so often where this agent is in the network, as its gossip found out.

use std::sync::Arc;
use std::time::Duration;

use model::{Coordinate, NodeCoordinate, NodeName};
use rand::Rng as _;
use server::request::{Action, Request, Write};

use crate::backend::Backend;
use crate::gossip::Pool;
use crate::tokens::Tokens;

/// Shortest time between two of an agent's messages.
const INTERVAL_MIN: Duration = Duration::from_secs(15);

/// Messages of all agents together that servers shall get per second.
const RATE: f64 = 64.0;

/// This agent's coordinate.
#[must_use]
pub fn own(lan: &Pool) -> Coordinate {
    let ours = lan.coordinate();
    Coordinate { vec: ours.vec.to_vec(), error: ours.error, adjustment: ours.adjustment, height: ours.height }
}

/// Works for ever.
pub async fn run(backend: Backend, lan: Pool, node: NodeName, tokens: Arc<Tokens>) {
    loop {
        let wait = interval(lan.members().len());
        // Agents that started together do not tell together.
        let spread = wait.mul_f64(rand::rng().random());
        tokio::time::sleep(wait + spread).await;
        let coordinate = NodeCoordinate { node: node.clone(), segment: String::new(), coord: own(&lan) };
        let action = Action::Write(Write::Coordinate(coordinate));
        let request = Request { datacenter: String::new(), token: tokens.agent(), action };
        if let Err(error) = backend.call(request).await {
            tracing::debug!(target: "agent::coordinates", %error, "cannot tell where this agent is, will retry");
        }
    }
}

/// Time between two messages in a pool of this size.
fn interval(members: usize) -> Duration {
    Duration::from_secs_f64(members as f64 / RATE).max(INTERVAL_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_get_no_more_however_many_agents_there_are() {
        assert_eq!(interval(3), INTERVAL_MIN);
        assert_eq!(interval(6400), Duration::from_secs(100));
    }
}
