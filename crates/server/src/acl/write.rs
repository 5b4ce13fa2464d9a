//! Changes of the ACL system: checked and completed on the leader, before the log.

use std::time::Duration;

use model::{
    ANONYMOUS_ACCESSOR, AclAuthMethod, AclBindingRule, AclLink, AclPolicy, AclRole, AclToken, Blob, Json,
    MANAGEMENT_POLICY_ID, NodeIdentity, ServiceIdentity, Timestamp, Token, format_duration,
};
use serde::{Deserialize, Serialize};
use state::{AclCommand, View};

use super::guard::Caller;
use super::login::{self, Login};
use super::query::{AclAnswer, AclQuery, own_token};
use super::{denied, failed, links, not_found, query};
use crate::limits::{TOKEN_TTL_MAX, TOKEN_TTL_MIN};
use crate::request::{ErrorKind, RequestError};

/// Prefix of ids that are built in.
const RESERVED: &str = "00000000-0000-0000-0000-0000000000";

/// A change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sentence of a variant explains its fields")]
pub enum AclWrite {
    /// Make a token that lives for `ttl` (nanoseconds; 0 for ever, unless it has an expiration time).
    CreateToken { token: AclToken, ttl: i64 },
    /// Replace a token.
    UpdateToken { token: AclToken, ttl: i64 },
    /// Make a token with the same rights as another.
    CloneToken { accessor: String, description: String },
    /// Delete a token.
    DeleteToken { accessor: String },
    /// Make (without an id) or replace a policy.
    Policy(AclPolicy),
    /// Delete a policy.
    DeletePolicy { id: String },
    /// Make (without an id) or replace a role.
    Role(AclRole),
    /// Delete a role.
    DeleteRole { id: String },
    /// Make (without an id) or replace a binding rule.
    BindingRule(AclBindingRule),
    /// Delete a binding rule.
    DeleteBindingRule { id: String },
    /// Make or replace an auth method.
    AuthMethod(AclAuthMethod),
    /// Delete an auth method.
    DeleteAuthMethod { name: String },
    /// Make the first token of all rights, with this secret or, when it is empty, a new one.
    Bootstrap { secret: Token },
    /// Delete the caller's token, which an auth method has made.
    Logout,
    /// Make or replace a token of the first ACL system. An empty secret makes a new one.
    LegacySet { secret: Token, name: String, is_management: bool, rules: String },
    /// Make a token with the same rights as another, by secret.
    LegacyClone { secret: Token },
    /// Delete a token by secret.
    LegacyDestroy { secret: Token },
    /// Make a token for who proves an identity.
    Login(Login),
}

/// What is decided outside: the time, and ids that nobody can guess.
pub struct Context<'a> {
    /// Now.
    pub now: Timestamp,
    /// Makes a random UUID at each call.
    pub new_id: &'a (dyn Fn() -> String + Sync),
    /// The index of an earlier bootstrap that an operator has taken back; 0 for none.
    pub reset_index: u64,
    /// The own datacenter.
    pub datacenter: &'a str,
}

/// What a change is about, to be shown once it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A token by accessor, with its secret.
    Token(String),
    /// As that, with the secret also as `ID`.
    Bootstrapped(String),
    /// A policy by id.
    Policy(String),
    /// A role by id.
    Role(String),
    /// A binding rule by id.
    BindingRule(String),
    /// An auth method by name.
    AuthMethod(String),
    /// A token of the first ACL system, of which only the secret is shown.
    Secret(Token),
    /// Something that is gone; there is nothing to show but `true`.
    Gone,
}

/// The command, if there is something to do, and what to show.
pub type Prepared = (Option<AclCommand>, Subject);

