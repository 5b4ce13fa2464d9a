//! What every request needs: one line for each kind. A new kind does not compile before it has its line here.
//!
//! Questions about many things need nothing and are answered with the rows that the caller may see (`rows`).

use acl::Level::{List, Read, Write as Change};
use acl::Resource::{Acl, Key, Node, Operator, Session};

use super::guard::Caller;
use super::query::AclQuery;
use super::write::AclWrite;
use super::{check, denied, mesh};
use crate::request::{Cluster, Query, RequestError, Write};
use state::View;

/// Refuses a question that the caller may not ask.
///
/// # Errors
/// `Permission denied`.
pub fn check_query(caller: &Caller, query: &Query) -> Result<(), RequestError> {
    match query {
        Query::KvGet { key, .. } | Query::KvHistory { key } | Query::KvAt { key, is_recurse: false, .. } => {
            caller.require(Key, key, Read)
        }
        Query::KvList { prefix, .. }
        | Query::KvKeys { prefix, .. }
        | Query::KvSince { prefix, .. }
        | Query::KvAt { key: prefix, .. }
            if caller.needs_key_list() =>
        {
            caller.require(Key, prefix, List)
        }
        Query::NodeCoordinates { node, .. } => caller.require(Node, &**node, Read),
        Query::Acl(query) => check_acl_query(caller, query),
        Query::Mesh(query) => mesh::check_query(caller, query),
        // The rows decide.
        Query::KvList { .. }
        | Query::KvKeys { .. }
        | Query::KvSince { .. }
        | Query::KvAt { .. }
        | Query::Nodes { .. }
        | Query::Services { .. }
        | Query::ServiceNodes { .. }
        | Query::NodeServices { .. }
        | Query::ServiceHealth { .. }
        | Query::NodeChecks { .. }
        | Query::ServiceChecks { .. }
        | Query::ChecksInState { .. }
        | Query::NodeDump { .. }
        | Query::MeshNodes { .. }
        | Query::MeshHealth { .. }
        | Query::IngressHealth { .. }
        | Query::Session { .. }
        | Query::Sessions
        | Query::AllHealth { .. }
        | Query::Txn { .. }
        | Query::NodeSessions { .. }
        | Query::Coordinates { .. }
        | Query::PreparedQueries
        | Query::PreparedQuery { .. }
        | Query::ExplainQuery { .. }
        | Query::ExecuteQuery(_)
        | Query::Ui(_)
        | Query::NodesByAddress { .. }
        | Query::ServicesByAddress { .. } => Ok(()),
    }
}

fn check_acl_query(caller: &Caller, query: &AclQuery) -> Result<(), RequestError> {
    match query {
        // About the caller itself; who has the secret of a token may know what it is.
        AclQuery::TokenSelf | AclQuery::Rights | AclQuery::Explain { .. } | AclQuery::LegacyInfo { .. } => Ok(()),
        AclQuery::LegacyList => caller.require(Acl, "", Change),
        AclQuery::Token { .. }
        | AclQuery::Tokens { .. }
        | AclQuery::Policy { .. }
        | AclQuery::PolicyByName { .. }
        | AclQuery::Policies
        | AclQuery::Role { .. }
        | AclQuery::RoleByName { .. }
        | AclQuery::Roles { .. }
        | AclQuery::BindingRule { .. }
        | AclQuery::BindingRules { .. }
        | AclQuery::AuthMethod { .. }
        | AclQuery::AuthMethods
        | AclQuery::Translated { .. } => caller.require(Acl, "", Read),
    }
}

/// Refuses a change that the caller may not make. `view` is what the change would be made to.
///
/// # Errors
/// `Permission denied`, or what is wrong with the change itself.
pub fn check_write(view: &View, caller: &Caller, write: &Write) -> Result<(), RequestError> {
    match write {
        Write::Register(registration) => check::register(view, caller, registration),
        Write::RegisterAll(registrations) => {
            registrations.iter().try_for_each(|registration| check::register(view, caller, registration))
        }
        Write::Deregister(deregistration) => check::deregister(view, caller, deregistration),
        Write::Kv(change) => check::kv(caller, change),
        Write::KvCopy(copy) => check::kv_copy(caller, copy),
        Write::SessionCreate(session) => caller.require(Session, &*session.node, Change),
        Write::SessionDestroy(id) => check::session(view, caller, id),
        // Refused operation by operation, in the answer: see `check::txn`.
        Write::Txn(_) => Ok(()),
        Write::Coordinate(coordinate) => caller.require(Node, &*coordinate.node, Change),
        Write::PreparedQuery(change) => check::prepared_query(view, caller, change),
        Write::Acl(write) => check_acl_write(caller, write),
        Write::Autopilot(_) if caller.allows(Operator, "", Change) => Ok(()),
        Write::Autopilot(_) => Err(denied()),
        Write::Mesh(write) => mesh::check_write(view, caller, write),
    }
}

/// The same for a change of the ACL system.
///
/// # Errors
/// `Permission denied`.
pub fn check_acl_write(caller: &Caller, write: &AclWrite) -> Result<(), RequestError> {
    match write {
        // Who may is decided by what the bootstrap, the token itself or the auth method says.
        AclWrite::Bootstrap { .. } | AclWrite::Logout | AclWrite::Login(_) => Ok(()),
        AclWrite::CreateToken { .. }
        | AclWrite::UpdateToken { .. }
        | AclWrite::CloneToken { .. }
        | AclWrite::DeleteToken { .. }
        | AclWrite::Policy(_)
        | AclWrite::DeletePolicy { .. }
        | AclWrite::Role(_)
        | AclWrite::DeleteRole { .. }
        | AclWrite::BindingRule(_)
        | AclWrite::DeleteBindingRule { .. }
        | AclWrite::AuthMethod(_)
        | AclWrite::DeleteAuthMethod { .. }
        | AclWrite::LegacySet { .. }
        | AclWrite::LegacyClone { .. }
        | AclWrite::LegacyDestroy { .. } => caller.require(Acl, "", Change),
    }
}

/// Refuses a request about the cluster that the caller may not make.
///
/// # Errors
/// `Permission denied`.
pub fn check_cluster(view: &View, caller: &Caller, request: &Cluster) -> Result<(), RequestError> {
    let level = match request {
        Cluster::Leader | Cluster::Peers | Cluster::Datacenters | Cluster::DatacenterCoordinates => return Ok(()),
        Cluster::SignCertificate { request } => return mesh::check_signing(caller, request),
        Cluster::RenewSession { id } => return check::session(view, caller, id),
        // A snapshot holds every secret.
        Cluster::SaveSnapshot { .. } | Cluster::RestoreSnapshot => return caller.require(Acl, "", Change),
        Cluster::RaftConfiguration { .. }
        | Cluster::AutopilotConfig { .. }
        | Cluster::AutopilotHealth
        | Cluster::AutopilotState
        | Cluster::Usage { .. } => Read,
        Cluster::RemovePeer { .. } | Cluster::TransferLeader { .. } => Change,
    };
    if caller.allows(Operator, "", level) { Ok(()) } else { Err(denied()) }
}
