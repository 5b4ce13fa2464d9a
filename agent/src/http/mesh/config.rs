//! `/v1/config`.

use bytes::Bytes;
use http::StatusCode;
use model::EntryKind;
use server::request::{MeshQuery, MeshWrite, Write};

use super::ask;
use crate::http::decode::decode_any;
use crate::http::extract::{Call, parse_u64};
use crate::http::reply::{Answer, Failure, Reply};

/// Writes an entry.
pub async fn put(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let wrong = |error: String| Failure::bad_request(format!("Bad request: Request decoding failed: {error}"));
    let body = call.take_body().await?;
    let body = decode_any(&body).map_err(|error| wrong(error.to_string()))?;
    let entry = ::config::read_entry(&body).map_err(|error| wrong(error.to_string()))?;
    let cas = match call.query.text("cas") {
        "" => None,
        text => Some(parse_u64(text).map_err(Failure::internal)?),
    };
    let write = Write::Mesh(MeshWrite::PutEntry { entry, cas });
    Ok(Reply::boolean(call.write_in(call.query.text("dc"), write).await?))
}

/// One entry, or all of a kind, or all.
pub async fn get(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let path = String::from_utf8_lossy(call.tail).into_owned();
    let kind_of = |text: &str| text.parse::<EntryKind>().map_err(|error| Failure::internal(error.to_string()));
    let Some((kind, name)) = path.split_once('/') else {
        let kind = if path.is_empty() { None } else { Some(kind_of(&path)?) };
        let (meta, reply) = ask(call, MeshQuery::ConfigEntries { kind }).await?;
        return Ok(reply.unwrap_or_else(|| Reply::json(Bytes::from_static(b"[]"))).with_read(&meta));
    };
    let query = MeshQuery::ConfigEntry { kind: kind_of(kind)?, name: name.to_owned() };
    let (meta, reply) = ask(call, query).await?;
    let missing = || {
        let text = format!("Config entry not found for \"{kind}\" / \"{name}\"");
        Reply::text(StatusCode::NOT_FOUND, text)
    };
    Ok(reply.unwrap_or_else(missing).with_read(&meta))
}

/// Removes an entry.
pub async fn delete(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let path = String::from_utf8_lossy(call.tail).into_owned();
    let Some((kind, name)) = path.split_once('/') else {
        return Err(Failure::new(StatusCode::NOT_FOUND, "Must provide both a kind and name to delete"));
    };
    let kind = kind.parse::<EntryKind>().map_err(|error| Failure::bad_request(error.to_string()))?;
    let write = Write::Mesh(MeshWrite::DeleteEntry { kind, name: name.to_owned() });
    call.write_in(call.query.text("dc"), write).await?;
    Ok(Reply::json(Bytes::from_static(b"{}")))
}
