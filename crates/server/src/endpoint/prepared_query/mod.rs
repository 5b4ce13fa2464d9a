//! `/v1/query`: prepared queries are checked, looked up, explained and executed.

mod execute;
mod expression;
mod template;

use std::sync::Arc;

use acl::{Level, Resource};
use model::{PreparedQuery, TextMap, Token, parse_nanos};
use state::{Command, View};

use super::failed;
use crate::acl::Caller;
use crate::limits::{QUERY_META_KEY_MAX, QUERY_META_PAIRS_MAX, QUERY_META_VALUE_MAX};
use crate::request::{Answer, ErrorKind, QueryChange, RequestError};

pub(super) use execute::execute;
use template::Template;

/// What a token of a query looks like to those who may not see it.
const HIDDEN: &str = "<hidden>";

/// The queries that the caller may see. Those without a name are told only to those who may see everything.
pub(super) fn list(view: &View, caller: &Caller) -> Answer {
    let is_listed = |query: &&Arc<PreparedQuery>| {
        let is_named = !query.name.is_empty() || query.is_template();
        sees_tokens(caller) || (is_named && caller.allows(Resource::Query, &*query.name, Level::Read))
    };
    Answer::PreparedQueries(view.prepared_queries().filter(is_listed).map(|query| shown(caller, query)).collect())
}

/// Whether the caller may see the tokens of queries.
fn sees_tokens(caller: &Caller) -> bool {
    caller.allows(Resource::Acl, "", Level::Write)
}

/// A query as the caller may see it.
fn shown(caller: &Caller, query: &Arc<PreparedQuery>) -> Arc<PreparedQuery> {
    if query.token.secret().is_empty() || sees_tokens(caller) {
        return Arc::clone(query);
    }
    Arc::new(PreparedQuery { token: Token::new(HIDDEN), ..PreparedQuery::clone(query) })
}

/// Refuses the sight of a named query. Who knows the id of one without a name may see it.
fn check_sight(caller: &Caller, query: &PreparedQuery) -> Result<(), RequestError> {
    let is_named = !query.name.is_empty() || query.is_template();
    if is_named { caller.require(Resource::Query, &*query.name, Level::Read) } else { Ok(()) }
}

pub(super) fn get(view: &View, caller: &Caller, id: &str) -> Result<Answer, RequestError> {
    check_id(id).map_err(|why| failed(format!("failed prepared query lookup: {why}")))?;
    match view.prepared_query(id) {
        Some(query) => {
            check_sight(caller, query)?;
            Ok(Answer::PreparedQueries(vec![shown(caller, query)]))
        }
        None => Err(not_found()),
    }
}

pub(super) fn explain(view: &View, caller: &Caller, id_or_name: &str) -> Result<Answer, RequestError> {
    let query = Arc::new(resolve(view, id_or_name)?);
    check_sight(caller, &query)?;
    Ok(Answer::PreparedQueries(vec![shown(caller, &query)]))
}

fn not_found() -> RequestError {
    RequestError::new(ErrorKind::NotFound, "Query not found")
}

/// The query of an id or a name, made of a template if need be: the id first, then the whole name, then the template
/// with the longest prefix.
/// The token that a prepared query is executed with in place of the caller's, if it has one.
pub(super) fn own_token<'a>(view: &'a View, id_or_name: &str) -> Option<&'a Token> {
    find(view, id_or_name).map(|query| &query.token).filter(|token| !token.secret().is_empty())
}

fn find<'a>(view: &'a View, id_or_name: &str) -> Option<&'a Arc<PreparedQuery>> {
    let by_id = check_id(id_or_name).ok().and_then(|()| view.prepared_query(id_or_name));
    by_id.or_else(|| view.prepared_query_named(id_or_name)).or_else(|| view.template_for(id_or_name))
}

fn resolve(view: &View, id_or_name: &str) -> Result<PreparedQuery, RequestError> {
    if let Some(query) = check_id(id_or_name).ok().and_then(|()| view.prepared_query(id_or_name)) {
        if query.is_template() {
            return Err(failed("prepared query templates can only be resolved up by name, not by ID"));
        }
        return Ok(PreparedQuery::clone(query));
    }
    let found = view.prepared_query_named(id_or_name).or_else(|| view.template_for(id_or_name));
    let query = found.ok_or_else(not_found)?;
    if !query.is_template() {
        return Ok(PreparedQuery::clone(query));
    }
    Template::compile(query)?.render(id_or_name).map_err(failed)
}

