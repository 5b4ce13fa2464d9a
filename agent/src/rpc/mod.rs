//! Server RPC on port 8300: how agents ask servers, and servers each other.
//!
//! The first byte of a connection selects the protocol; ours is [`frame::PROTOCOL_BYTE`], which Consul's RPC does not use.
//! A connection carries length-prefixed frames with call numbers, so that thousands of waiting queries share one socket.
//! Raft entries, heartbeats with votes, and snapshots have connections of their own ([`frame::Lane`]), so that none of
//! them waits behind another. What the calls mean is not known here: see `local` for servers, `router` for clients.

mod acl;
pub mod archive;
mod autopilot;
pub mod connection;
pub mod directory;
mod figures;
pub mod frame;
pub mod limits;
pub mod listener;
pub mod local;
mod mesh;
pub mod message;
pub mod pool;
pub mod router;
pub mod transfer;
pub mod wire;

pub use figures::queries_blocking;
