//! Login: from an identity that somebody else vouches for to a token, by the binding rules of the auth method.
//!
//! Finding out the identity needs the network and is the agent's; here is what an auth method says, and what an identity
//! gets. Pure.

mod bind_name;
mod method;
mod rules;

use std::collections::BTreeMap;

use model::{AclAuthMethod, AclLink, AclToken, NodeIdentity, ServiceIdentity, Timestamp, Token, parse_nanos};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use state::{AclCommand, View};

pub use method::{JwtMethod, KeySource, KubernetesMethod, Method, OidcMethod};
pub(super) use rules::{delete_binding_rule, put_auth_method, put_binding_rule};

use super::write::{Context, Prepared, Subject, complete_token};
use super::{denied, failed, not_found};
use crate::request::RequestError;

/// A request of somebody who has no token yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sentence of a variant explains its fields")]
pub enum Login {
    /// A token for what a bearer token proves; `meta` becomes part of its description.
    Bearer { auth_method: String, bearer: Token, meta: BTreeMap<String, String> },
    /// Where to send a person to log in (OpenID Connect).
    OidcUrl { auth_method: String, redirect_uri: String, client_nonce: String, meta: BTreeMap<String, String> },
    /// A token for what the provider has sent the person back with.
    OidcCallback { auth_method: String, state: String, code: Token, client_nonce: String },
}

impl Login {
    /// The auth method that it is for.
    #[must_use]
    pub fn auth_method(&self) -> &str {
        match self {
            Self::Bearer { auth_method, .. }
            | Self::OidcUrl { auth_method, .. }
            | Self::OidcCallback { auth_method, .. } => auth_method,
        }
    }
}

/// Who logs in, as far as binding rules may speak of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// For selectors: fields as [`Method::schema`] says.
    pub fields: Value,
    /// For names: what stands for `${...}`.
    pub variables: BTreeMap<String, String>,
}

impl From<jwt::Mapped> for Identity {
    fn from(mapped: jwt::Mapped) -> Self {
        let fields = json!({"value": mapped.values, "list": mapped.lists});
        let variables = mapped.values.into_iter().map(|(name, text)| (format!("value.{name}"), text)).collect();
        Self { fields, variables }
    }
}

impl Identity {
    /// A service account of Kubernetes.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        let fields = [("namespace", namespace), ("name", name), ("uid", uid)];
        let variables =
            fields.iter().map(|(key, text)| (format!("serviceaccount.{key}"), (*text).to_owned())).collect();
        Self { fields: json!({"serviceaccount": BTreeMap::from(fields)}), variables }
    }
}

/// The command that makes a token for an identity. `seen` is the method by which it was found out.
///
/// # Errors
/// `Permission denied` when no rule gives it anything, `ACL not found` when the method has changed since.
pub fn token(
    view: &View,
    seen: &AclAuthMethod,
    identity: &Identity,
    meta: &BTreeMap<String, String>,
    context: &Context<'_>,
) -> Result<Prepared, RequestError> {
    let method = view.acl_auth_method(&seen.name).filter(|now| now.modify_index == seen.modify_index);
    let method = method.ok_or_else(not_found)?;
    let kind = Method::parse(method).map_err(failed)?;
    let mut token = AclToken {
        accessor_id: (context.new_id)(),
        secret_id: Token::new((context.new_id)()),
        description: description(meta),
        local: method.token_locality != "global",
        auth_method: method.name.clone(),
        create_time: context.now,
        expiration_time: expiration(method, context.now),
        ..AclToken::default()
    };
    let rules = view.acl_binding_rules().filter(|rule| rule.auth_method == method.name);
    for rule in rules {
        if !rules::selects(&kind, &rule.selector, identity)? {
            continue;
        }
        let name = bind_name::interpolate(&rule.bind_name, &|name| identity.variables.get(name).cloned());
        let name = name.map_err(|error| failed(format!("cannot compute {:?} bind name: {error}", rule.bind_type)))?;
        if !rules::is_bind_name(&rule.bind_type, &name) {
            let kind = &rule.bind_type;
            return Err(failed(format!("computed {kind:?} bind name for bind target is invalid: {name:?}")));
        }
        match rule.bind_type.as_str() {
            "role" => {
                // A role may come later than the rule.
                if let Some(role) = view.acl_role_by_name(&name) {
                    token.roles.push(AclLink { id: role.id.clone(), name: String::new() });
                }
            }
            "node" => {
                let datacenter = context.datacenter.to_owned();
                token.node_identities.push(NodeIdentity { node_name: name, datacenter });
            }
            _ => token.service_identities.push(ServiceIdentity { service_name: name, datacenters: Vec::new() }),
        }
    }
    if token.roles.is_empty() && token.service_identities.is_empty() && token.node_identities.is_empty() {
        return Err(denied());
    }
    let token = complete_token(view, &token)?;
    let accessor = token.accessor_id.clone();
    Ok((Some(AclCommand::PutToken(Box::new(token))), Subject::Token(accessor)))
}

fn description(meta: &BTreeMap<String, String>) -> String {
    const WORDS: &str = "token created via login";
    match serde_json::to_string(meta) {
        Ok(meta) if meta != "{}" => format!("{WORDS}: {meta}"),
        _ => WORDS.to_owned(),
    }
}

fn expiration(method: &AclAuthMethod, now: Timestamp) -> Option<Timestamp> {
    let nanos = parse_nanos(&method.max_token_ttl).ok().and_then(|nanos| u64::try_from(nanos).ok());
    nanos.filter(|nanos| *nanos > 0).map(|nanos| now.plus(std::time::Duration::from_nanos(nanos)))
}
