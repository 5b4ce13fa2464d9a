//! How a client agent asks: which server next, and what may be tried again.
//!
//! It starts with a random server, stays with it for two to three minutes, and goes to another as soon as one does not
//! answer. A write is tried again only when it was certainly not done; a read also when its answer was lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{MemberStatus, ServerId};
use rand::Rng;
use rand::seq::IndexedRandom;
use server::request::{ErrorKind, Request, RequestError, Response};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::connection::CallError;
use super::directory::{Directory, KnownServer};
use super::frame::Lane;
use super::limits;
use super::message::{self, Method};
use super::pool::{ConnectionPool, Target};
use crate::rates::Rates;

/// The text of a client that knows no server.
pub const NO_SERVERS: &str = "No known Consul servers";

/// The text of a request for a datacenter that nobody here can reach.
pub const NO_PATH: &str = "No path to datacenter";

struct Sticky {
    server: ServerId,
    until: Instant,
}

/// The way to the servers of one datacenter.
pub struct Router {
    datacenter: String,
    pool: ConnectionPool,
    directory: Directory,
    sticky: Mutex<Option<Sticky>>,
    hold: Duration,
    rates: Arc<Rates>,
}

impl Router {
    /// A router to the servers that the directory knows.
    #[must_use]
    pub fn new(datacenter: impl Into<String>, pool: ConnectionPool, directory: Directory) -> Self {
        let (sticky, hold, rates) = (Mutex::new(None), limits::HOLD_TIMEOUT, Arc::default());
        Self { datacenter: datacenter.into(), pool, directory, sticky, hold, rates }
    }

    /// The same router that goes on trying for another time (`performance.rpc_hold_timeout`).
    #[must_use]
    pub fn with_hold(self, hold: Duration) -> Self {
        Self { hold, ..self }
    }

    /// The same router that asks no more often than this.
    #[must_use]
    pub fn with_rates(self, rates: Arc<Rates>) -> Self {
        Self { rates, ..self }
    }

    /// The servers that may be asked: those that gossip holds for alive, or else any that has not left.
    fn candidates(&self) -> Vec<KnownServer> {
        let mut servers = self.directory.servers();
        servers.retain(|server| server.status != MemberStatus::Left);
        if servers.iter().any(|server| server.status == MemberStatus::Alive) {
            servers.retain(|server| server.status == MemberStatus::Alive);
        }
        servers
    }

    /// The server to ask now, leaving out those that have just failed.
    fn choose(&self, failed: &[ServerId]) -> Option<KnownServer> {
        let mut candidates = self.candidates();
        candidates.retain(|server| !failed.contains(&server.id));
        let now = Instant::now();
        let mut sticky = self.sticky.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = sticky.as_ref().filter(|it| it.until > now)
            && let Some(server) = candidates.iter().find(|server| server.id == current.server)
        {
            return Some(server.clone());
        }
        let mut random = rand::rng();
        let server = candidates.choose(&mut random)?.clone();
        let stay = Duration::from_secs(random.random_range(120..180));
        *sticky = Some(Sticky { server: server.id.clone(), until: now + stay });
        Some(server)
    }

    /// Asks a server.
    ///
    /// # Errors
    /// What the server answered, prefixed once per hop; `No known Consul servers`; or that no server could be reached
    /// within the hold time of seven seconds.
    pub async fn call(&self, request: Request) -> Result<Response, RequestError> {
        if !request.datacenter.is_empty() && request.datacenter != self.datacenter {
            return Err(RequestError::new(ErrorKind::Failed, NO_PATH).over_rpc());
        }
        self.rates.before_sending()?;
        let may_repeat = message::is_read(&request);
        let limit = message::time_limit(&request);
        let payload = message::encode(&request);
        let give_up = Instant::now() + self.hold;
        let mut failed = Vec::new();
        loop {
            let Some(server) = self.choose(&failed) else {
                if failed.is_empty() {
                    return Err(RequestError::new(ErrorKind::Failed, NO_SERVERS));
                }
                failed.clear();
                sleep(limits::HOLD_RETRY).await;
                continue;
            };
            let target =
                Target { address: server.address, server: Uuid::parse_str(&server.id).ok(), lane: Lane::Requests };
            let error = match self.pool.call(target, Method::Request as u8, payload.clone(), limit).await {
                Ok(payload) => match message::decode_answer(&payload) {
                    Err(error) if may_repeat && error.kind == ErrorKind::Unknown && Instant::now() < give_up => {
                        sleep(limits::HOLD_RETRY).await;
                        continue;
                    }
                    answer => return answer,
                },
                Err(error) => error,
            };
            tracing::debug!(server = %server.name, %error, "a server did not answer");
            let may_try_again = error.is_not_done() || may_repeat;
            if !may_try_again || Instant::now() >= give_up {
                return Err(to_request_error(&error));
            }
            failed.push(server.id);
        }
    }

    /// Its connections to servers.
    #[must_use]
    pub fn pool(&self) -> &ConnectionPool {
        &self.pool
    }

    /// The directory of servers that it dials from.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The datacenter of this agent.
    #[must_use]
    pub fn datacenter(&self) -> &str {
        &self.datacenter
    }
}

/// The error for the client when a call brought no answer.
pub(crate) fn to_request_error(error: &CallError) -> RequestError {
    match error {
        CallError::NotSent(cause) => {
            RequestError::new(ErrorKind::Failed, format!("rpc error getting client: failed to get conn: {cause}"))
        }
        CallError::Refused => RequestError::new(ErrorKind::Busy, error.to_string()).over_rpc(),
        CallError::Lost(cause) => RequestError::new(ErrorKind::Unknown, cause.clone()).over_rpc(),
    }
}
