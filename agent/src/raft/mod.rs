//! The openraft adapter: log store, network, state machine, membership. openraft types stay inside this folder.

pub mod codec;
pub mod duties;
pub mod inbound;
pub mod lock;
pub mod log_store;
pub mod membership;
pub mod network;
pub mod node;
pub mod report;
pub mod settings;
pub mod snapshot;
pub mod state_machine;
#[cfg(test)]
mod suite;
pub mod types;
pub mod wal;

pub use duties::Duties;
pub use node::RaftNode;