/// Checks a change that the caller may make, and makes the command to propose; none when nothing is to be done.
///
/// # Errors
/// The text of what is wrong with it; nothing is changed.
pub fn prepare(
    view: &View,
    caller: &Caller,
    write: &AclWrite,
    context: &Context<'_>,
) -> Result<Prepared, RequestError> {
    match write {
        AclWrite::CreateToken { token, ttl } => create_token(view, token, *ttl, context),
        AclWrite::UpdateToken { token, ttl } => update_token(view, token, *ttl),
        AclWrite::CloneToken { accessor, description } => clone_token(view, accessor, description, context),
        AclWrite::DeleteToken { accessor } => delete_token(view, caller, accessor),
        AclWrite::Policy(policy) => put_policy(view, policy, context),
        AclWrite::DeletePolicy { id } if id == MANAGEMENT_POLICY_ID => {
            Err(failed("Delete operation not permitted on the builtin global-management policy"))
        }
        AclWrite::DeletePolicy { id } => Ok((Some(AclCommand::DeletePolicy(id.clone())), Subject::Gone)),
        AclWrite::Role(role) => put_role(view, role, context),
        AclWrite::DeleteRole { id } => Ok((Some(AclCommand::DeleteRole(id.clone())), Subject::Gone)),
        AclWrite::BindingRule(rule) => login::put_binding_rule(view, rule, context),
        AclWrite::DeleteBindingRule { id } => login::delete_binding_rule(id),
        AclWrite::AuthMethod(method) => login::put_auth_method(view, method),
        // Only who has found out the identity can: `login::token`.
        AclWrite::Login(_) => Err(denied()),
        AclWrite::DeleteAuthMethod { name } => Ok((Some(AclCommand::DeleteAuthMethod(name.clone())), Subject::Gone)),
        AclWrite::Bootstrap { secret } => bootstrap(view, secret, context),
        AclWrite::Logout => {
            let token = own_token(caller)?;
            if token.auth_method.is_empty() {
                return Err(denied());
            }
            Ok((Some(AclCommand::DeleteTokens(vec![token.accessor_id.clone()])), Subject::Gone))
        }
        AclWrite::LegacySet { secret, name, is_management, rules } => {
            legacy_set(view, (secret, name, *is_management, rules), context)
        }
        AclWrite::LegacyClone { secret } => {
            let token = view.acl_token_by_secret(secret).ok_or_else(denied)?;
            let secret = Token::new((context.new_id)());
            let token = AclToken {
                accessor_id: (context.new_id)(),
                secret_id: secret.clone(),
                create_time: context.now,
                ..(**token).clone()
            };
            Ok((Some(AclCommand::PutToken(Box::new(token))), Subject::Secret(secret)))
        }
        AclWrite::LegacyDestroy { secret } => match view.acl_token_by_secret(secret) {
            None => Ok((None, Subject::Gone)),
            Some(token) => delete_token(view, caller, &token.accessor_id),
        },
    }
}

/// What is shown of a change that is done.
///
/// # Errors
/// When it is gone again already.
pub fn finish(view: &View, subject: &Subject) -> Result<Json, RequestError> {
    let everything = Caller::everything();
    let query = match subject {
        Subject::Token(accessor) => AclQuery::Token { accessor: accessor.clone() },
        Subject::Bootstrapped(accessor) => {
            let AclAnswer::Shown(Some(token)) =
                query::evaluate(view, &everything, &AclQuery::Token { accessor: accessor.clone() })?
            else {
                return Err(not_found());
            };
            let mut shown = serde_json::Map::from_iter([("ID".to_owned(), token["SecretID"].clone())]);
            shown.extend(token.as_object().cloned().unwrap_or_default());
            return Ok(Json::Object(shown));
        }
        Subject::Policy(id) => AclQuery::Policy { id: id.clone() },
        Subject::Role(id) => AclQuery::Role { id: id.clone() },
        Subject::BindingRule(id) => AclQuery::BindingRule { id: id.clone() },
        Subject::AuthMethod(name) => AclQuery::AuthMethod { name: name.clone() },
        Subject::Secret(secret) => return Ok(serde_json::json!({"ID": secret})),
        Subject::Gone => return Ok(Json::Bool(true)),
    };
    match query::evaluate(view, &everything, &query)? {
        AclAnswer::Shown(Some(shown)) => Ok(shown),
        AclAnswer::Shown(None) | AclAnswer::Rights(_) => Err(not_found()),
    }
}

pub(super) fn is_uuid(text: &str) -> bool {
    let is_group_end = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(
            |(at, byte)| {
                if is_group_end(at) { byte == b'-' } else { byte.is_ascii_hexdigit() }
            },
        )
}

pub(super) fn is_name(text: &str, longest: usize) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= longest && text.chars().all(fits)
}

/// A name of a service or node: lower case, and no sign at its ends.
pub(super) fn is_identity(text: &str) -> bool {
    is_name(text, 256)
        && !text.chars().any(|c| c.is_ascii_uppercase())
        && !text.starts_with(['-', '_'])
        && !text.ends_with(['-', '_'])
}

