//! What only the leader does. Each duty is a pure function of the view, what it is told and the time.

pub mod brake;
pub mod coordinates;
pub mod expiry;
pub mod lock_delays;
pub mod reconcile;
pub mod session_timers;
pub mod tombstones;
