//! Questions about the ACL system.

use std::sync::Arc;

use acl::{Level, Resource};
use model::{
    AclAuthMethod, AclBindingRule, AclLink, AclPolicy, AclRole, AclToken, Json, MANAGEMENT_POLICY_ID, Timestamp, Token,
    to_json,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use state::{Source, Table, View};

use super::guard::Caller;
use super::write::is_uuid;
use super::{HIDDEN, denied, failed, links, not_found};
use crate::request::RequestError;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sentence of a variant explains its fields")]
pub enum AclQuery {
    /// A token by its accessor; the secret is hidden from those who may not write ACLs.
    Token { accessor: String },
    /// The caller's own token.
    TokenSelf,
    /// All tokens, or those with a policy, a role (by id) or of an auth method.
    Tokens { policy: String, role: String, auth_method: String },
    /// A policy by id.
    Policy { id: String },
    /// A policy by name.
    PolicyByName { name: String },
    /// All policies.
    Policies,
    /// A role by id.
    Role { id: String },
    /// A role by name.
    RoleByName { name: String },
    /// All roles, or those with a policy (by id).
    Roles { policy: String },
    /// A binding rule by id.
    BindingRule { id: String },
    /// All binding rules, or those of an auth method.
    BindingRules { auth_method: String },
    /// An auth method by name.
    AuthMethod { name: String },
    /// All auth methods.
    AuthMethods,
    /// What the caller may, for an agent that decides by itself.
    Rights,
    /// The rules of a token of the old kind, in the new language.
    Translated { accessor: String },
    /// Which rule decides about something.
    Explain { resource: String, name: String, level: String },
    /// A token in the shape of the first ACL system, by secret.
    LegacyInfo { secret: String },
    /// All tokens in that shape.
    LegacyList,
}

/// What a token may, for an agent that decides by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rights {
    /// Whether everything is allowed: the servers have ACLs off.
    pub everything: bool,
    /// Texts of the policies.
    pub rules: Vec<String>,
    /// From when on the token is none any more.
    pub expires: Option<Timestamp>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AclAnswer {
    /// An object or a list as the HTTP API shows it; `None` when there is nothing of that name.
    Shown(Option<Json>),
    /// To [`AclQuery::Rights`].
    Rights(Rights),
}

/// What the answer depends on.
pub(crate) fn source(query: &AclQuery) -> Source<'static> {
    use Table::{AclAuthMethods, AclBindingRules, AclPolicies, AclRoles, AclTokens};
    Source::Tables(match query {
        AclQuery::Token { .. }
        | AclQuery::TokenSelf
        | AclQuery::Tokens { .. }
        | AclQuery::Rights
        | AclQuery::Explain { .. }
        | AclQuery::Translated { .. }
        | AclQuery::LegacyInfo { .. }
        | AclQuery::LegacyList => &[AclTokens, AclPolicies, AclRoles],
        AclQuery::Policy { .. } | AclQuery::PolicyByName { .. } | AclQuery::Policies => &[AclPolicies],
        AclQuery::Role { .. } | AclQuery::RoleByName { .. } | AclQuery::Roles { .. } => &[AclRoles, AclPolicies],
        AclQuery::BindingRule { .. } | AclQuery::BindingRules { .. } => &[AclBindingRules],
        AclQuery::AuthMethod { .. } | AclQuery::AuthMethods => &[AclAuthMethods],
    })
}