/// A fingerprint of what people set, so that two states can be told apart.
fn fingerprint(value: &impl Serialize) -> Blob {
    use sha2::{Digest as _, Sha256};
    let bytes = serde_json::to_vec(value).expect("the model serializes into memory without failing");
    Blob::new(Sha256::digest(bytes).to_vec())
}

pub(super) fn complete_token(view: &View, given: &AclToken) -> Result<AclToken, RequestError> {
    let mut token = given.clone();
    token.policies = links::policies_by_id(view, &given.policies)?;
    token.roles = links::roles_by_id(view, &given.roles)?;
    check_identities(&mut token.service_identities, &mut token.node_identities, "token")?;
    if token.local
        && let Some(service) = token.service_identities.iter().find(|it| !it.datacenters.is_empty())
    {
        let name = &service.service_name;
        return Err(failed(format!("Service identity {name:?} cannot specify a list of datacenters on a local token")));
    }
    let rights = (&token.policies, &token.roles, &token.service_identities, &token.node_identities);
    token.hash = fingerprint(&(rights, &token.description, token.local, &token.rules));
    Ok(token)
}

fn check_identities(
    services: &mut Vec<ServiceIdentity>,
    nodes: &mut Vec<NodeIdentity>,
    owner: &str,
) -> Result<(), RequestError> {
    const WRONG: &str = "has an invalid name. Only alphanumeric characters, '-' and '_' are allowed";
    for service in services.iter() {
        let name = &service.service_name;
        if name.is_empty() {
            return Err(failed(format!("Service identity is missing the service name field on this {owner}")));
        }
        if !is_identity(name) {
            return Err(failed(format!("Service identity {name:?} {WRONG}")));
        }
    }
    for node in nodes.iter() {
        if node.node_name.is_empty() {
            return Err(failed(format!("Node identity is missing the node name field on this {owner}")));
        }
        if !is_identity(&node.node_name) {
            return Err(failed(format!("Node identity {WRONG}")));
        }
        if node.datacenter.is_empty() {
            return Err(failed(format!("Node identity is missing the datacenter field on this {owner}")));
        }
    }
    let mut seen = Vec::new();
    services.retain(|service| {
        !seen.contains(service) && {
            seen.push(service.clone());
            true
        }
    });
    let mut seen = Vec::new();
    nodes.retain(|node| {
        !seen.contains(node) && {
            seen.push(node.clone());
            true
        }
    });
    Ok(())
}

fn create_token(view: &View, given: &AclToken, ttl: i64, context: &Context<'_>) -> Result<Prepared, RequestError> {
    let mut token = complete_token(view, given)?;
    if !token.auth_method.is_empty() {
        return Err(failed("AuthMethod field is disallowed outside of Login"));
    }
    for (id, what) in [(&given.accessor_id, "AccessorID"), (&given.secret_id.secret().to_owned(), "SecretID")] {
        if id.is_empty() {
            continue;
        }
        if !is_uuid(id) {
            return Err(failed(format!("Invalid Token: {what} is not a valid UUID")));
        }
        if id.starts_with(RESERVED) {
            return Err(failed(format!("Invalid Token: UUIDs with the prefix {RESERVED:?} are reserved")));
        }
        let is_used = view.acl_token(id).is_some() || view.acl_token_by_secret(&Token::new(id)).is_some();
        if is_used {
            return Err(failed(format!("Invalid Token: {what} is already in use")));
        }
    }
    if token.accessor_id.is_empty() {
        token.accessor_id = (context.new_id)();
    }
    if token.secret_id.secret().is_empty() {
        token.secret_id = Token::new((context.new_id)());
    }
    token.create_time = context.now;
    token.expiration_time = expiration(given, ttl, context.now)?;
    let accessor = token.accessor_id.clone();
    Ok((Some(AclCommand::PutToken(Box::new(token))), Subject::Token(accessor)))
}

