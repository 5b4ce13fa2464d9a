//! What only the leader does. Each duty is a pure function of the view, what it is told and the time.

pub mod reconcile;
pub mod tombstones;
