//! What a query depends on: where its index comes from and what wakes it.

use model::{Key, NodeName, ServiceName, SessionId};

/// Tables that have an index of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Nodes.
    Nodes,
    /// Service instances.
    Services,
    /// Health checks.
    Checks,
    /// Keys.
    Kv,
    /// Sessions.
    Sessions,
    /// Delays before lost locks can be taken again.
    LockDelays,
    /// Tokens.
    AclTokens,
    /// Policies.
    AclPolicies,
    /// Roles.
    AclRoles,
    /// Binding rules.
    AclBindingRules,
    /// Auth methods.
    AclAuthMethods,
    /// Names of services: changes when one appears or disappears, or changes its kind.
    ServiceNames,
    /// Config entries.
    ConfigEntries,
    /// Intentions.
    Intentions,
    /// The mesh's certificate authority.
    MeshCa,
    /// Network coordinates.
    Coordinates,
    /// Prepared queries.
    PreparedQueries,
}

impl Table {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Services => "services",
            Self::Checks => "checks",
            Self::Kv => "kvs",
            Self::Sessions => "sessions",
            Self::LockDelays => "lock_delays",
            Self::AclTokens => "acl-tokens",
            Self::AclPolicies => "acl-policies",
            Self::AclRoles => "acl-roles",
            Self::AclBindingRules => "acl-binding-rules",
            Self::AclAuthMethods => "acl-auth-methods",
            Self::ServiceNames => "service-names",
            Self::ConfigEntries => "config-entries",
            Self::Intentions => "connect-intentions",
            Self::MeshCa => "connect-ca-roots",
            Self::Coordinates => "coordinates",
            Self::PreparedQueries => "prepared-queries",
        }
    }
}

/// What an answer is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// One key: its `ModifyIndex`, or the index of all keys when it is absent.
    Key(&'a Key),
    /// All keys under a prefix: the highest of them and of what was deleted under it, or the index of all keys when
    /// there is neither.
    Prefix(&'a Key),
    /// Whole tables: the highest of their indexes.
    Tables(&'a [Table]),
    /// All instances of a service with their nodes and checks: one index for the service, or that of the last
    /// disappearance of any service when there is none of the name.
    Service(&'a ServiceName),
    /// All ways to a service through the mesh, with the same rule; and the gateways that lead out to it.
    Mesh(&'a ServiceName),
    /// The gateways that lead into the mesh to a service.
    Ingress(&'a ServiceName),
    /// The services that a gateway leads to.
    Gateway(&'a ServiceName),
    /// A node and its instances: the index of both tables, 0 when there is no such node.
    Node(&'a NodeName),
    /// One session: the index of all sessions.
    Session(&'a SessionId),
    /// The sessions of a node: the index of all sessions.
    NodeSessions(&'a NodeName),
}
