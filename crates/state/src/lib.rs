//! The replicated state: commands, tables, views, watches and snapshots. Pure: no runtime, sockets, files or clock.
//!
//! How a shell uses it:
//! - One task owns the [`Store`]. For each committed log entry it calls [`Store::apply`] with the entry's index and
//!   bytes, and once per batch [`Store::publish`]; only then it acknowledges the batch's writes and reports the index as
//!   applied, because that is what makes later reads see them.
//! - Everyone else holds a [`Reader`] and takes a [`View`] per request: immutable, complete, never blocking.
//! - Whoever waits asks the view for the [`Watches`] of a [`Source`] and awaits them.
//! - [`Store::snapshot`] is O(1) and may be written on any thread while the store goes on.
//!   [`Store::restore`] replaces everything, after it has verified everything.

mod acl_command;
mod apply;
mod command;
mod consul;
mod gateways;
mod instance;
mod key;
pub mod limits;
mod outcome;
mod radix;
mod restore;
#[cfg(test)]
mod round_trip;
mod snapshot;
mod source;
mod store;
mod tables;
mod view;
mod watch;

pub use acl_command::AclCommand;
pub use command::{Command, CommandError, DeleteConfigEntry, DeleteIntention, PutConfigEntry, PutMeshCa};
pub use consul::EntryReader;
pub use instance::Instance;
pub use outcome::Outcome;
pub use restore::{RestoreChange, RestoreStep};
pub use snapshot::{Inventory, InventoryRow, Snapshot, SnapshotError};
pub use source::{Source, Table};
pub use store::{Reader, Retired, Store};
pub use view::{HistoryError, View};
pub use watch::{Watch, Watches};
