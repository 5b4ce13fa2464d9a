//! Links between tokens, roles and policies: ids in the state, names for people.

use model::{AclLink, AclRole, AclToken};
use state::View;

use super::failed;
use crate::request::RequestError;

/// The token with the names of what it links to; links to what is gone are left out.
pub(super) fn named_token(view: &View, token: &AclToken) -> AclToken {
    let mut token = token.clone();
    name_policies(view, &mut token.policies);
    token.roles.retain_mut(|link| match view.acl_role(&link.id) {
        Some(role) => {
            link.name.clone_from(&role.name);
            true
        }
        None => false,
    });
    token
}

/// The role with the names of its policies.
pub(super) fn named_role(view: &View, role: &AclRole) -> AclRole {
    let mut role = role.clone();
    name_policies(view, &mut role.policies);
    role
}

fn name_policies(view: &View, links: &mut Vec<AclLink>) {
    links.retain_mut(|link| match view.acl_policy(&link.id) {
        Some(policy) => {
            link.name.clone_from(&policy.name);
            true
        }
        None => false,
    });
}

/// Links to policies by id, each once; they come by id or by name.
pub(super) fn policies_by_id(view: &View, links: &[AclLink]) -> Result<Vec<AclLink>, RequestError> {
    by_id(links, "policy", |id| view.acl_policy(id).is_some(), |name| Some(view.acl_policy_by_name(name)?.id.clone()))
}

/// Links to roles by id, each once; they come by id or by name.
pub(super) fn roles_by_id(view: &View, links: &[AclLink]) -> Result<Vec<AclLink>, RequestError> {
    by_id(links, "role", |id| view.acl_role(id).is_some(), |name| Some(view.acl_role_by_name(name)?.id.clone()))
}

fn by_id(
    links: &[AclLink],
    what: &str,
    exists: impl Fn(&str) -> bool,
    find: impl Fn(&str) -> Option<String>,
) -> Result<Vec<AclLink>, RequestError> {
    let mut found: Vec<AclLink> = Vec::with_capacity(links.len());
    for link in links {
        let id = if link.id.is_empty() {
            find(&link.name).ok_or_else(|| failed(format!("No such ACL {what} with name {:?}", link.name)))?
        } else if exists(&link.id) {
            link.id.clone()
        } else {
            return Err(failed(format!("No such ACL {what} with ID {:?}", link.id)));
        };
        if found.iter().all(|other| other.id != id) {
            found.push(AclLink { id, name: String::new() });
        }
    }
    Ok(found)
}
