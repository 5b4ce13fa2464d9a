//! The one door behind HTTP, DNS, checks and anti-entropy: a request goes in, a response comes out.
//!
//! Who calls does not know whether this agent is a server that answers itself or a client that asks one.

use std::sync::Arc;

use server::request::{ErrorKind, Request, RequestError, Response};

use crate::rpc::local::LocalServer;
use crate::rpc::router::Router;
use crate::telemetry::Counter;

static CALLS: Counter = Counter::new("client.rpc");
static FAILED: Counter = Counter::new("client.rpc.failed");
static EXCEEDED: Counter = Counter::new("client.rpc.exceeded");

/// The way from this agent to the replicated state. Cloning shares it.
#[derive(Clone)]
pub enum Backend {
    /// This agent is a server.
    Local(Arc<LocalServer>),
    /// This agent is a client: a server is asked over RPC.
    Remote(Arc<Router>),
}

impl Backend {
    /// Answers a request of this server itself, for which no token is asked; a client's goes as it is.
    ///
    /// # Errors
    /// As [`Backend::call`].
    pub async fn call_trusted(&self, request: Request) -> Result<Response, RequestError> {
        match self {
            Self::Local(server) => server.call_trusted(request).await,
            Self::Remote(router) => router.call(request).await,
        }
    }

    /// Answers a request. Dropping the future takes the request back where that is still possible.
    ///
    /// # Errors
    /// The failure with the exact text for the client.
    pub async fn call(&self, request: Request) -> Result<Response, RequestError> {
        CALLS.count();
        let answer = match self {
            // What a server does is much for the stack of those who ask.
            Self::Local(server) => Box::pin(server.call(request)).await,
            Self::Remote(router) => router.call(request).await,
        };
        match &answer {
            Err(error) if error.kind == ErrorKind::Busy => EXCEEDED.count(),
            Err(error) if matches!(error.kind, ErrorKind::NoLeader | ErrorKind::Unknown) => FAILED.count(),
            _ => {}
        }
        answer
    }
}
