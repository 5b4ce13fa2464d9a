//! SWIM, Lifeguard and Serf in HashiCorp's wire format, without sockets or clocks.
//!
//! [`GossipCore`] is one node of one pool as a value: datagrams, stream frames, commands and the
//! time go in, [`Output`]s come out. The same inputs and seed give the same outputs, so a whole
//! cluster runs in virtual time in one thread. The agent puts sockets around it.

mod awareness;
mod broadcast;
mod coordinate;
mod core;
mod event_buffer;
mod intents;
mod keyring;
mod lamport;
pub mod limits;
mod member;
mod suspicion;
mod time;
mod timing;
pub mod wire;

pub use crate::coordinate::Coordinate;
pub use crate::core::{
    Admission, Answers, CommandError, CoreConfig, Encryption, GossipCore, KeyChange, Output, QueryId, Question,
    StreamId,
};
pub use keyring::{KeyError, Keyring};
pub use member::{Member, PoolEvent, Status};
pub use time::Time;
pub use timing::Timing;
pub use wire::WireError;
pub use wire::serf::UserEvent;
pub use wire::swim::Versions;
