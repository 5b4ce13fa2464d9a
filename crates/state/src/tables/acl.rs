//! Tokens, policies, roles, binding rules and auth methods.

use std::sync::Arc;

use model::{AclAuthMethod, AclBindingRule, AclPolicy, AclRole, AclToken, Token};

use super::Draft;
use crate::key::key;
use crate::radix::{Stamp, Tree};
use crate::source::Table;

/// The ACL part of the tables.
#[derive(Clone, Default)]
pub(crate) struct AclTables {
    /// By accessor.
    pub(crate) tokens: Tree<Arc<AclToken>>,
    /// By secret, byte for byte.
    pub(crate) secrets: Tree<Arc<AclToken>>,
    /// By id.
    pub(crate) policies: Tree<Arc<AclPolicy>>,
    /// By name.
    pub(crate) policy_names: Tree<Arc<AclPolicy>>,
    /// By id.
    pub(crate) roles: Tree<Arc<AclRole>>,
    /// By name.
    pub(crate) role_names: Tree<Arc<AclRole>>,
    /// By id.
    pub(crate) binding_rules: Tree<Arc<AclBindingRule>>,
    /// By name.
    pub(crate) auth_methods: Tree<Arc<AclAuthMethod>>,
    /// What servers show each other; `None` until a leader has made one.
    pub(crate) server_secret: Option<Token>,
}

macro_rules! stamps {
    ($($noun:ty),*) => {
        $(impl Stamp for Arc<$noun> {
            fn stamp(&self) -> u64 {
                self.modify_index
            }
        })*
    };
}

stamps!(AclToken, AclPolicy, AclRole, AclBindingRule, AclAuthMethod);

/// Name of the index at which the ACL system was bootstrapped.
pub(crate) const BOOTSTRAP: &str = "acl-token-bootstrap";

impl AclTables {
    pub(crate) fn touch_all(&self, changes: &mut crate::watch::Changes) {
        self.tokens.touch_all(changes);
        self.secrets.touch_all(changes);
        self.policies.touch_all(changes);
        self.policy_names.touch_all(changes);
        self.roles.touch_all(changes);
        self.role_names.touch_all(changes);
        self.binding_rules.touch_all(changes);
        self.auth_methods.touch_all(changes);
    }
}

impl Draft {
    pub(crate) fn place_token(&mut self, token: AclToken) {
        let token = Arc::new(token);
        let acl = &mut self.tables.acl;
        let accessor = key([&token.accessor_id]);
        if let Some(old) = acl.tokens.insert(&accessor, Arc::clone(&token), &mut self.changes) {
            acl.secrets.remove(old.secret_id.secret().as_bytes(), &mut self.changes);
        }
        let secret = token.secret_id.secret().to_owned();
        acl.secrets.insert(secret.as_bytes(), token, &mut self.changes);
    }

    pub(crate) fn put_token(&mut self, index: u64, mut token: AclToken) {
        let old = self.tables.acl.tokens.get(&key([&token.accessor_id]));
        token.create_index = old.map_or(index, |old| old.create_index);
        token.modify_index = index;
        self.place_token(token);
        self.bump(Table::AclTokens, index);
    }

    pub(crate) fn delete_token(&mut self, index: u64, accessor: &str) {
        let acl = &mut self.tables.acl;
        if let Some(old) = acl.tokens.remove(&key([accessor]), &mut self.changes) {
            acl.secrets.remove(old.secret_id.secret().as_bytes(), &mut self.changes);
            self.bump(Table::AclTokens, index);
        }
    }

    pub(crate) fn place_policy(&mut self, policy: AclPolicy) {
        let policy = Arc::new(policy);
        let acl = &mut self.tables.acl;
        if let Some(old) = acl.policies.insert(&key([&policy.id]), Arc::clone(&policy), &mut self.changes) {
            acl.policy_names.remove(&key([&old.name]), &mut self.changes);
        }
        acl.policy_names.insert(&key([&policy.name]), Arc::clone(&policy), &mut self.changes);
    }

    pub(crate) fn put_policy(&mut self, index: u64, mut policy: AclPolicy) {
        let old = self.tables.acl.policies.get(&key([&policy.id]));
        policy.create_index = old.map_or(index, |old| old.create_index);
        policy.modify_index = index;
        self.place_policy(policy);
        self.bump(Table::AclPolicies, index);
    }

