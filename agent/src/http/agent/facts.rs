//! What the agent family stands on, given by the composition root.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Json, TextMap};

use crate::events::Events;
use crate::gossip::Pool;
use crate::join::Resolver;
use crate::local::LocalAgent;
use crate::orders::Orders;

/// Groups of figures by name, as `consul info` shows them.
pub type StatGroups = BTreeMap<String, TextMap>;

/// The agent as its own HTTP API shows it.
pub struct AgentFacts {
    /// Services and checks registered here.
    pub local: Arc<LocalAgent>,
    /// Members of the datacenter.
    pub lan: Pool,
    /// Servers of all datacenters; servers only, and only if they gossip over the WAN.
    pub wan: Option<Pool>,
    /// User events that this agent saw.
    pub events: Arc<Events>,
    /// Turns addresses to join into sockets.
    pub resolver: Resolver,
    /// The same for the WAN pool, which has another default port.
    pub wan_resolver: Resolver,
    /// Leave and reload.
    pub orders: Orders,
    /// The `Config` of `/v1/agent/self`.
    pub identity: Identity,
    /// The `DebugConfig` of `/v1/agent/self`: the configuration in force, secrets hidden.
    pub debug_config: Json,
    /// Figures of the parts that only the composition root knows: `consul` and, on servers, `raft`.
    pub more_stats: Box<dyn Fn() -> StatGroups + Send + Sync>,
}

/// Who the agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Datacenter.
    pub datacenter: String,
    /// Node name.
    pub node_name: String,
    /// Node id.
    pub node_id: String,
    /// Whether it is a server.
    pub server: bool,
}
