//! The agent: sockets, timers and files around the pure crates.

pub mod agent;
mod agent_info;
mod archive;
pub mod backend;
pub mod cache;
pub mod checks;
pub mod cli;
mod coordinates;
pub mod dns;
pub mod events;
mod figures;
pub mod gossip;
pub mod host;
pub mod http;
pub mod join;
pub mod keyring;
mod leader;
pub mod local;
pub mod log;
mod login;
pub mod orders;
mod pools;
pub mod raft;
pub mod rates;
pub mod rights;
pub mod rpc;
pub mod server_parts;
pub mod servers;
pub mod sessions;
pub mod start;
pub mod telemetry;
mod tls;
pub mod tokens;
pub mod version;
pub mod watch;

pub use filter::pattern;
