//! `/v1/kv`.

use bytes::Bytes;
use http::StatusCode;
use model::{Blob, Key, SessionId, parse_nanos};
use server::request::{Action, Answer as Rows, Body, Form, KvChange, KvCopy, KvVerb, Query, Response, Write};

use super::extract::{Call, parse_u64, unexpected};
use super::reply::{Answer, Failure, Reply};
use super::stream;

const MISSING_KEY: &str = "Missing key name";

/// `GET`: one entry, the entries below a prefix (`?recurse`), their keys (`?keys`), or a bare value (`?raw`).
pub async fn get(call: &mut Call<'_>) -> Answer {
    let mut options = call.read_options()?;
    call.refuse_namespace()?;
    let key = Key::new(call.tail);
    let is_root = key.is_empty();
    if call.query.has("stream") {
        return stream::keys(call, key);
    }
    let past = ["history", "at-index"];
    refuse_conflicts(call, &past.map(|past| (past, "keys")))?;
    refuse_conflicts(call, &["recurse", "raw", "at-index"].map(|other| ("history", other)))?;
    let is_keys = call.query.has("keys");
    let times = call.query.has("times");
    let query = if let Some(index) = at_index(call)? {
        let is_recurse = call.query.has("recurse");
        if is_root && !is_recurse {
            return Err(Failure::bad_request(MISSING_KEY));
        }
        if call.query.has("raw") {
            options.form = Form::Rows;
        }
        Query::KvAt { key, index, is_recurse, times }
    } else if call.query.has("history") && !is_root {
        Query::KvHistory { key }
    } else if is_keys {
        Query::KvKeys { prefix: key, separator: call.query.bytes("separator") }
    } else if call.query.has("recurse") {
        Query::KvList { prefix: key, times }
    } else if is_root {
        return Err(Failure::bad_request(MISSING_KEY));
    } else {
        if call.query.has("raw") {
            options.form = Form::Rows;
        }
        Query::KvGet { key, times }
    };
    let (meta, body) = call.read(options, query).await?;
    let reply = match body {
        // Below the root there is always something to list, if only nothing.
        Body::Json { found: false, .. } if is_keys && is_root => Reply::json(Bytes::from_static(b"[]")),
        Body::Json { found: false, .. } => Reply::empty(StatusCode::NOT_FOUND),
        Body::Json { json, .. } => Reply::json(json),
        Body::Rows(Rows::Kv(entries)) => match entries.first() {
            Some(entry) => Reply::raw(entry.value.0.clone()),
            None => Reply::empty(StatusCode::NOT_FOUND),
        },
        Body::Rows(_) => return Err(Failure::internal("unexpected rows from the server in place of an entry")),
    };
    Ok(reply.with_read(&meta))
}

/// `PUT`: sets a key, always, or if it is still as the client knows it (`?cas`), or together with its lock (`?acquire`,
/// `?release`).
pub async fn put(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    if call.query.has("copy-from") || call.query.has("move-from") {
        return copy(call).await;
    }
    let key = key(call)?;
    refuse_conflicts(call, &[("cas", "acquire"), ("cas", "release"), ("acquire", "release")])?;
    refuse_conflicts(call, &[("ttl", "acquire"), ("ttl", "release")])?;
    let flags = number(call, "flags")?.unwrap_or(0);
    let cas = number(call, "cas")?;
    let ttl = ttl(call)?;
    let value = call
        .take_body_within(call.state.limits.kv_value_bytes_max, |size, max| {
            format!(
                "Request body({size} bytes) too large, max size: {max} bytes. \
                 See https://www.consul.io/docs/agent/options.html#kv_max_value_size."
            )
        })
        .await?;
    let verb = match (call.query.has("acquire"), call.query.has("release")) {
        (true, _) => KvVerb::Lock,
        (_, true) => KvVerb::Unlock,
        _ if cas.is_some() => KvVerb::Cas,
        _ => KvVerb::Set,
    };
    let session = match verb {
        KvVerb::Lock => SessionId::new(call.query.text("acquire")),
        KvVerb::Unlock => SessionId::new(call.query.text("release")),
        _ => SessionId::default(),
    };
    change(
        call,
        KvChange { verb, key, value: Blob(value), flags, index: cas.unwrap_or(0), session, ttl, ..KvChange::default() },
    )
    .await
}

