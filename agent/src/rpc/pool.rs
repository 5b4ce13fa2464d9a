//! Open connections to servers, kept by address and lane.
//!
//! It connects once for many callers, and drops what broke. It knows no server by name: see `directory` for that.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use uuid::Uuid;

use super::connection::{CallError, Connection};
use super::frame::{Greeting, Lane};
use crate::tls::AgentTls;

type Slot = Arc<tokio::sync::Mutex<Option<Connection>>>;

/// Whom a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where.
    pub address: SocketAddr,
    /// Which server is meant; `None` is whoever answers there.
    pub server: Option<Uuid>,
    /// On which connection.
    pub lane: Lane,
}

/// The connections of one agent to servers. Cloning shares them.
#[derive(Clone)]
pub struct ConnectionPool {
    slots: Arc<Mutex<HashMap<Target, Slot>>>,
    tls: Arc<AgentTls>,
    /// Servers that say that they take TLS.
    take_tls: Arc<Mutex<HashSet<SocketAddr>>>,
}

impl Default for ConnectionPool {
    fn default() -> Self {
        Self::new()
    }
}

impl ConnectionPool {
    /// A pool without connections and without TLS.
    #[must_use]
    pub fn new() -> Self {
        Self::with_tls(AgentTls::off())
    }

    /// A pool whose connections use TLS where that is wanted.
    #[must_use]
    pub fn with_tls(tls: Arc<AgentTls>) -> Self {
        Self { slots: Arc::default(), tls, take_tls: Arc::default() }
    }

    /// Says which servers take TLS.
    pub fn set_tls_takers(&self, addresses: HashSet<SocketAddr>) {
        *self.take_tls.lock().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    fn with_slots<R>(&self, act: impl FnOnce(&mut HashMap<Target, Slot>) -> R) -> R {
        act(&mut self.slots.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The open connection to a target, made when there is none.
    async fn connection(&self, target: Target) -> Result<Connection, CallError> {
        let slot = self.with_slots(|slots| slots.entry(target).or_default().clone());
        let mut open = slot.lock().await;
        if let Some(connection) = open.as_ref().filter(|it| !it.is_closed()) {
            return Ok(connection.clone());
        }
        *open = None;
        let takes_tls = self.take_tls.lock().unwrap_or_else(PoisonError::into_inner).contains(&target.address);
        let opened = match self.tls.dial(takes_tls) {
            Ok(dial) => {
                Connection::open(target.address, Greeting { lane: target.lane, server: target.server }, dial).await
            }
            Err(cause) => Err(CallError::NotSent(cause)),
        };
        match opened {
            Ok(connection) => {
                *open = Some(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                // Addresses come and go; only those that answer stay in the map.
                self.with_slots(|slots| slots.remove(&target));
                Err(error)
            }
        }
    }

    /// Calls a method and waits at most `limit` for the answer, connecting included.
    ///
    /// # Errors
    /// See [`CallError`]; out of time before the call was sent counts as not sent.
    pub async fn call(&self, target: Target, method: u8, payload: Bytes, limit: Duration) -> Result<Bytes, CallError> {
        let address = target.address;
        let started = tokio::time::Instant::now();
        let connection = timeout(limit, self.connection(target))
            .await
            .map_err(|_| CallError::NotSent(format!("cannot reach the server at {address} in time")))??;
        match timeout(limit.saturating_sub(started.elapsed()), connection.call(method, payload)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Lost(format!("the server at {address} did not answer within {limit:?}"))),
        }
    }

    /// Closes all connections to an address, because the server that had it has another one now.
    pub fn close_address(&self, address: SocketAddr) {
        let slots: Vec<Slot> = self.with_slots(|slots| {
            let gone: Vec<Target> = slots.keys().filter(|it| it.address == address).copied().collect();
            gone.iter().filter_map(|target| slots.remove(target)).collect()
        });
        for slot in slots {
            // A slot in use is about to fail or to be dropped by itself.
            if let Ok(mut open) = slot.try_lock()
                && let Some(connection) = open.take()
            {
                connection.close("the server has another address now");
            }
        }
    }
}