    pub(crate) fn delete_policy(&mut self, index: u64, id: &str) {
        let acl = &mut self.tables.acl;
        if let Some(old) = acl.policies.remove(&key([id]), &mut self.changes) {
            acl.policy_names.remove(&key([&old.name]), &mut self.changes);
            self.bump(Table::AclPolicies, index);
        }
    }

    pub(crate) fn place_role(&mut self, role: AclRole) {
        let role = Arc::new(role);
        let acl = &mut self.tables.acl;
        if let Some(old) = acl.roles.insert(&key([&role.id]), Arc::clone(&role), &mut self.changes) {
            acl.role_names.remove(&key([&old.name]), &mut self.changes);
        }
        acl.role_names.insert(&key([&role.name]), Arc::clone(&role), &mut self.changes);
    }

    pub(crate) fn put_role(&mut self, index: u64, mut role: AclRole) {
        let old = self.tables.acl.roles.get(&key([&role.id]));
        role.create_index = old.map_or(index, |old| old.create_index);
        role.modify_index = index;
        self.place_role(role);
        self.bump(Table::AclRoles, index);
    }

    pub(crate) fn delete_role(&mut self, index: u64, id: &str) {
        let acl = &mut self.tables.acl;
        if let Some(old) = acl.roles.remove(&key([id]), &mut self.changes) {
            acl.role_names.remove(&key([&old.name]), &mut self.changes);
            self.bump(Table::AclRoles, index);
        }
    }

    pub(crate) fn place_binding_rule(&mut self, rule: AclBindingRule) {
        let id = key([&rule.id]);
        self.tables.acl.binding_rules.insert(&id, Arc::new(rule), &mut self.changes);
    }

    pub(crate) fn put_binding_rule(&mut self, index: u64, mut rule: AclBindingRule) {
        let old = self.tables.acl.binding_rules.get(&key([&rule.id]));
        rule.create_index = old.map_or(index, |old| old.create_index);
        rule.modify_index = index;
        self.place_binding_rule(rule);
        self.bump(Table::AclBindingRules, index);
    }

    pub(crate) fn delete_binding_rule(&mut self, index: u64, id: &str) {
        if self.tables.acl.binding_rules.remove(&key([id]), &mut self.changes).is_some() {
            self.bump(Table::AclBindingRules, index);
        }
    }

    pub(crate) fn place_auth_method(&mut self, method: AclAuthMethod) {
        let name = key([&method.name]);
        self.tables.acl.auth_methods.insert(&name, Arc::new(method), &mut self.changes);
    }

    pub(crate) fn put_auth_method(&mut self, index: u64, mut method: AclAuthMethod) {
        let old = self.tables.acl.auth_methods.get(&key([&method.name]));
        method.create_index = old.map_or(index, |old| old.create_index);
        method.modify_index = index;
        self.place_auth_method(method);
        self.bump(Table::AclAuthMethods, index);
    }

    /// Deletes an auth method with its binding rules and the tokens that it has made.
    pub(crate) fn delete_auth_method(&mut self, index: u64, name: &str) {
        if self.tables.acl.auth_methods.remove(&key([name]), &mut self.changes).is_none() {
            return;
        }
        self.bump(Table::AclAuthMethods, index);
        let of_method = |method: &str| method.eq_ignore_ascii_case(name);
        let acl = &self.tables.acl;
        let rules = acl.binding_rules.iter().filter(|rule| of_method(&rule.auth_method));
        let rules: Vec<String> = rules.map(|rule| rule.id.clone()).collect();
        let tokens = acl.tokens.iter().filter(|token| of_method(&token.auth_method));
        let tokens: Vec<String> = tokens.map(|token| token.accessor_id.clone()).collect();
        for id in rules {
            self.delete_binding_rule(index, &id);
        }
        for accessor in tokens {
            self.delete_token(index, &accessor);
        }
    }

    /// Notes that the ACL system was bootstrapped at an index.
    pub(crate) fn note_bootstrap(&mut self, index: u64) {
        self.tables.indexes.insert(&key([BOOTSTRAP]), index, &mut self.changes);
    }
}
