//! What this agent registered, kept on disk, and anti-entropy with the catalog.
//!
//! `spec` is what users write, `build` makes records of it, `registry` holds them, `store` keeps them, `compare` and
//! `sync` bring them to the catalog. `agent` ties these together for the HTTP API and the checks.

mod agent;
mod build;
mod compare;
mod error;
mod expose;
mod identity;
pub mod limits;
mod load;
mod maintenance;
mod probe;
mod registry;
mod sidecar;
mod spec;
mod store;
mod stripes;
pub mod sync;
#[cfg(test)]
mod sync_tests;

pub use agent::{Ask, LocalAgent, Settings};
pub use error::{LocalError, multi_error};
pub use identity::{IdentityError, load_node_id};
pub use load::OpenError;
pub use maintenance::{NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX};
pub use probe::{Action, Counts, GrpcProbe, H2Probe, HttpProbe, InvalidCheck, Probe, Timing, TlsChoice};
pub use registry::{CheckEntry, Registry, ServiceEntry, Source};
pub use spec::{CheckSpec, ConnectSpec, Nanos, ServiceSpec, StandaloneCheckSpec};
pub use store::StoreError;
