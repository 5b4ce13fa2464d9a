//! What the ACL system asks a view.

use std::sync::Arc;

use model::{AclAuthMethod, AclBindingRule, AclPolicy, AclRole, AclToken, Token};

use super::View;
use crate::key::key;
use crate::tables::BOOTSTRAP;

impl View {
    /// The token of an accessor.
    #[must_use]
    pub fn acl_token(&self, accessor: &str) -> Option<&Arc<AclToken>> {
        self.tables.acl.tokens.get(&key([accessor]))
    }

    /// The token of a secret.
    #[must_use]
    pub fn acl_token_by_secret(&self, secret: &Token) -> Option<&Arc<AclToken>> {
        self.tables.acl.secrets.get(secret.secret().as_bytes())
    }

    /// All tokens by accessor.
    pub fn acl_tokens(&self) -> impl Iterator<Item = &Arc<AclToken>> {
        self.tables.acl.tokens.iter()
    }

    /// The policy of an id.
    #[must_use]
    pub fn acl_policy(&self, id: &str) -> Option<&Arc<AclPolicy>> {
        self.tables.acl.policies.get(&key([id]))
    }

    /// The policy of a name.
    #[must_use]
    pub fn acl_policy_by_name(&self, name: &str) -> Option<&Arc<AclPolicy>> {
        self.tables.acl.policy_names.get(&key([name]))
    }

    /// All policies by id.
    pub fn acl_policies(&self) -> impl Iterator<Item = &Arc<AclPolicy>> {
        self.tables.acl.policies.iter()
    }

    /// The role of an id.
    #[must_use]
    pub fn acl_role(&self, id: &str) -> Option<&Arc<AclRole>> {
        self.tables.acl.roles.get(&key([id]))
    }

    /// The role of a name.
    #[must_use]
    pub fn acl_role_by_name(&self, name: &str) -> Option<&Arc<AclRole>> {
        self.tables.acl.role_names.get(&key([name]))
    }

    /// All roles by id.
    pub fn acl_roles(&self) -> impl Iterator<Item = &Arc<AclRole>> {
        self.tables.acl.roles.iter()
    }

    /// The binding rule of an id.
    #[must_use]
    pub fn acl_binding_rule(&self, id: &str) -> Option<&Arc<AclBindingRule>> {
        self.tables.acl.binding_rules.get(&key([id]))
    }

    /// All binding rules by id.
    pub fn acl_binding_rules(&self) -> impl Iterator<Item = &Arc<AclBindingRule>> {
        self.tables.acl.binding_rules.iter()
    }

    /// The auth method of a name.
    #[must_use]
    pub fn acl_auth_method(&self, name: &str) -> Option<&Arc<AclAuthMethod>> {
        self.tables.acl.auth_methods.get(&key([name]))
    }

    /// All auth methods by name.
    pub fn acl_auth_methods(&self) -> impl Iterator<Item = &Arc<AclAuthMethod>> {
        self.tables.acl.auth_methods.iter()
    }

    /// Index at which the ACL system was bootstrapped; 0 when it was not.
    #[must_use]
    pub fn acl_bootstrap_index(&self) -> u64 {
        self.tables.indexes.get(&key([BOOTSTRAP])).copied().unwrap_or(0)
    }

    /// What servers show each other; `None` until a leader has made one.
    #[must_use]
    pub fn server_secret(&self) -> Option<&Token> {
        self.tables.acl.server_secret.as_ref()
    }
}