/// Puts everything under one prefix (`?copy-from`, `?move-from`) under the prefix of the path, as one change.
async fn copy(call: &Call<'_>) -> Answer {
    let others = ["cas", "acquire", "release", "flags", "ttl"];
    let pairs: Vec<(&str, &str)> =
        others.iter().flat_map(|other| [("copy-from", *other), ("move-from", *other)]).collect();
    refuse_conflicts(call, &pairs)?;
    refuse_conflicts(call, &[("copy-from", "move-from")])?;
    let is_move = call.query.has("move-from");
    let from = Key::new(call.query.bytes(if is_move { "move-from" } else { "copy-from" }));
    let copy = KvCopy { from, to: Key::new(call.tail), is_move, ..KvCopy::default() };
    Ok(Reply::boolean(call.write_in(call.query.text("dc"), Write::KvCopy(copy)).await?))
}

/// `DELETE`: one key, always or (`?cas`) if it is still as the client knows it, or all below a prefix (`?recurse`).
pub async fn delete(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let is_recurse = call.query.has("recurse");
    let key = if is_recurse { Key::new(call.tail) } else { key(call)? };
    refuse_conflicts(call, &[("cas", "recurse")])?;
    if call.query.has("ttl") {
        return Err(Failure::bad_request("Conflicting flags: ttl is for writing a key, not for deleting it"));
    }
    let (verb, index) = match (is_recurse, number(call, "cas")?) {
        (true, _) => (KvVerb::DeleteTree, 0),
        (false, Some(index)) => (KvVerb::DeleteCas, index),
        (false, None) => (KvVerb::Delete, 0),
    };
    change(call, KvChange { verb, key, index, ..KvChange::default() }).await
}

async fn change(call: &Call<'_>, change: KvChange) -> Answer {
    match call.ask(Action::Write(Write::Kv(change))).await? {
        Response::Written(done) => Ok(Reply::boolean(done)),
        Response::Locked { fencing_token } => Ok(Reply::boolean(true).with_fencing_token(fencing_token)),
        other => Err(unexpected(&other)),
    }
}

fn key(call: &Call<'_>) -> Result<Key, Failure> {
    if call.tail.is_empty() {
        return Err(Failure::bad_request(MISSING_KEY));
    }
    Ok(Key::new(call.tail))
}

/// A parameter that, when given, must be a number.
fn number(call: &Call<'_>, name: &str) -> Result<Option<u64>, Failure> {
    call.query.get(name).map(|text| parse_u64(text).map_err(Failure::internal)).transpose()
}

/// `?at-index`.
fn at_index(call: &Call<'_>) -> Result<Option<u64>, Failure> {
    let wrong = |text: &str| Failure::bad_request(format!("Invalid at-index {text:?}: it must be an index"));
    call.query.get("at-index").map(|text| text.parse().map_err(|_| wrong(text))).transpose()
}

/// Nanoseconds that an entry lives, 0 for ever; how many are allowed is for the leader to say.
fn ttl(call: &Call<'_>) -> Result<u64, Failure> {
    call.query.get("ttl").map_or(Ok(0), parse_ttl)
}

/// Nanoseconds of a written time.
pub fn parse_ttl(text: &str) -> Result<u64, Failure> {
    let wrong = |why: &str| Failure::bad_request(format!("Invalid ttl {text:?}: {why}"));
    let nanos = parse_nanos(text).map_err(|error| wrong(&error.to_string()))?;
    match u64::try_from(nanos) {
        Ok(nanos) if nanos > 0 => Ok(nanos),
        _ => Err(wrong("it must be between 1s and 87600h")),
    }
}

fn refuse_conflicts(call: &Call<'_>, pairs: &[(&str, &str)]) -> Result<(), Failure> {
    if pairs.iter().any(|(one, other)| call.query.has(one) && call.query.has(other)) {
        return Err(Failure::bad_request(format!("Conflicting flags: {}", call.query.to_sorted_text())));
    }
    Ok(())
}