fn expiration(given: &AclToken, ttl: i64, now: Timestamp) -> Result<Option<Timestamp>, RequestError> {
    if ttl == 0 && given.expiration_time.is_none() {
        return Ok(None);
    }
    if ttl != 0 && given.expiration_time.is_some() {
        return Err(failed("Token Expiration TTL and Expiration Time cannot both be set"));
    }
    if ttl < 0 {
        return Err(failed(format!(
            "Token Expiration TTL '-{}' should be > 0",
            format_duration(nanos(ttl.unsigned_abs()))
        )));
    }
    let time = given.expiration_time.unwrap_or_else(|| now.plus(nanos(ttl.unsigned_abs())));
    let Some(life) = time.0.checked_sub(now.0) else {
        return Err(failed("ExpirationTime cannot be before CreateTime"));
    };
    let shown = |duration| format_duration(duration);
    match nanos(life) {
        life if life > TOKEN_TTL_MAX => Err(failed(format!(
            "ExpirationTime cannot be more than {} in the future (was {})",
            shown(TOKEN_TTL_MAX),
            shown(life)
        ))),
        life if life < TOKEN_TTL_MIN => Err(failed(format!(
            "ExpirationTime cannot be less than {} in the future (was {})",
            shown(TOKEN_TTL_MIN),
            shown(life)
        ))),
        _ => Ok(Some(time)),
    }
}

fn nanos(count: u64) -> Duration {
    Duration::from_nanos(count)
}

fn update_token(view: &View, given: &AclToken, ttl: i64) -> Result<Prepared, RequestError> {
    if !is_uuid(&given.accessor_id) {
        return Err(failed("failed acl token lookup: index error: UUID must be 36 characters"));
    }
    let old = view.acl_token(&given.accessor_id);
    let old = old.ok_or_else(|| failed(format!("Cannot find token {:?}", given.accessor_id)))?;
    let secret = given.secret_id.secret();
    if !secret.is_empty() && given.secret_id != old.secret_id {
        return Err(failed("Changing a tokens SecretID is not permitted"));
    }
    if given.local != old.local {
        return Err(failed(format!("cannot toggle local mode of {}", old.accessor_id)));
    }
    if !given.auth_method.is_empty() && given.auth_method != old.auth_method {
        return Err(failed(format!("Cannot change AuthMethod of {}", old.accessor_id)));
    }
    if ttl != 0 || given.expiration_time.is_some_and(|time| Some(time) != old.expiration_time) {
        return Err(failed(format!("Cannot change expiration time of {}", old.accessor_id)));
    }
    let token = AclToken {
        accessor_id: old.accessor_id.clone(),
        secret_id: old.secret_id.clone(),
        auth_method: old.auth_method.clone(),
        expiration_time: old.expiration_time,
        create_time: old.create_time,
        ..given.clone()
    };
    let token = complete_token(view, &token)?;
    Ok((Some(AclCommand::PutToken(Box::new(token))), Subject::Token(old.accessor_id.clone())))
}

fn clone_token(
    view: &View,
    accessor: &str,
    description: &str,
    context: &Context<'_>,
) -> Result<Prepared, RequestError> {
    let old = view.acl_token(accessor).ok_or_else(not_found)?;
    if !old.rules.is_empty() {
        return Err(failed("Cannot clone a legacy ACL with this endpoint"));
    }
    let description = if description.is_empty() { old.description.clone() } else { description.to_owned() };
    let accessor = (context.new_id)();
    let token = AclToken {
        accessor_id: accessor.clone(),
        secret_id: Token::new((context.new_id)()),
        description,
        auth_method: String::new(),
        create_time: context.now,
        ..(**old).clone()
    };
    let token = complete_token(view, &token)?;
    Ok((Some(AclCommand::PutToken(Box::new(token))), Subject::Token(accessor)))
}

fn delete_token(view: &View, caller: &Caller, accessor: &str) -> Result<Prepared, RequestError> {
    if !is_uuid(accessor) {
        return Err(failed("failed acl token lookup: index error: UUID must be 36 characters"));
    }
    if accessor == ANONYMOUS_ACCESSOR {
        return Err(failed("Delete operation not permitted on the anonymous token"));
    }
    if caller.token().is_some_and(|token| token.accessor_id == accessor) {
        return Err(failed("Deletion of the request's authorization token is not permitted"));
    }
    let command = view.acl_token(accessor).map(|_| AclCommand::DeleteTokens(vec![accessor.to_owned()]));
    Ok((command, Subject::Gone))
}

