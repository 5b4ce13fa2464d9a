//! `/v1/session`.

use http::{HeaderName, HeaderValue, StatusCode};
use model::{CheckId, Json, NodeName, SERF_CHECK_ID, ServiceCheck, Session, SessionBehavior, SessionId, parse_nanos};
use serde::{Deserialize, Serialize};
use server::request::{Body, Cluster, Query, Response, Write};
use uuid::Uuid;

use super::decode::{Shape, Struct, Unknown, decode, field};
use super::extract::{Call, unexpected};
use super::json::{Node, parse};
use super::reply::{Answer, Failure, Reply};

const MISSING_SESSION: &str = "Missing session";

/// Lock-delay of a session that does not say, nanoseconds.
const LOCK_DELAY: i64 = 15_000_000_000;

/// Lock-delays below this number of nanoseconds are meant to be seconds.
const LOCK_DELAY_SECONDS_BELOW: i64 = 1000;

static SERVICE_CHECK: Struct = Struct {
    type_name: "structs.ServiceCheck",
    fields: &[field("ID", Shape::TEXT), field("Namespace", Shape::TEXT)],
    unknown: Unknown::Drop,
    opaque: false,
    finish: None,
};

/// `/v1/session/create`
static SESSION: Struct = Struct {
    type_name: "struct { LockDelay interface {}; *structs.Alias }",
    fields: &[
        field("ID", Shape::TEXT),
        field("Name", Shape::TEXT),
        field("Node", Shape::TEXT),
        field("LockDelay", Shape::Any),
        field("Behavior", Shape::Text("structs.SessionBehavior")),
        field("TTL", Shape::TEXT),
        field("NodeChecks", Shape::TEXTS),
        field("ServiceChecks", Shape::List("[]structs.ServiceCheck", &Shape::Struct(&SERVICE_CHECK))),
        field("Checks", Shape::List("[]types.CheckID", &Shape::Text("types.CheckID"))),
    ],
    unknown: Unknown::Drop,
    opaque: false,
    finish: None,
};

/// The body of `create`, as far as it was given.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Given {
    name: String,
    node: Option<NodeName>,
    lock_delay: Json,
    behavior: String,
    #[serde(rename = "TTL")]
    ttl: String,
    node_checks: Option<Vec<CheckId>>,
    service_checks: Option<Vec<ServiceCheck>>,
    checks: Option<Vec<CheckId>>,
}

/// Begins a session. Its id is made up here, so that the request can be repeated without beginning two.
pub async fn create(call: &mut Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct Created<'a> {
        #[serde(rename = "ID")]
        id: &'a str,
    }
    call.refuse_namespace()?;
    let body = call.take_body().await?;
    let session = read_session(&body, &call.state.node_name)?;
    let id = session.id.clone();
    call.write_in(call.query.text("dc"), Write::SessionCreate(session)).await?;
    Reply::json_of(&Created { id: &id })
}

fn read_session(body: &[u8], own_node: &NodeName) -> Result<Session, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::bad_request(format!("Request decode failed: {why}"));
    let given: Given =
        if body.is_empty() { Given::default() } else { decode(body, &SESSION).map_err(|error| failed(&error))? };
    let behavior = match given.behavior.as_str() {
        "" | "release" => SessionBehavior::Release,
        "delete" => SessionBehavior::Delete,
        other => return Err(Failure::internal(format!("Invalid Behavior setting '{other}'"))),
    };
    let (node_checks, checks) = bindings(body, given.node_checks, given.checks);
    Ok(Session {
        id: SessionId::from(Uuid::new_v4().to_string()),
        name: given.name,
        node: given.node.unwrap_or_else(|| own_node.clone()),
        lock_delay: lock_delay(&given.lock_delay).map_err(|error| failed(&error))?,
        behavior,
        ttl: given.ttl,
        node_checks,
        service_checks: given.service_checks,
        checks,
        ..Session::default()
    })
}

/// The checks that a session is bound to, from both of the fields that tell: either one, left empty on purpose, means
/// that there are none, and `serfHealth` in the old field adds nothing.
fn bindings(
    body: &[u8],
    node_checks: Option<Vec<CheckId>>,
    checks: Option<Vec<CheckId>>,
) -> (Option<Vec<CheckId>>, Vec<CheckId>) {
    let serf = || vec![CheckId::from(SERF_CHECK_ID)];
    let checks = if is_null(body, "Checks") { Vec::new() } else { checks.unwrap_or_else(serf) };
    if checks.is_empty() {
        return (Some(Vec::new()), checks);
    }
    if is_null(body, "NodeChecks") {
        return (None, Vec::new());
    }
    let node_checks = node_checks.unwrap_or_else(serf);
    let adds_nothing = node_checks.is_empty() || checks == serf();
    (Some(node_checks), if adds_nothing { Vec::new() } else { checks })
}

fn is_null(body: &[u8], name: &str) -> bool {
    match parse(body) {
        Ok(Node::Map(pairs)) => pairs.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && *value == Node::Null),
        _ => false,
    }
}

fn lock_delay(given: &Json) -> Result<i64, model::InvalidDuration> {
    let delay = match given {
        Json::Null => return Ok(LOCK_DELAY),
        Json::String(text) => parse_nanos(text)?,
        Json::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|it| it as i64)).unwrap_or(0),
        _ => 0,
    };
    Ok(if delay < LOCK_DELAY_SECONDS_BELOW { delay.wrapping_mul(1_000_000_000) } else { delay })
}

/// Ends a session, if it is there.
pub async fn destroy(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let id = SessionId::new(call.name(MISSING_SESSION)?);
    Ok(Reply::boolean(call.write_in(call.query.text("dc"), Write::SessionDestroy(id)).await?))
}

/// Gives a session its whole TTL again.
pub async fn renew(call: &mut Call<'_>) -> Answer {
    call.read_options()?;
    call.refuse_namespace()?;
    let id = SessionId::new(call.name(MISSING_SESSION)?);
    match call.cluster(Cluster::RenewSession { id: id.clone() }).await? {
        Response::Renewed(Some(session)) => Reply::json_of(&[session]),
        Response::Renewed(None) => Err(Failure::new(StatusCode::NOT_FOUND, format!("Session id '{id}' not found"))),
        other => Err(unexpected(&other)),
    }
}

/// One session, as a list of one or none; with the time that is left to it, when the leader answers.
pub async fn info(call: &mut Call<'_>) -> Answer {
    call.read_options()?;
    let id = SessionId::new(call.name(MISSING_SESSION)?);
    read(call, Query::Session { id }).await
}

/// All sessions.
pub async fn list(call: &mut Call<'_>) -> Answer {
    read(call, Query::Sessions).await
}

/// Sessions of a node.
pub async fn node(call: &mut Call<'_>) -> Answer {
    call.read_options()?;
    let node = NodeName::new(call.name("Missing node name")?);
    read(call, Query::NodeSessions { node }).await
}

async fn read(call: &mut Call<'_>, query: Query) -> Answer {
    const TTL: HeaderName = HeaderName::from_static("x-concord-session-ttl");
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let (meta, body) = call.read(options, query).await.map_err(Failure::with_read_headers)?;
    let Body::Json { json, .. } = body else {
        return Err(Failure::internal("unexpected rows from the server in place of JSON"));
    };
    let reply = Reply::json(json).with_read(&meta);
    let Some(left) = meta.session_ttl_ms else { return Ok(reply) };
    let text = format!("{}.{:03}s", left / 1000, left % 1000);
    Ok(match HeaderValue::try_from(text) {
        Ok(value) => reply.with_header(TTL, value),
        Err(_) => reply,
    })
}
