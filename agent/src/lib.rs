//! The agent: sockets, timers and files around the pure crates.

pub mod backend;
pub mod checks;
pub mod cli;
pub mod dns;
pub mod gossip;
pub mod http;
pub mod join;
pub mod local;
pub mod log;
pub mod orders;
pub mod raft;
pub mod rpc;
pub mod servers;
pub mod version;