/// Answers a question that the caller may ask.
pub(crate) fn evaluate(view: &View, caller: &Caller, query: &AclQuery) -> Result<AclAnswer, RequestError> {
    let shown = match query {
        AclQuery::Rights => {
            return Ok(AclAnswer::Rights(Rights {
                everything: caller.scope() == 0,
                rules: caller.rules().to_vec(),
                expires: caller.token().and_then(|token| token.expiration_time),
            }));
        }
        AclQuery::TokenSelf => {
            let token = caller.token().ok_or_else(not_found)?;
            if token.secret_id == Token::new(model::ANONYMOUS_SECRET) {
                return Err(not_found());
            }
            Some(show(&links::named_token(view, token))?)
        }
        AclQuery::Token { accessor } => match view.acl_token(accessor) {
            Some(token) => Some(show(&visible_token(view, caller, token))?),
            None => return Err(not_found()),
        },
        AclQuery::Tokens { policy, role, auth_method } => {
            let has = |links: &[AclLink], id: &str| id.is_empty() || links.iter().any(|link| link.id == *id);
            let of_method = |token: &AclToken| auth_method.is_empty() || token.auth_method == *auth_method;
            let wanted =
                |token: &&Arc<AclToken>| has(&token.policies, policy) && has(&token.roles, role) && of_method(token);
            let tokens = view.acl_tokens().filter(wanted).map(|token| listed_token(view, token));
            Some(Json::Array(tokens.collect::<Result<_, _>>()?))
        }
        AclQuery::Policy { id } => Some(show(&**view.acl_policy(id).ok_or_else(not_found)?)?),
        AclQuery::PolicyByName { name } => Some(show(&**view.acl_policy_by_name(name).ok_or_else(not_found)?)?),
        AclQuery::Policies => {
            Some(Json::Array(view.acl_policies().map(|policy| listed_policy(policy)).collect::<Result<_, _>>()?))
        }
        AclQuery::Role { id } => show_some(view.acl_role(id).map(|role| links::named_role(view, role)).as_ref())?,
        AclQuery::RoleByName { name } => {
            show_some(view.acl_role_by_name(name).map(|role| links::named_role(view, role)).as_ref())?
        }
        AclQuery::Roles { policy } => {
            let wanted =
                |role: &&Arc<AclRole>| policy.is_empty() || role.policies.iter().any(|link| link.id == *policy);
            let roles: Vec<AclRole> =
                view.acl_roles().filter(wanted).map(|role| links::named_role(view, role)).collect();
            Some(show(&roles)?)
        }
        AclQuery::BindingRule { id } => binding_rule(view, id)?,
        AclQuery::BindingRules { auth_method } => {
            let wanted = |rule: &&Arc<AclBindingRule>| auth_method.is_empty() || rule.auth_method == *auth_method;
            Some(show(&view.acl_binding_rules().filter(wanted).collect::<Vec<_>>())?)
        }
        AclQuery::AuthMethod { name } => {
            show_some(view.acl_auth_method(name).map(|method| visible_method(caller, method)).as_ref())?
        }
        AclQuery::AuthMethods => {
            let methods = view.acl_auth_methods().map(|method| listed_method(method));
            Some(Json::Array(methods.collect::<Result<_, _>>()?))
        }
        AclQuery::Translated { accessor } => {
            let token = view.acl_token(accessor).ok_or_else(not_found)?;
            Some(Json::String(acl::translate(&token.rules).map_err(|error| failed(error.to_string()))?))
        }
        AclQuery::Explain { resource, name, level } => Some(explain(caller, resource, name, level)?),
        AclQuery::LegacyInfo { secret } => Some(Json::Array(
            view.acl_token_by_secret(&Token::new(secret)).map(|token| legacy(token)).into_iter().collect(),
        )),
        AclQuery::LegacyList => {
            Some(Json::Array(view.acl_tokens().filter(|token| is_legacy(token)).map(|token| legacy(token)).collect()))
        }
    };
    Ok(AclAnswer::Shown(shown))
}

fn show<T: Serialize>(value: &T) -> Result<Json, RequestError> {
    serde_json::to_value(value).map_err(|error| failed(format!("the answer cannot be encoded: {error}")))
}

fn show_some<T: Serialize>(value: Option<&T>) -> Result<Option<Json>, RequestError> {
    value.map(show).transpose()
}

fn binding_rule(view: &View, id: &str) -> Result<Option<Json>, RequestError> {
    if !is_uuid(id) {
        return Err(failed("failed acl binding rule lookup: index error: UUID must be 36 characters"));
    }
    show_some(view.acl_binding_rule(id))
}

fn visible_token(view: &View, caller: &Caller, token: &AclToken) -> AclToken {
    let mut token = links::named_token(view, token);
    if !caller.allows(Resource::Acl, "", Level::Write) {
        token.secret_id = Token::new(HIDDEN);
    }
    token
}

