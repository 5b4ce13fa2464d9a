//! The HTTP client of Concord's own API, for the command line, the operator and the tests. It works against Consul too.
//!
//! Small on purpose: HTTP/1.1 over TCP, kept-alive connections, typed calls for what those three need, and errors in the
//! words of Consul's own client.

mod acl;
mod agent;
mod catalog;
mod coordinate;
mod document;
mod error;
mod health;
mod keyring;
mod kv;
mod lock;
mod monitor;
mod operator;
mod query;
mod read;
mod session;
mod snapshot;
pub mod tls;
mod transport;

pub use agent::{EventToFire, TtlVerb};
pub use catalog::CatalogInstance;
pub use error::{AddressError, Error, os_error_text};
pub use keyring::{KeyChange, KeyringPool};
pub use kv::{Condition, KvPast, PutOptions};
pub use lock::{Contender, LockError, LockOptions};
pub use operator::PeerToRemove;
pub use query::{Answer, QueryOptions};
pub use session::SessionRequest;
pub use snapshot::SaveError;
pub use transport::{Client, Method, Reply};
