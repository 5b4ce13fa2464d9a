//! `/v1/session`.

use std::sync::Arc;
use std::time::Duration;

use model::{NodeName, Session, SessionId, format_duration, parse_nanos};
use state::View;

use super::failed;
use crate::limits::SESSION_TTL_MAX;
use crate::request::{Answer, RequestError};

const ID_LENGTH: usize = 36;

pub(super) fn one(view: &View, id: &SessionId) -> Answer {
    Answer::Sessions(view.session(id).map(Arc::clone).into_iter().collect())
}

pub(super) fn all(view: &View) -> Answer {
    Answer::Sessions(view.sessions().map(Arc::clone).collect())
}

pub(super) fn on_node(view: &View, node: &NodeName) -> Answer {
    Answer::Sessions(view.sessions_on(node).map(Arc::clone).collect())
}

/// Refuses what cannot be the id of a session.
///
/// # Errors
/// The text of what is wrong with it.
pub fn check_id(id: &str) -> Result<(), RequestError> {
    let wrong = |why: String| Err(failed(format!("failed session lookup: index error: {why}")));
    if id.len() != ID_LENGTH {
        return wrong("UUID must be 36 characters".to_owned());
    }
    let hyphens = id.bytes().filter(|byte| *byte == b'-').count();
    if hyphens > 4 {
        return wrong(format!("UUID should have maximum of 4 \"-\"; got {hyphens}"));
    }
    match id.chars().find(|it| *it != '-' && !it.is_ascii_hexdigit()) {
        Some(it) => wrong(format!("Invalid UUID: encoding/hex: invalid byte: U+{:04X} {it:?}", u32::from(it))),
        None => Ok(()),
    }
}

/// Checks a session that is to be created; `ttl_min` is the server's setting.
pub(super) fn prepare_create(given: &Session, ttl_min: Duration) -> Result<Session, RequestError> {
    if given.node.is_empty() {
        return Err(failed("Must provide Node"));
    }
    if given.ttl.is_empty() {
        return Ok(given.clone());
    }
    let ttl =
        parse_nanos(&given.ttl).map_err(|error| failed(format!("Session TTL '{}' invalid: {error}", given.ttl)))?;
    let limits = i128::try_from(ttl_min.as_nanos()).unwrap_or(i128::MAX)..=SESSION_TTL_MAX.as_nanos() as i128;
    if ttl != 0 && !limits.contains(&i128::from(ttl)) {
        return Err(failed(format!(
            "Invalid Session TTL '{ttl}', must be between [{}={}]",
            format_duration(ttl_min),
            format_duration(SESSION_TTL_MAX)
        )));
    }
    Ok(given.clone())
}
