//! Helpers shared by the tests: programs under test, agents on free loopback addresses, and a small HTTP client.
//!
//! A test program `tests/NAME.rs` starts agents with [`Agent::start`] and talks to them with [`http::request`]. Everything
//! that was started ends, by process id, when its value is dropped. Everything blocks: the tests are plain threads.

mod address;
mod agent;
mod cluster;
pub mod conformance;
pub mod dns;
pub mod http;
pub mod https;
pub mod linear;
pub mod pki;
mod program;
mod wait;

pub use address::LoopbackAddress;
pub use agent::{Agent, Ended};
pub use cluster::Cluster;
pub use program::Program;
pub use wait::eventually;