/// Whether a text is a UUID; the error is the text that Consul has.
fn check_id(id: &str) -> Result<(), String> {
    if id.len() != 36 {
        return Err("index error: UUID must be 36 characters".to_owned());
    }
    let digits: String = id.chars().filter(|digit| *digit != '-').collect();
    if !digits.len().is_multiple_of(2) {
        return Err("index error: Input (without hyphens) must be even length".to_owned());
    }
    match digits.chars().find(|digit| !digit.is_ascii_hexdigit()) {
        Some(wrong) => {
            let code = u32::from(wrong);
            Err(format!("index error: Invalid UUID: encoding/hex: invalid byte: U+{code:04X} '{wrong}'"))
        }
        None => Ok(()),
    }
}

/// Checks a change and makes its command.
pub(super) fn prepare(view: &View, change: &QueryChange) -> Result<Command, RequestError> {
    let exists = |id: &str| {
        check_id(id)
            .map_err(|why| failed(format!("Prepared Query lookup failed: failed prepared query lookup: {why}")))?;
        match view.prepared_query(id) {
            Some(_) => Ok(()),
            None => Err(failed(format!("Cannot modify non-existent prepared query: '{id}'"))),
        }
    };
    match change {
        QueryChange::Create(query) => prepare_query(query),
        QueryChange::Update(query) => {
            exists(&query.id)?;
            prepare_query(query)
        }
        QueryChange::Delete { id } => {
            exists(id)?;
            Ok(Command::PreparedQueryDeletion { id: id.clone() })
        }
    }
}

fn prepare_query(query: &PreparedQuery) -> Result<Command, RequestError> {
    check(query).map_err(|why| failed(format!("Invalid prepared query: {why}")))?;
    if !query.session.is_empty() {
        check_id(&query.session).map_err(|why| failed(format!("invalid session: {why}")))?;
    }
    if query.is_template() {
        Template::compile(query)?
            .render(&query.name)
            .map_err(|why| failed(format!("failed compiling template: {why}")))?;
    }
    Ok(Command::PreparedQuery(query.clone()))
}

fn check(query: &PreparedQuery) -> Result<(), String> {
    if query.name.is_empty() && !query.is_template() && query.session.is_empty() {
        return Err("Must be bound to a session".to_owned());
    }
    if query.token.secret() == HIDDEN {
        return Err(format!(
            "Bad Token '{HIDDEN}', it looks like a query definition with a redacted token was submitted"
        ));
    }
    if query.service.service.is_empty() {
        return Err("Must provide a Service name to query".to_owned());
    }
    if query.service.failover.nearest_n < 0 {
        return Err(format!("Bad NearestN '{}', must be >= 0", query.service.failover.nearest_n));
    }
    if let Some(meta) = &query.service.node_meta {
        check_meta(meta)?;
    }
    check_ttl(&query.dns.ttl)
}

fn check_ttl(ttl: &str) -> Result<(), String> {
    if ttl.is_empty() {
        return Ok(());
    }
    match parse_nanos(ttl) {
        Ok(nanos) if nanos < 0 => Err(format!("DNS TTL '{nanos}', must be >=0")),
        Ok(_) => Ok(()),
        Err(why) => Err(format!("Bad DNS TTL '{ttl}': {why}")),
    }
}

fn check_meta(meta: &TextMap) -> Result<(), String> {
    if meta.len() > QUERY_META_PAIRS_MAX {
        return Err(format!("Node metadata cannot contain more than {QUERY_META_PAIRS_MAX} key/value pairs"));
    }
    for (key, value) in meta {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let why = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if !key.bytes().all(is_plain) {
            "Key contains invalid characters".to_owned()
        } else if key.len() > QUERY_META_KEY_MAX {
            format!("Key is too long (limit: {QUERY_META_KEY_MAX} characters)")
        } else if value.len() > QUERY_META_VALUE_MAX {
            format!("Value is too long (limit: {QUERY_META_VALUE_MAX} characters)")
        } else {
            continue;
        };
        return Err(format!("Couldn't load metadata pair ('{key}', '{value}'): {why}"));
    }
    Ok(())
}
