//! `/v1/query`.

use std::sync::Arc;
use std::time::Instant;

use http::header::HeaderValue;
use http::{Method, StatusCode};
use model::PreparedQuery;
use serde::Serialize;
use server::request::{
    Answer as Rows, Asker, Body, Consistency, ExecuteQuery, Form, Query, QueryChange, ReadMeta, Write,
};
use uuid::Uuid;

use super::cached::mark_hit;
use super::decode::{Shape, Struct, Unknown, decode, field};
use super::extract::{Call, parse_bool};
use super::reply::{Answer, Failure, Reply};
use crate::executions::Execution;

static FAILOVER: Struct = Struct {
    type_name: "structs.QueryDatacenterOptions",
    fields: &[field("NearestN", Shape::INT), field("Datacenters", Shape::TEXTS)],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

static SERVICE: Struct = Struct {
    type_name: "structs.ServiceQuery",
    fields: &[
        field("Service", Shape::TEXT),
        field("Failover", Shape::Struct(&FAILOVER)),
        field("OnlyPassing", Shape::Bool),
        field("IgnoreCheckIDs", Shape::List("[]types.CheckID", &Shape::Text("types.CheckID"))),
        field("Near", Shape::TEXT),
        field("Tags", Shape::TEXTS),
        field("NodeMeta", Shape::TEXT_MAP),
        field("ServiceMeta", Shape::TEXT_MAP),
        field("Connect", Shape::Bool),
    ],
    unknown: Unknown::Refuse,
    opaque: false,
    finish: None,
};

static TEMPLATE: Struct = Struct {
    type_name: "structs.QueryTemplateOptions",
    fields: &[field("Type", Shape::TEXT), field("Regexp", Shape::TEXT), field("RemoveEmptyTags", Shape::Bool)],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

static DNS: Struct = Struct {
    type_name: "structs.QueryDNSOptions",
    fields: &[field("TTL", Shape::TEXT)],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

static QUERY: Struct = Struct {
    type_name: "structs.PreparedQuery",
    fields: &[
        field("ID", Shape::TEXT),
        field("Name", Shape::TEXT),
        field("Session", Shape::TEXT),
        field("Token", Shape::TEXT),
        field("Template", Shape::Struct(&TEMPLATE)),
        field("Service", Shape::Struct(&SERVICE)),
        field("DNS", Shape::Struct(&DNS)),
        field("CreateIndex", Shape::Uint("uint64")),
        field("ModifyIndex", Shape::Uint("uint64")),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

/// What all answers to executions and explanations end with.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Facts<'a, T> {
    #[serde(flatten)]
    answer: &'a T,
    index: u64,
    last_contact: u64,
    known_leader: bool,
    consistency_level: &'static str,
}

impl<'a, T: Serialize> Facts<'a, T> {
    fn reply(answer: &'a T, meta: &ReadMeta) -> Answer {
        let consistency_level = match meta.consistency {
            Consistency::Stale => "stale",
            Consistency::Default => "leader",
            Consistency::Consistent => "consistent",
        };
        // Milliseconds here are nanoseconds there, as Go writes durations.
        let last_contact = meta.last_contact_ms * 1_000_000;
        let facts = Self { answer, index: 0, last_contact, known_leader: meta.known_leader, consistency_level };
        let meta = ReadMeta { index: 1, ..*meta };
        Ok(Reply::json_of(&facts)?.with_read(&meta).with_consistency(&meta))
    }
}

/// All queries.
pub async fn list(call: &mut Call<'_>) -> Answer {
    let options = call.read_options()?;
    call.catalog_read(options, Query::PreparedQueries).await
}

/// A new query.
pub async fn create(call: &mut Call<'_>) -> Answer {
    let mut query: PreparedQuery = call.take_json(&QUERY).await?;
    if !query.id.is_empty() {
        return Err(Failure::internal("ID must be empty when creating a new prepared query"));
    }
    query.id = Uuid::new_v4().to_string();
    let answer = serde_json::json!({"ID": query.id});
    change(call, QueryChange::Create(query)).await?;
    Reply::json_of(&answer)
}

/// One query, what one comes to, or its execution.
pub async fn get(call: &mut Call<'_>) -> Answer {
    let tail = String::from_utf8_lossy(call.tail).into_owned();
    if let Some(name) = tail.strip_suffix("/execute") {
        return execute(call, name).await;
    }
    if let Some(name) = tail.strip_suffix("/explain") {
        return explain(call, name).await;
    }
    let options = call.read_options()?;
    let read = call.read(options, Query::PreparedQuery { id: tail }).await;
    let (meta, body) = read.map_err(Failure::with_read_headers_unless_missing)?;
    match body {
        Body::Json { json, .. } => Ok(Reply::json(json).with_read(&meta).with_consistency(&meta)),
        Body::Rows(_) => Err(Failure::internal("unexpected rows from the server in place of JSON")),
    }
}

/// Replaces a query.
pub async fn update(call: &mut Call<'_>) -> Answer {
    refuse_verbs(call, &Method::PUT)?;
    let body = call.take_body().await?;
    // Without a body there is nothing that could be wrong before the query is looked for.
    let mut query = if body.is_empty() { PreparedQuery::default() } else { decode_query(&body)? };
    query.id = String::from_utf8_lossy(call.tail).into_owned();
    change(call, QueryChange::Update(query)).await
}

/// Deletes a query.
pub async fn delete(call: &mut Call<'_>) -> Answer {
    refuse_verbs(call, &Method::DELETE)?;
    let id = String::from_utf8_lossy(call.tail).into_owned();
    change(call, QueryChange::Delete { id }).await
}

fn decode_query(body: &[u8]) -> Result<PreparedQuery, Failure> {
    decode(body, &QUERY).map_err(|error| Failure::bad_request(format!("Request decode failed: {error}")))
}

/// Executions and explanations are only asked for.
fn refuse_verbs(call: &Call<'_>, method: &Method) -> Result<(), Failure> {
    if call.tail.ends_with(b"/execute") || call.tail.ends_with(b"/explain") {
        return Err(Failure::method_not_allowed(method, HeaderValue::from_static("GET")));
    }
    Ok(())
}

async fn change(call: &Call<'_>, change: QueryChange) -> Answer {
    call.write_in(call.query.text("dc"), Write::PreparedQuery(change)).await?;
    Ok(Reply::empty(StatusCode::OK))
}

async fn explain(call: &Call<'_>, id_or_name: &str) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Explanation<'a> {
        query: &'a PreparedQuery,
    }
    let mut options = call.read_options()?;
    options.form = Form::Rows;
    let query = Query::ExplainQuery { id_or_name: id_or_name.to_owned() };
    let (meta, body) = call.read(options, query).await.map_err(Failure::with_read_headers_unless_missing)?;
    match body {
        Body::Rows(Rows::PreparedQueries(found)) if found.len() == 1 => {
            Facts::reply(&Explanation { query: &found[0] }, &meta)
        }
        _ => Err(Failure::internal("unexpected answer from the server in place of a query")),
    }
}

async fn execute(call: &Call<'_>, id_or_name: &str) -> Answer {
    let mut options = call.read_options_of_all()?;
    options.form = Form::Rows;
    let limit = match call.query.text("limit") {
        "" => 0,
        text => parse_limit(text).map_err(|why| Failure::internal(format!("Bad limit: {why}")))?,
    };
    let connect = match call.query.text("connect") {
        "" => false,
        text => parse_bool(text).ok_or_else(|| {
            Failure::internal(format!(
                "Error parsing 'connect' value: strconv.ParseBool: parsing {text:?}: invalid syntax"
            ))
        })?,
    };
    let near = call.query.text("near").to_owned();
    let ip = call.client.map(|ip| ip.to_string()).unwrap_or_default();
    let asker = Asker { near, agent: call.state.node_name.clone(), ip };
    let id_or_name = id_or_name.to_owned();
    let wanted = ExecuteQuery { id_or_name, limit, connect, asker, seed: rand::random() };
    if let Some(kept) = call.kept_execution(&wanted)? {
        // The header tells what was asked for.
        let meta = ReadMeta { consistency: options.consistency, ..kept.meta };
        return Ok(mark_hit(Facts::reply(&*kept.found, &meta)?, kept.at.elapsed()));
    }
    let query = Query::ExecuteQuery(wanted.clone());
    let (meta, body) = call.read(options, query).await.map_err(Failure::with_read_headers_unless_missing)?;
    match body {
        Body::Rows(Rows::Execution(found)) => {
            let execution = Execution { meta, found: Arc::new(found), at: Instant::now() };
            call.keep_execution(&wanted, &execution);
            Ok(call.mark_uncached(Facts::reply(&*execution.found, &meta)?))
        }
        _ => Err(Failure::internal("unexpected answer from the server in place of an execution")),
    }
}

/// Reads a limit; negative ones mean none.
fn parse_limit(text: &str) -> Result<usize, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing {text:?}: invalid syntax"));
    }
    let limit: i64 = text.parse().map_err(|_| format!("strconv.Atoi: parsing {text:?}: value out of range"))?;
    Ok(usize::try_from(limit).unwrap_or(0))
}
