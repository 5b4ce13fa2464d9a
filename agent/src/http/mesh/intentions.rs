//! `/v1/connect/intentions` and `/v1/agent/connect/authorize`.

use std::time::SystemTime;

use http::{HeaderName, HeaderValue, StatusCode};
use model::{DEFAULT_NAMESPACE, Intention, IntentionSide, Json};
use serde::Deserialize;
use serde_json::json;
use server::request::{IntentionCheck, MeshQuery, MeshWrite, Write};
use uuid::Uuid;

use super::{ask, look};
use crate::http::decode::{Shape, Struct, Unknown, decode, field};
use crate::http::extract::Call;
use crate::http::reply::{Answer, Failure, Reply};

const BAD_ID: &str = "failed intention lookup: index error: UUID must be 36 characters";

static INTENTION: Struct = Struct {
    type_name: "",
    fields: &[
        field("ID", Shape::TEXT),
        field("Description", Shape::TEXT),
        field("SourceNS", Shape::TEXT),
        field("SourceName", Shape::TEXT),
        field("DestinationNS", Shape::TEXT),
        field("DestinationName", Shape::TEXT),
        field("SourceType", Shape::Text("structs.IntentionSourceType")),
        field("Action", Shape::Text("structs.IntentionAction")),
        field("DefaultAddr", Shape::TEXT),
        field("DefaultPort", Shape::INT),
        field("Meta", Shape::TEXT_MAP),
        field("Precedence", Shape::INT),
        field("CreatedAt", Shape::TEXT),
        field("UpdatedAt", Shape::TEXT),
        field("Hash", Shape::Any),
        field("CreateIndex", Shape::Uint("uint64")),
        field("ModifyIndex", Shape::Uint("uint64")),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: Some(|intention| {
        // What the servers make themselves.
        for made in ["Hash", "CreatedAt", "UpdatedAt", "Precedence", "CreateIndex", "ModifyIndex"] {
            intention.remove(made);
        }
    }),
};

async fn take(call: &mut Call<'_>) -> Result<Intention, Failure> {
    let body = call.take_body().await?;
    let wrong = |error| Failure::internal(format!("Failed to decode request body: {error}"));
    let mut intention: Intention = decode(&body, &INTENTION).map_err(wrong)?;
    intention.updated_at = humantime::format_rfc3339_nanos(SystemTime::now()).to_string();
    Ok(intention)
}

/// All intentions.
pub async fn list(call: &mut Call<'_>) -> Answer {
    let (meta, reply) = ask(call, MeshQuery::Intentions).await.map_err(Failure::with_read_headers)?;
    let reply = reply.ok_or_else(|| Failure::internal("the server has no list of intentions"))?;
    Ok(reply.with_read(&meta))
}

/// Adds an intention. Its id is made up here, so that the request can be repeated without adding two.
pub async fn create(call: &mut Call<'_>) -> Answer {
    let mut intention = take(call).await?;
    if !intention.id.is_empty() {
        return Err(Failure::internal("ID must be empty when creating a new intention"));
    }
    intention.id = Uuid::new_v4().to_string();
    intention.created_at.clone_from(&intention.updated_at);
    let id = intention.id.clone();
    call.write_in(call.query.text("dc"), Write::Mesh(MeshWrite::CreateIntention(intention))).await?;
    Reply::json_of(&json!({"ID": id}))
}

/// The id in the path.
fn id_of(call: &Call<'_>) -> Option<String> {
    let id = String::from_utf8_lossy(call.tail).into_owned();
    (id.len() == 36 && Uuid::parse_str(&id).is_ok()).then_some(id)
}

/// One intention.
pub async fn get(call: &mut Call<'_>) -> Answer {
    let id = id_of(call).ok_or_else(|| Failure::bad_request(format!("Bad request: {BAD_ID}")))?;
    let (_, reply) = ask(call, MeshQuery::Intention { id }).await?;
    reply.ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, "Intention not found"))
}

/// Changes an intention.
pub async fn update(call: &mut Call<'_>) -> Answer {
    let mut intention = take(call).await?;
    let bad_id = || Failure::internal(format!("Intention lookup failed: {BAD_ID}"));
    intention.id = id_of(call).ok_or_else(bad_id)?;
    let id = intention.id.clone();
    call.write_in(call.query.text("dc"), Write::Mesh(MeshWrite::UpdateIntention(intention))).await?;
    Reply::json_of(&json!({"ID": id}))
}

/// Removes an intention.
pub async fn delete(call: &mut Call<'_>) -> Answer {
    let bad_id = || Failure::internal(format!("Intention lookup failed: {BAD_ID}"));
    let id = id_of(call).ok_or_else(bad_id)?;
    call.write_in(call.query.text("dc"), Write::Mesh(MeshWrite::DeleteIntention { id })).await?;
    Ok(Reply::boolean(true))
}

fn required<'c>(call: &'c Call<'_>, name: &'static str) -> Result<&'c str, Failure> {
    let missing = || Failure::internal(format!("required query parameter '{name}' not set"));
    call.query.get(name).ok_or_else(missing)
}

