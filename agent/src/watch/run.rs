//! Running watches: back-off after failures, and those of an agent's configuration, which a reload replaces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::Client;
use model::{Json, Token};
use serde_json::Map;
use tokio_util::task::AbortOnDropHandle;

use super::handler::{self, Handler};
use super::{Follower, Watch, parse};
use crate::checks::CheckTls;

/// Pause after the first failure; it grows with the square of their number.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(180);
/// Longest that one question may take: waiting questions take up to ten minutes.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(660);

/// The pause after so many failures in a row.
#[must_use]
pub fn pause(failures: u32) -> Duration {
    (RETRY_PAUSE * failures.saturating_mul(failures).min(1000)).min(RETRY_PAUSE_MAX)
}

/// The watches of an agent.
#[derive(Default)]
pub struct Watches {
    running: Mutex<Vec<AbortOnDropHandle<()>>>,
}

/// A watch of the configuration, understood.
#[derive(Debug)]
pub struct Planned {
    watch: Watch,
    handler: Handler,
}

/// Understands the watches of a configuration.
///
/// # Errors
/// Which of them is wrong, and how.
pub fn plan(definitions: &[Json]) -> Result<Vec<Planned>, String> {
    let one = |(number, definition): (usize, &Json)| {
        let mut parameters: Map<String, Json> = definition.as_object().cloned().unwrap_or_default();
        let place = |error: String| format!("Failed to parse watch (watches[{number}]): {error}");
        let handler = handler::parse(&mut parameters).map_err(place)?;
        let watch = parse(&mut parameters).map_err(place)?;
        match parameters.keys().next() {
            Some(key) => Err(place(format!("Invalid parameters: [{key}]"))),
            None => Ok(Planned { watch, handler }),
        }
    };
    definitions.iter().enumerate().map(one).collect()
}

impl Watches {
    /// Ends the watches that run and starts these, which ask the agent at `address`. Must be called in a runtime.
    ///
    /// # Errors
    /// When there is no such address.
    pub fn replace(&self, planned: Vec<Planned>, address: Option<&str>, tls: &Arc<CheckTls>) -> Result<(), String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.clear();
        if planned.is_empty() {
            return Ok(());
        }
        let address = address.ok_or("watches need the HTTP interface of the agent; set ports.http")?;
        for Planned { watch, handler } in planned {
            let client = Client::new(address).map_err(|error| error.to_string())?.with_timeout(ANSWER_TIME_MAX);
            let client = client.with_token(&Token::new(&watch.token)).map_err(|error| error.to_string())?;
            let task = tokio::spawn(follow(Follower::new(watch, client), handler, tls.clone()));
            running.push(AbortOnDropHandle::new(task));
        }
        Ok(())
    }
}

async fn follow(mut follower: Follower, handler: Handler, tls: Arc<CheckTls>) {
    let mut failures = 0;
    loop {
        match follower.next().await {
            Ok(change) => {
                failures = 0;
                match handler.tell(&change, &tls).await {
                    Ok(said) => tracing::debug!(target: "agent::watch", said, "watch handler output"),
                    Err(error) => tracing::error!(target: "agent::watch", error, "Failed to run watch handler"),
                }
            }
            Err(error) => {
                failures += 1;
                let pause = pause(failures);
                tracing::error!(target: "agent::watch", %error, retry = ?pause, "Watch errored");
                tokio::time::sleep(pause).await;
            }
        }
    }
}
