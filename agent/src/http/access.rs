//! What every route needs: one line for each. A new route does not compile before it has its line here.
//!
//! What the servers answer they also authorize (`server::acl::table`); here is what this agent answers by itself.

use acl::{Level, Resource};
use server::acl::{Caller, denied};

use super::extract::Call;
use super::reply::Failure;
use super::routes::Endpoint;

/// What a route needs of this agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it tells no secrets and changes nothing.
    Nothing,
    /// The servers decide.
    Servers,
    /// The handler looks at each object, with the rights of [`Call::caller`].
    Objects,
    /// A right to this agent.
    Agent(Level),
    /// A right to this agent's node.
    Node(Level),
    /// A right to the keys of gossip encryption.
    Keyring(Level),
    /// A right to the cluster.
    Operator(Level),
}

/// The table.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one line for each endpoint")]
pub fn need(endpoint: Endpoint) -> Need {
    use Level::{Read, Write};
    match endpoint {
        Endpoint::KvGet
        | Endpoint::KvPut
        | Endpoint::KvDelete
        | Endpoint::HealthService
        | Endpoint::HealthConnect
        | Endpoint::HealthServices
        | Endpoint::UiServices
        | Endpoint::UiNodes
        | Endpoint::UiNode
        | Endpoint::HealthNode
        | Endpoint::HealthChecks
        | Endpoint::HealthState
        | Endpoint::CatalogRegister
        | Endpoint::CatalogDeregister
        | Endpoint::CatalogDatacenters
        | Endpoint::CatalogNodes
        | Endpoint::CatalogServices
        | Endpoint::CatalogService
        | Endpoint::CatalogConnect
        | Endpoint::CatalogNode
        | Endpoint::CatalogNodeServices
        | Endpoint::SessionCreate
        | Endpoint::SessionDestroy
        | Endpoint::SessionRenew
        | Endpoint::SessionInfo
        | Endpoint::SessionNode
        | Endpoint::SessionList
        | Endpoint::CoordinateDatacenters
        | Endpoint::CoordinateNodes
        | Endpoint::CoordinateNode
        | Endpoint::CoordinateUpdate
        | Endpoint::QueryList
        | Endpoint::QueryCreate
        | Endpoint::QueryGet
        | Endpoint::QueryUpdate
        | Endpoint::QueryDelete
        | Endpoint::Txn
        | Endpoint::SnapshotSave
        | Endpoint::SnapshotRestore
        | Endpoint::Acl(_)
        | Endpoint::StatusLeader
        | Endpoint::StatusPeers
        | Endpoint::OperatorRaftConfiguration
        | Endpoint::OperatorRaftPeer
        | Endpoint::HealthIngress
        | Endpoint::CatalogGatewayServices
        | Endpoint::ConfigPut
        | Endpoint::ConfigGet
        | Endpoint::ConfigDelete
        | Endpoint::Intentions
        | Endpoint::IntentionCreate
        | Endpoint::Intention
        | Endpoint::IntentionUpdate
        | Endpoint::IntentionDelete
        | Endpoint::IntentionMatch
        | Endpoint::IntentionCheck
        | Endpoint::Authorize
        | Endpoint::Chain
        | Endpoint::ChainWithOverrides
        | Endpoint::CaRoots
        | Endpoint::AgentCaRoots
        | Endpoint::CaConfiguration
        | Endpoint::CaConfigure
        | Endpoint::CaLeaf
        | Endpoint::OperatorRaftTransfer
        | Endpoint::AutopilotConfig
        | Endpoint::AutopilotSetConfig
        | Endpoint::AutopilotHealth
        | Endpoint::AutopilotState
        | Endpoint::OperatorUsage => Need::Servers,
        Endpoint::AgentReady | Endpoint::AgentVersion => Need::Nothing,
        Endpoint::AgentSelf | Endpoint::AgentMetrics | Endpoint::AgentMonitor => Need::Agent(Read),
        Endpoint::AgentHost => Need::Operator(Read),
        Endpoint::KeyringList => Need::Keyring(Read),
        Endpoint::KeyringInstall | Endpoint::KeyringUse | Endpoint::KeyringRemove => Need::Keyring(Write),
        Endpoint::AgentToken | Endpoint::AgentJoin | Endpoint::AgentLeave | Endpoint::AgentReload => Need::Agent(Write),
        Endpoint::AgentForceLeave => Need::Operator(Write),
        Endpoint::AgentMaintenance => Need::Node(Write),
        Endpoint::EventFire
        | Endpoint::EventList
        | Endpoint::AgentMembers
        | Endpoint::AgentServices
        | Endpoint::AgentService
        | Endpoint::AgentServiceRegister
        | Endpoint::AgentServiceDeregister
        | Endpoint::AgentServiceMaintenance
        | Endpoint::AgentHealthById
        | Endpoint::AgentHealthByName
        | Endpoint::AgentChecks
        | Endpoint::AgentCheckRegister
        | Endpoint::AgentCheckDeregister
        | Endpoint::AgentCheckPass
        | Endpoint::AgentCheckWarn
        | Endpoint::AgentCheckFail
        | Endpoint::AgentCheckUpdate => Need::Objects,
    }
}

/// Refuses a request that the caller may not make to this agent.
pub async fn check(call: &Call<'_>, endpoint: Endpoint) -> Result<(), Failure> {
    let (resource, level) = match need(endpoint) {
        Need::Nothing | Need::Servers | Need::Objects => return Ok(()),
        Need::Agent(level) => (Resource::Agent, level),
        Need::Node(level) => (Resource::Node, level),
        Need::Operator(level) => (Resource::Operator, level),
        Need::Keyring(level) => (Resource::Keyring, level),
    };
    let rights = &call.state.rights;
    if !rights.is_enabled() {
        return Ok(());
    }
    let caller = call.caller().await?;
    if caller.allows(resource, rights.node().as_str(), level) {
        return Ok(());
    }
    Err(match (resource, level) {
        (Resource::Keyring, Level::Read) => Failure::internal("Reading keyring denied by ACLs"),
        (Resource::Keyring, _) => Failure::internal("Modifying keyring denied due to ACLs"),
        _ => Failure::from(denied()),
    })
}

/// Refuses unless the caller may, and says what is missing.
pub fn require(caller: &Caller, resource: Resource, name: &str, level: Level) -> Result<(), Failure> {
    if caller.allows(resource, name, level) {
        return Ok(());
    }
    let (resource, level) = (resource.as_str(), level.as_str());
    Err(Failure::new(http::StatusCode::FORBIDDEN, format!("Permission denied: Missing {resource}:{level} on {name}")))
}
