//! Changes of tokens, policies, roles, binding rules and auth methods.
//!
//! The leader has checked them; what two of them could still contradict each other in is checked again here.

use model::{AclAuthMethod, AclPolicy, AclRole, AclToken};

use crate::acl_command::AclCommand;
use crate::key::key;
use crate::tables::{BOOTSTRAP, Draft};

/// Applies one; the error is the text for the client.
pub(crate) fn apply_acl(draft: &mut Draft, index: u64, command: AclCommand) -> Result<bool, String> {
    match command {
        AclCommand::PutToken(token) => put_token(draft, index, *token)?,
        AclCommand::DeleteTokens(accessors) => {
            for accessor in accessors {
                draft.delete_token(index, &accessor);
            }
        }
        AclCommand::PutPolicy(policy) => put_policy(draft, index, *policy)?,
        AclCommand::DeletePolicy(id) => draft.delete_policy(index, &id),
        AclCommand::PutRole(role) => put_role(draft, index, *role)?,
        AclCommand::DeleteRole(id) => draft.delete_role(index, &id),
        AclCommand::PutBindingRule(rule) => {
            if draft.tables.acl.auth_methods.get(&key([&rule.auth_method])).is_none() {
                return Err(format!("cannot find auth method with name {:?}", rule.auth_method));
            }
            draft.put_binding_rule(index, *rule);
        }
        AclCommand::DeleteBindingRule(id) => draft.delete_binding_rule(index, &id),
        AclCommand::PutAuthMethod(method) => put_auth_method(draft, index, *method)?,
        AclCommand::DeleteAuthMethod(name) => draft.delete_auth_method(index, &name),
        AclCommand::Bootstrap { token, reset_index } => bootstrap(draft, index, *token, reset_index)?,
        AclCommand::ServerSecret(secret) => {
            if draft.tables.acl.server_secret.is_none() {
                draft.tables.acl.server_secret = Some(secret);
            }
        }
    }
    Ok(true)
}

fn put_token(draft: &mut Draft, index: u64, token: AclToken) -> Result<(), String> {
    let acl = &draft.tables.acl;
    let other = acl.secrets.get(token.secret_id.secret().as_bytes());
    if other.is_some_and(|other| !other.accessor_id.eq_ignore_ascii_case(&token.accessor_id)) {
        return Err("Invalid Token: SecretID is already in use".to_owned());
    }
    if !token.auth_method.is_empty() && acl.auth_methods.get(&key([&token.auth_method])).is_none() {
        return Err("ACL not found".to_owned());
    }
    draft.put_token(index, token);
    Ok(())
}

fn put_policy(draft: &mut Draft, index: u64, policy: AclPolicy) -> Result<(), String> {
    let other = draft.tables.acl.policy_names.get(&key([&policy.name]));
    if other.is_some_and(|other| !other.id.eq_ignore_ascii_case(&policy.id)) {
        return Err(format!("Invalid Policy: A Policy with Name {:?} already exists", policy.name));
    }
    draft.put_policy(index, policy);
    Ok(())
}

fn put_role(draft: &mut Draft, index: u64, role: AclRole) -> Result<(), String> {
    let other = draft.tables.acl.role_names.get(&key([&role.name]));
    if other.is_some_and(|other| !other.id.eq_ignore_ascii_case(&role.id)) {
        return Err(format!("Invalid Role: A Role with Name {:?} already exists", role.name));
    }
    draft.put_role(index, role);
    Ok(())
}

fn put_auth_method(draft: &mut Draft, index: u64, method: AclAuthMethod) -> Result<(), String> {
    let old = draft.tables.acl.auth_methods.get(&key([&method.name]));
    if old.is_some_and(|old| old.kind != method.kind) {
        return Err("Changing an auth method's type is not permitted: delete it and create it anew".to_owned());
    }
    draft.put_auth_method(index, method);
    Ok(())
}

fn bootstrap(draft: &mut Draft, index: u64, token: AclToken, reset_index: u64) -> Result<(), String> {
    let done_at = draft.tables.indexes.get(&key([BOOTSTRAP])).copied().unwrap_or(0);
    if done_at != 0 && done_at != reset_index {
        return Err(format!("Permission denied: ACL bootstrap no longer allowed (reset index: {done_at})"));
    }
    put_token(draft, index, token)?;
    draft.note_bootstrap(index);
    Ok(())
}
