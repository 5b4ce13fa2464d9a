//! The server's requests: authorize, check, propose or query. Pure: no sockets, files, clock or runtime.
//!
//! How a shell uses it:
//! - a read: wait as its consistency asks, then [`blocking::read`];
//! - a write, on the leader: [`endpoint::prepare_write`] makes the bytes to propose, [`endpoint::finish_write`] turns what
//!   they came to into the answer;
//! - as leader, every so often and after every member event: [`leader::reconcile::reconcile`] and
//!   [`leader::tombstones::TombstoneReaper`].

pub mod acl;
pub mod blocking;
pub mod endpoint;
pub mod filter_rows;
pub mod leader;
pub mod limits;
pub mod mesh;
mod near;
pub mod request;
mod shared;

pub use shared::Shared;
