//! The HTTP API.
//!
//! `listener` accepts connections, `routes` is the whole table, one file per family holds the handlers. Handlers turn a
//! request into a [`server::request::Request`], send it through the [`Backend`] and pass the answer's JSON on as bytes.
//! Nothing here knows the store or Raft; only the agent's own family knows gossip and the registrations.

mod access;
mod acl;
pub mod agent;
mod audited;
mod autopilot;
mod cached;
mod catalog;
mod catalog_shapes;
mod coordinate;
pub mod decode;
mod escape;
mod event;
pub mod extract;
mod gzip;
mod health;
mod internal;
mod json;
mod keyring;
mod kv;
pub mod limits;
mod listener;
mod mesh;
mod operator;
mod path;
pub mod policy;
mod prepared_query;
mod pretty;
mod query;
pub mod reply;
mod routes;
mod session;
mod snapshot;
mod sockets;
mod status;
mod stream;
mod txn;
mod txn_shapes;
mod ui;

use std::sync::Arc;

use model::NodeName;

use crate::audit::Audit;
use crate::backend::Backend;
use crate::cache::AnswerCache;
use crate::executions::Executions;
use crate::leaves::LeafCache;
use crate::rights::AgentRights;

pub use agent::AgentFacts;
pub use limits::Limits;
pub use listener::serve;
pub use policy::Policy;
pub use routes::table;
pub use sockets::{BindError, Listener, bind, bind_unix};
pub use ui::{Ui, UiSettings};

/// What the handlers stand on.
pub struct HttpState {
    /// The door to the servers.
    pub backend: Backend,
    /// The agent itself, for its own family.
    pub agent: Arc<AgentFacts>,
    /// Who may use this agent, and its tokens.
    pub rights: AgentRights,
    /// Name of the datacenter of this agent.
    pub datacenter: String,
    /// Name of this agent's node, for `?near=_agent`.
    pub node_name: NodeName,
    /// Answers kept for `?cached`.
    pub cache: AnswerCache,
    /// Executions of prepared queries kept for `?cached`.
    pub executions: Executions,
    /// Whether `?cached` means anything.
    pub use_cache: bool,
    /// How old the state may be, in milliseconds, that reads of the catalog and of health answer from when they say
    /// nothing about it; none for state of the leader.
    pub discovery_stale_ms_max: Option<u64>,
    /// Whether this agent takes part in the mesh; where it does not, the servers may nevertheless.
    pub has_mesh: bool,
    /// Certificates of services that were asked for here.
    pub leaves: LeafCache,
    /// Whether `/v1/coordinate` answers.
    pub has_coordinates: bool,
    /// Indent every JSON answer, as in development mode.
    pub pretty_always: bool,
    /// The web page, when it is on.
    pub ui: Option<Ui>,
    /// Where requests are written down, if they are.
    pub audit: Option<Audit>,
    /// The limits that configuration may change.
    pub limits: Limits,
    /// What the configuration says about every request.
    pub policy: Policy,
}