fn put_policy(view: &View, given: &AclPolicy, context: &Context<'_>) -> Result<Prepared, RequestError> {
    if given.name.is_empty() {
        return Err(failed("Invalid Policy: no Name is set"));
    }
    if !is_name(&given.name, 128) {
        let text = "Invalid Policy: invalid Name. Only alphanumeric characters, '-' and '_' are allowed";
        return Err(failed(text));
    }
    let mut policy = given.clone();
    let same_name = view.acl_policy_by_name(&given.name);
    if given.id.is_empty() {
        policy.id = (context.new_id)();
    } else {
        if !is_uuid(&given.id) {
            return Err(failed("Policy ID invalid UUID"));
        }
        let old = view.acl_policy(&given.id);
        let old = old.ok_or_else(|| failed(format!("cannot find policy {}", given.id)))?;
        if old.id == MANAGEMENT_POLICY_ID && (given.rules != old.rules || !given.datacenters.is_empty()) {
            let what = if given.rules == old.rules { "Datacenters" } else { "Rules" };
            return Err(failed(format!(
                "Changing the {what} for the builtin global-management policy is not permitted"
            )));
        }
    }
    if same_name.is_some_and(|other| other.id != policy.id) {
        return Err(failed(format!("Invalid Policy: A Policy with Name {:?} already exists", given.name)));
    }
    acl::Rules::parse(&policy.rules, acl::Syntax::Current).map_err(|error| failed(error.to_string()))?;
    policy.hash = fingerprint(&(&policy.name, &policy.description, &policy.rules, &policy.datacenters));
    let id = policy.id.clone();
    Ok((Some(AclCommand::PutPolicy(Box::new(policy))), Subject::Policy(id)))
}

fn put_role(view: &View, given: &AclRole, context: &Context<'_>) -> Result<Prepared, RequestError> {
    if given.name.is_empty() {
        return Err(failed("Invalid Role: no Name is set"));
    }
    if !is_name(&given.name, 256) {
        return Err(failed("Invalid Role: invalid Name. Only alphanumeric characters, '-' and '_' are allowed"));
    }
    let same_name = view.acl_role_by_name(&given.name);
    let mut role = given.clone();
    if given.id.is_empty() {
        if same_name.is_some() {
            return Err(failed(format!("Invalid Role: A Role with Name {:?} already exists", given.name)));
        }
        role.id = (context.new_id)();
    } else {
        if !is_uuid(&given.id) {
            return Err(failed("Role ID invalid UUID"));
        }
        if view.acl_role(&given.id).is_none() {
            return Err(failed(format!("cannot find role {}", given.id)));
        }
        if same_name.is_some_and(|other| other.id != given.id) {
            return Err(failed(format!("Invalid Role: A role with name {:?} already exists", given.name)));
        }
    }
    role.policies = links::policies_by_id(view, &given.policies)?;
    check_identities(&mut role.service_identities, &mut role.node_identities, "role")?;
    let rights = (&role.policies, &role.service_identities, &role.node_identities);
    role.hash = fingerprint(&(&role.name, &role.description, rights));
    let id = role.id.clone();
    Ok((Some(AclCommand::PutRole(Box::new(role))), Subject::Role(id)))
}

fn bootstrap(view: &View, secret: &Token, context: &Context<'_>) -> Result<Prepared, RequestError> {
    if !secret.secret().is_empty() && !is_uuid(secret.secret()) {
        return Err(RequestError::new(ErrorKind::BadRequest, "Bad request: BootstrapSecret must be a UUID"));
    }
    let done_at = view.acl_bootstrap_index();
    // Asked again with the secret that it was done with: whoever has it may see it.
    if let Some(token) = view.acl_token_by_secret(secret)
        && !secret.secret().is_empty()
        && done_at != 0
        && token.policies.iter().any(|link| link.id == MANAGEMENT_POLICY_ID)
    {
        return Ok((None, Subject::Bootstrapped(token.accessor_id.clone())));
    }
    if done_at != 0 && done_at != context.reset_index {
        let text = format!("Permission denied: ACL bootstrap no longer allowed (reset index: {done_at})");
        return Err(RequestError::new(ErrorKind::Denied, text));
    }
    let mut token = management_token(view, "Bootstrap Token (Global Management)", context)?;
    if !secret.secret().is_empty() {
        token.secret_id = secret.clone();
    }
    let accessor = token.accessor_id.clone();
    let command = AclCommand::Bootstrap { token: Box::new(token), reset_index: context.reset_index };
    Ok((Some(command), Subject::Bootstrapped(accessor)))
}

/// A new token of all rights.
fn management_token(view: &View, description: &str, context: &Context<'_>) -> Result<AclToken, RequestError> {
    let link = AclLink { id: MANAGEMENT_POLICY_ID.to_owned(), name: String::new() };
    let token = AclToken {
        accessor_id: (context.new_id)(),
        secret_id: Token::new((context.new_id)()),
        description: description.to_owned(),
        policies: vec![link],
        create_time: context.now,
        ..AclToken::default()
    };
    complete_token(view, &token)
}

