//! The openraft adapter: log store, network, state machine, membership. openraft types stay inside this folder.
//!
//! Measured with `bench --bin raft_propose` (256 byte values, whole path from request to answer, logs on one disk, two
//! processors under load 7 from other work; median of three runs, best in brackets), writes per second and p50:
//! one server: 1 writer 2.5 k (3.0 k), 0.17 ms; 64 writers 19 k (55 k), 1.8 ms; 256 writers 45 k (84 k), 3.9 ms;
//! three servers: 1 writer 2.1 k (2.5 k), 0.34 ms; 64 writers 27 k (47 k), 1.6 ms; 256 writers 26 k (40 k), 6.8 ms.

pub mod codec;
pub mod duties;
mod health;
pub mod inbound;
pub mod lock;
pub mod log_store;
pub mod membership;
pub mod network;
pub mod node;
pub mod recover;
pub mod report;
mod restore;
pub mod settings;
pub mod snapshot;
pub mod state_machine;
#[cfg(test)]
mod suite;
pub mod types;
pub mod wal;

pub use duties::Duties;
pub use node::RaftNode;