/// Namespace and name of `[namespace/]name`.
fn split_name(text: &str) -> Result<(String, String), Failure> {
    let (namespace, name) = text.split_once('/').unwrap_or((DEFAULT_NAMESPACE, text));
    if name.contains('/') {
        return Err(Failure::internal(format!("name \"{text}\" is invalid: input can contain at most one '/'")));
    }
    Ok((namespace.to_owned(), name.to_owned()))
}

/// The intentions that cover services at one end.
pub async fn matching(call: &mut Call<'_>) -> Answer {
    let side = match required(call, "by")? {
        "source" => IntentionSide::Source,
        "destination" => IntentionSide::Destination,
        _ => return Err(Failure::internal("'by' parameter must be one of 'source' or 'destination'")),
    };
    required(call, "name")?;
    let names: Vec<String> = call.query.all("name").map(str::to_owned).collect();
    for name in &names {
        split_name(name)?;
    }
    let (_, reply) = ask(call, MeshQuery::IntentionMatch { side, names }).await?;
    reply.ok_or_else(|| Failure::internal("the server has no list of intentions"))
}

/// Whether one service may call another.
pub async fn check(call: &mut Call<'_>) -> Answer {
    let (source, destination) = (required(call, "source")?, required(call, "destination")?);
    let kind = call.query.text("source-type");
    if !matches!(kind, "" | "consul") {
        return Err(Failure::internal(format!("unsupported SourceType: \"{kind}\"")));
    }
    let check =
        IntentionCheck { source: split_name(source)?, destination: split_name(destination)?, is_for_admission: false };
    let verdict = look(call, MeshQuery::IntentionCheck(check)).await?;
    Reply::json_of(&json!({"Allowed": is_allowed(verdict.as_ref())}))
}

fn is_allowed(verdict: Option<&Json>) -> bool {
    verdict.and_then(|verdict| verdict.get("Allowed")) == Some(&Json::Bool(true))
}

static AUTHORIZE: Struct = Struct {
    type_name: "structs.ConnectAuthorizeRequest",
    fields: &[
        field("Target", Shape::TEXT),
        field("ClientCertURI", Shape::TEXT),
        field("ClientCertSerial", Shape::TEXT),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Authorize {
    target: String,
    #[serde(rename = "ClientCertURI")]
    client_cert_uri: String,
}

/// Whether the holder of a certificate may call a service on this agent.
pub async fn authorize(call: &mut Call<'_>) -> Answer {
    let body = call.take_body().await?;
    let wrong = |text: String| Failure::bad_request(format!("Bad request: {text}"));
    let given: Authorize =
        decode(&body, &AUTHORIZE).map_err(|error| wrong(format!("Request decode failed: {error}")))?;
    if given.target.is_empty() {
        return Err(wrong("Target service must be specified".to_owned()));
    }
    let source = match identity(&given.client_cert_uri) {
        Identity::Service(namespace, service) => (namespace, service),
        Identity::Other => return Err(wrong("ClientCertURI not a valid Service identifier".to_owned())),
        Identity::None => return Err(wrong("ClientCertURI not a valid Connect identifier".to_owned())),
    };
    let destination = (DEFAULT_NAMESPACE.to_owned(), given.target);
    let check = IntentionCheck { source, destination, is_for_admission: true };
    let verdict = look(call, MeshQuery::IntentionCheck(check)).await?;
    let decisive = verdict.as_ref().and_then(|verdict| verdict.get("Decisive")).and_then(Json::as_str);
    let reason = match decisive {
        Some(intention) => format!("Matched intention: {intention}"),
        None if verdict.as_ref().and_then(|verdict| verdict.get("ByRules")) == Some(&Json::Bool(true)) => {
            "Default behavior configured by ACLs".to_owned()
        }
        None => "ACLs disabled, access is allowed by default".to_owned(),
    };
    let reply = Reply::json_of(&json!({"Authorized": is_allowed(verdict.as_ref()), "Reason": reason}))?;
    // This agent keeps no intentions: every verdict is made anew.
    Ok(reply.with_header(HeaderName::from_static("x-cache"), HeaderValue::from_static("MISS")))
}

/// Who a certificate is for.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    /// A service: namespace and name.
    Service(String, String),
    /// The mesh itself or an agent.
    Other,
    /// Nobody that the mesh knows.
    None,
}

/// Reads `spiffe://DOMAIN/ns/NAMESPACE/dc/DATACENTER/svc/NAME`, and recognises agents and the mesh itself.
fn identity(uri: &str) -> Identity {
    let Some(rest) = uri.strip_prefix("spiffe://") else { return Identity::None };
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        [_, "ns", namespace, "dc", _, "svc", service] => Identity::Service((*namespace).into(), (*service).into()),
        [_, "agent", "client", "dc", _, "id", _] | [_] | [_, ""] => Identity::Other,
        _ => Identity::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read() {
        let service = identity("spiffe://x.consul/ns/default/dc/dc1/svc/web");
        assert_eq!(service, Identity::Service("default".into(), "web".into()));
        assert_eq!(identity("spiffe://x.consul/agent/client/dc/dc1/id/x"), Identity::Other);
        assert_eq!(identity("spiffe://x.consul"), Identity::Other);
        assert_eq!(identity("http://foo"), Identity::None);
        assert_eq!(identity(""), Identity::None);
    }
}