fn legacy_set(
    view: &View,
    (secret, name, is_management, rules): (&Token, &str, bool, &str),
    context: &Context<'_>,
) -> Result<Prepared, RequestError> {
    acl::Rules::parse(rules, acl::Syntax::Legacy)
        .map_err(|error| failed(format!("ACL rule compilation failed: {error}")))?;
    let old = if secret.secret().is_empty() { None } else { view.acl_token_by_secret(secret) };
    let secret = if secret.secret().is_empty() { Token::new((context.new_id)()) } else { secret.clone() };
    let link = AclLink { id: MANAGEMENT_POLICY_ID.to_owned(), name: String::new() };
    let token = AclToken {
        accessor_id: old.map_or_else(context.new_id, |old| old.accessor_id.clone()),
        secret_id: secret.clone(),
        description: name.to_owned(),
        policies: if is_management { vec![link] } else { Vec::new() },
        rules: if is_management { String::new() } else { rules.to_owned() },
        create_time: old.map_or(context.now, |old| old.create_time),
        ..AclToken::default()
    };
    let token = complete_token(view, &token)?;
    Ok((Some(AclCommand::PutToken(Box::new(token))), Subject::Secret(secret)))
}

/// What a leader must do before the ACL system is as it has to be: the built-in policy, the anonymous token, the
/// configured token of all rights, and what servers show each other. Empty when all is there.
#[must_use]
pub fn initialize(view: &View, initial_management: &Token, context: &Context<'_>) -> Vec<AclCommand> {
    let mut commands = Vec::new();
    if view.server_secret().is_none() {
        commands.push(AclCommand::ServerSecret(Token::new((context.new_id)())));
    }
    let policy = view.acl_policy(MANAGEMENT_POLICY_ID);
    if policy.is_none_or(|policy| policy.rules != acl::MANAGEMENT_RULES) {
        let mut policy = AclPolicy {
            id: MANAGEMENT_POLICY_ID.to_owned(),
            name: policy.map_or(model::MANAGEMENT_POLICY_NAME.to_owned(), |policy| policy.name.clone()),
            description: "Builtin Policy that grants unlimited access".to_owned(),
            rules: acl::MANAGEMENT_RULES.to_owned(),
            ..AclPolicy::default()
        };
        policy.hash = fingerprint(&(&policy.name, &policy.description, &policy.rules, &policy.datacenters));
        commands.push(AclCommand::PutPolicy(Box::new(policy)));
    }
    let link = AclLink { id: MANAGEMENT_POLICY_ID.to_owned(), name: String::new() };
    if !initial_management.secret().is_empty() && view.acl_token_by_secret(initial_management).is_none() {
        let mut token = AclToken {
            accessor_id: (context.new_id)(),
            secret_id: initial_management.clone(),
            description: "Master Token".to_owned(),
            policies: vec![link],
            create_time: context.now,
            ..AclToken::default()
        };
        token.hash = fingerprint(&(&token.policies, &token.description));
        let is_bootstrapped = view.acl_bootstrap_index() != 0;
        commands.push(if is_bootstrapped {
            AclCommand::PutToken(Box::new(token))
        } else {
            AclCommand::Bootstrap { token: Box::new(token), reset_index: 0 }
        });
    }
    if view.acl_token(ANONYMOUS_ACCESSOR).is_none() {
        let mut token = AclToken {
            accessor_id: ANONYMOUS_ACCESSOR.to_owned(),
            secret_id: Token::new(model::ANONYMOUS_SECRET),
            description: "Anonymous Token".to_owned(),
            create_time: context.now,
            ..AclToken::default()
        };
        token.hash = fingerprint(&(&token.policies, &token.description));
        commands.push(AclCommand::PutToken(Box::new(token)));
    }
    commands
}

/// Deletes tokens that have expired; `None` when there are none.
#[must_use]
pub fn reap(view: &View, now: Timestamp) -> Option<AclCommand> {
    let expired = view.acl_tokens().filter(|token| token.is_expired(now)).take(crate::limits::REAPED_TOKENS_MAX);
    let accessors: Vec<String> = expired.map(|token| token.accessor_id.clone()).collect();
    (!accessors.is_empty()).then_some(AclCommand::DeleteTokens(accessors))
}
