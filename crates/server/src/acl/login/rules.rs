//! Changes of auth methods and binding rules: checked before the log.

use std::time::Duration;

use filter::{Filter, JsonRow};
use model::{AclAuthMethod, AclBindingRule, format_duration, parse_nanos};
use state::{AclCommand, View};

use super::super::failed;
use super::super::write::{Context, Prepared, Subject, is_identity, is_name, is_uuid};
use super::bind_name::interpolate;
use super::{Identity, Method};
use crate::limits::{TOKEN_TTL_MAX, TOKEN_TTL_MIN};
use crate::request::RequestError;

/// Longest name of a role.
const ROLE_NAME_MAX: usize = 256;

/// Whether a rule is for an identity.
pub(super) fn selects(method: &Method, selector: &str, identity: &Identity) -> Result<bool, RequestError> {
    if selector.is_empty() {
        return Ok(true);
    }
    let schema = method.schema();
    let filter = Filter::parse(selector, schema)
        .map_err(|error| failed(format!("invalid Binding Rule: Selector is invalid: {error}")))?;
    Ok(filter.matches(&JsonRow { value: &identity.fields, schema }))
}

/// Whether something of this type can have this name.
pub(super) fn is_bind_name(bind_type: &str, name: &str) -> bool {
    match bind_type {
        "role" => is_name(name, ROLE_NAME_MAX),
        _ => is_identity(name),
    }
}

pub(in super::super) fn put_binding_rule(
    view: &View,
    given: &AclBindingRule,
    context: &Context<'_>,
) -> Result<Prepared, RequestError> {
    let mut rule = given.clone();
    if given.id.is_empty() {
        rule.id = (context.new_id)();
    } else {
        if !is_uuid(&given.id) {
            return Err(failed("Binding Rule ID invalid UUID"));
        }
        let old = view.acl_binding_rule(&given.id);
        let old = old.ok_or_else(|| failed(format!("cannot find binding rule {}", given.id)))?;
        if rule.auth_method.is_empty() {
            rule.auth_method.clone_from(&old.auth_method);
        } else if rule.auth_method != old.auth_method {
            return Err(failed("the AuthMethod field of an Binding Rule is immutable"));
        }
    }
    if rule.auth_method.is_empty() {
        return Err(failed("Invalid Binding Rule: no AuthMethod is set"));
    }
    let method = view.acl_auth_method(&rule.auth_method);
    let method = method.ok_or_else(|| failed(format!("cannot find auth method with name {:?}", rule.auth_method)))?;
    check_rule(&Method::parse(method).map_err(failed)?, &rule)?;
    let id = rule.id.clone();
    Ok((Some(AclCommand::PutBindingRule(Box::new(rule))), Subject::BindingRule(id)))
}

fn check_rule(method: &Method, rule: &AclBindingRule) -> Result<(), RequestError> {
    selects(method, &rule.selector, &Identity::default())?;
    if rule.bind_type.is_empty() {
        return Err(failed("Invalid Binding Rule: no BindType is set"));
    }
    if !matches!(rule.bind_type.as_str(), "service" | "role" | "node") {
        return Err(failed(format!("Invalid Binding Rule: unknown BindType {:?}", rule.bind_type)));
    }
    if rule.bind_name.is_empty() {
        return Err(failed("Invalid Binding Rule: no BindName is set"));
    }
    let any = |name: &str| method.has_variable(name).then(|| "any".to_owned());
    let name = interpolate(&rule.bind_name, &any)
        .map_err(|error| failed(format!("Invalid Binding Rule: invalid BindName: {error}")))?;
    if is_bind_name(&rule.bind_type, &name) { Ok(()) } else { Err(failed("Invalid Binding Rule: invalid BindName")) }
}

pub(in super::super) fn delete_binding_rule(id: &str) -> Result<Prepared, RequestError> {
    if !is_uuid(id) {
        return Err(failed("failed acl binding rule lookup: index error: UUID must be 36 characters"));
    }
    Ok((Some(AclCommand::DeleteBindingRule(id.to_owned())), Subject::Gone))
}

pub(in super::super) fn put_auth_method(view: &View, given: &AclAuthMethod) -> Result<Prepared, RequestError> {
    if given.name.is_empty() {
        return Err(failed("Invalid Auth Method: no Name is set"));
    }
    if !is_name(&given.name, 128) {
        let text = "Invalid Auth Method: invalid Name. Only alphanumeric characters, '-' and '_' are allowed";
        return Err(failed(text));
    }
    if view.acl_auth_method(&given.name).is_some_and(|old| old.kind != given.kind) {
        return Err(failed("the Type field of an Auth Method is immutable"));
    }
    if !matches!(given.token_locality.as_str(), "" | "local" | "global") {
        let text = "Invalid Auth Method: TokenLocality should be one of 'local' or 'global'";
        return Err(failed(text));
    }
    let mut method = given.clone();
    method.max_token_ttl = token_ttl(&given.max_token_ttl)?;
    Method::parse(&method).map_err(failed)?;
    let name = method.name.clone();
    Ok((Some(AclCommand::PutAuthMethod(Box::new(method))), Subject::AuthMethod(name)))
}

/// As Go writes it; empty for no limit.
fn token_ttl(text: &str) -> Result<String, RequestError> {
    let nanos = if text.is_empty() { 0 } else { parse_nanos(text).map_err(|error| failed(error.to_string()))? };
    let ttl = Duration::from_nanos(nanos.unsigned_abs());
    let shown = format!("{}{}", if nanos < 0 { "-" } else { "" }, format_duration(ttl));
    match nanos {
        0 => Ok(String::new()),
        _ if nanos < 0 || ttl < TOKEN_TTL_MIN => {
            Err(failed(format!("MaxTokenTTL {shown} cannot be less than {}", format_duration(TOKEN_TTL_MIN))))
        }
        _ if ttl > TOKEN_TTL_MAX => {
            Err(failed(format!("MaxTokenTTL {shown} cannot be more than {}", format_duration(TOKEN_TTL_MAX))))
        }
        _ => Ok(shown),
    }
}
