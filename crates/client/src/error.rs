//! Why a call failed, in the words of Consul's client: people and scripts look for these.

use std::io;

/// The address of the agent cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// TLS cannot be set up; the text says why.
    #[error("{0}")]
    Tls(String),
    /// It is no `host:port`.
    #[error("the address {0:?} is not of the form host:port, http://host:port, https://host:port or unix:///path")]
    Malformed(String),
    /// The token holds characters that no header may have.
    #[error("the token holds characters that cannot be sent")]
    Token,
}

/// Why a call failed. Only [`Error::Status`] and [`Error::Decode`] mean that an agent answered; after any other error a
/// write may or may not have been done, except where the connection could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection could be made: nothing was done.
    #[error("{verb} \"{url}\": {cause}")]
    Connect {
        /// The method as Go writes it here (`Get`).
        verb: &'static str,
        /// Whole address of the request.
        url: String,
        /// Go's text of the cause.
        cause: String,
    },
    /// The connection broke before the answer was complete.
    #[error("{verb} \"{url}\": {cause}")]
    Broken {
        /// The method as Go writes it here (`Get`).
        verb: &'static str,
        /// Whole address of the request.
        url: String,
        /// What happened.
        cause: String,
    },
    /// No complete answer within the time allowed.
    #[error("{verb} \"{url}\": no complete answer within {limit}")]
    TimedOut {
        /// The method as Go writes it here (`Get`).
        verb: &'static str,
        /// Whole address of the request.
        url: String,
        /// The time allowed.
        limit: String,
    },
    /// The agent answered with an error.
    #[error("Unexpected response code: {status} ({body})")]
    Status {
        /// HTTP status.
        status: u16,
        /// Text of the body.
        body: String,
    },
    /// The agent's answer is not what the call expects.
    #[error("cannot read the answer of {url}: {cause}")]
    Decode {
        /// Path of the request.
        url: String,
        /// What does not fit.
        cause: String,
    },
}

impl Error {
    /// The HTTP status, where an agent answered with one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// An operating system's error as Go words it: lower case, without the number.
#[must_use]
pub fn os_error_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
