//! Tokens, policies, roles, binding rules and auth methods, in the shapes of `/v1/acl`.
//!
//! Stored tokens and roles link by id only; the names in links are filled in when they are shown.

use serde::{Deserialize, Serialize};

use crate::{Blob, Json, Timestamp, Token};

/// Accessor of the token that requests without a token have.
pub const ANONYMOUS_ACCESSOR: &str = "00000000-0000-0000-0000-000000000002";
/// Its secret.
pub const ANONYMOUS_SECRET: &str = "anonymous";
/// Id of the policy of all rights.
pub const MANAGEMENT_POLICY_ID: &str = "00000000-0000-0000-0000-000000000001";
/// Its name.
pub const MANAGEMENT_POLICY_NAME: &str = "global-management";

/// A link to a policy or role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclLink {
    /// Id of what is linked to.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name; in requests it may stand for the id.
    pub name: String,
}

/// The rights of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceIdentity {
    /// Name of the service.
    pub service_name: String,
    /// Where it holds; everywhere when empty.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub datacenters: Vec<String>,
}

/// The rights of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeIdentity {
    /// Name of the node.
    pub node_name: String,
    /// Where it holds.
    pub datacenter: String,
}

/// A token. In lists the secret is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclToken {
    /// Public name: a UUID.
    #[serde(rename = "AccessorID")]
    pub accessor_id: String,
    /// The secret.
    #[serde(rename = "SecretID", skip_serializing_if = "is_no_token")]
    pub secret_id: Token,
    /// For people.
    pub description: String,
    /// Its policies.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub policies: Vec<AclLink>,
    /// Its roles.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub roles: Vec<AclLink>,
    /// Services that it may be.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub service_identities: Vec<ServiceIdentity>,
    /// Nodes that it may be.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub node_identities: Vec<NodeIdentity>,
    /// Whether it is known in its own datacenter only.
    pub local: bool,
    /// Auth method that it was made by; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_method: String,
    /// From when on it is no token any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Timestamp>,
    /// When it was made.
    pub create_time: Timestamp,
    /// Fingerprint of what it may.
    pub hash: Blob,
    /// Rules of a token of the old kind; empty for others.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rules: String,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

impl AclToken {
    /// Whether it is no token any more.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expiration_time.is_some_and(|time| time <= now)
    }
}

fn is_no_token(token: &Token) -> bool {
    token.secret().is_empty()
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclPolicy {
    /// UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it says, in HCL or JSON.
    pub rules: String,
    /// Where it holds; everywhere when empty.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub datacenters: Vec<String>,
    /// Fingerprint.
    pub hash: Blob,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

/// A role: policies and identities that several tokens share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclRole {
    /// UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Its policies.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub policies: Vec<AclLink>,
    /// Services that it may be.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub service_identities: Vec<ServiceIdentity>,
    /// Nodes that it may be.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub node_identities: Vec<NodeIdentity>,
    /// Fingerprint.
    pub hash: Blob,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

/// What those who log in by an auth method get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclBindingRule {
    /// UUID.
    #[serde(rename = "ID")]
    pub id: String,
    /// For people.
    pub description: String,
    /// Name of the auth method.
    pub auth_method: String,
    /// Whom it is for: an expression over what the method found out; everybody when empty.
    pub selector: String,
    /// `service`, `node` or `role`.
    pub bind_type: String,
    /// Name of what they get, with `${...}` in place of what the method found out.
    pub bind_name: String,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

/// A way to get a token for what somebody else vouches for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AclAuthMethod {
    /// Unique name.
    pub name: String,
    /// `kubernetes`, `jwt` or `oidc`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How long its tokens live, as Go writes it; empty for ever.
    #[serde(rename = "MaxTokenTTL", skip_serializing_if = "String::is_empty")]
    pub max_token_ttl: String,
    /// `local` or `global`; empty means `local`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_locality: String,
    /// Settings of the kind.
    pub config: Json,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}