/// Without its secret.
fn listed_token(view: &View, token: &AclToken) -> Result<Json, RequestError> {
    let mut token = links::named_token(view, token);
    token.secret_id = Token::default();
    let is_legacy = !std::mem::take(&mut token.rules).is_empty();
    let mut shown = show(&token)?;
    if is_legacy && let Some(fields) = shown.as_object_mut() {
        fields.insert("Legacy".to_owned(), Json::Bool(true));
    }
    Ok(shown)
}

/// Without its rules.
fn listed_policy(policy: &AclPolicy) -> Result<Json, RequestError> {
    let datacenters = if policy.datacenters.is_empty() { Json::Null } else { show(&policy.datacenters)? };
    Ok(json!({
        "ID": policy.id,
        "Name": policy.name,
        "Description": policy.description,
        "Datacenters": datacenters,
        "Hash": policy.hash,
        "CreateIndex": policy.create_index,
        "ModifyIndex": policy.modify_index,
    }))
}

/// Without the secrets of its settings, unless the caller could put others in their place.
fn visible_method(caller: &Caller, method: &AclAuthMethod) -> AclAuthMethod {
    let mut method = method.clone();
    if !caller.allows(Resource::Acl, "", Level::Write)
        && let Some(config) = method.config.as_object_mut()
    {
        for secret in ["OIDCClientSecret", "ServiceAccountJWT"] {
            if let Some(value) = config.get_mut(secret) {
                *value = Json::String(HIDDEN.to_owned());
            }
        }
    }
    method
}

/// Without its settings, which may hold secrets.
fn listed_method(method: &AclAuthMethod) -> Result<Json, RequestError> {
    let mut shown = show(method)?;
    if let Some(fields) = shown.as_object_mut() {
        for unlisted in ["Config", "MaxTokenTTL", "TokenLocality"] {
            fields.shift_remove(unlisted);
        }
    }
    Ok(shown)
}

fn is_management(token: &AclToken) -> bool {
    token.policies.iter().any(|link| link.id == MANAGEMENT_POLICY_ID)
}

/// Whether the first ACL system can express it.
fn is_legacy(token: &AclToken) -> bool {
    is_management(token) || !token.rules.is_empty()
}

fn legacy(token: &AclToken) -> Json {
    json!({
        "ID": token.secret_id,
        "Name": token.description,
        "Type": if is_management(token) { "management" } else { "client" },
        "Rules": token.rules,
        "CreateIndex": token.create_index,
        "ModifyIndex": token.modify_index,
    })
}

fn explain(caller: &Caller, resource: &str, name: &str, level: &str) -> Result<Json, RequestError> {
    let wanted = Resource::ALL
        .into_iter()
        .find(|known| known.as_str() == resource || (resource == "intention" && *known == Resource::Intention));
    let Some(wanted) = wanted else {
        let words: Vec<&str> = Resource::ALL.iter().map(|resource| resource.as_str()).collect();
        return Err(failed(format!("unknown resource {resource:?}: it must be one of {}", words.join(", "))));
    };
    let level = match level {
        "read" => Level::Read,
        "list" => Level::List,
        "write" => Level::Write,
        _ => return Err(failed(format!("unknown level {level:?}: it must be read, list or write"))),
    };
    let (decision, policy) = caller.explain(wanted, name, level);
    let minimal = (!decision.allowed).then(|| acl::minimal_rule(wanted, name, level));
    Ok(json!({
        "Allowed": decision.allowed,
        "Rule": decision.rule,
        "Policy": policy,
        "MinimalRule": minimal,
        "AccessorID": caller.token().map(|token| token.accessor_id.clone()),
    }))
}

impl AclAnswer {
    /// Whether there is anything, and its JSON.
    pub(crate) fn encode(&self) -> (bool, serde_json::Result<Vec<u8>>) {
        match self {
            Self::Shown(shown) => (shown.is_some(), to_json(shown)),
            Self::Rights(rights) => (true, to_json(rights)),
        }
    }
}

/// A token that may only be used by who has shown it: refused unless the caller has one.
///
/// # Errors
/// `ACL not found` without a token, `Permission denied` with the anonymous one.
pub(super) fn own_token(caller: &Caller) -> Result<&Arc<AclToken>, RequestError> {
    match caller.token() {
        Some(token) if token.secret_id != Token::new(model::ANONYMOUS_SECRET) => Ok(token),
        Some(_) => Err(not_found()),
        None => Err(denied()),
    }
}
