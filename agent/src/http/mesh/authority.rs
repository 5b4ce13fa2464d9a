//! `/v1/connect/ca` and `/v1/agent/connect/ca`.

use http::{HeaderName, HeaderValue, StatusCode};
use model::{CaRoot, Json};
use server::mesh::authority::{DISABLED, Identity};
use server::request::{CaChange, MeshQuery, MeshWrite, Query, Write};
use tokio::time::Instant;

use super::{ask, look};
use crate::http::decode::{Shape, Struct, Unknown, alias, decode, field};
use crate::http::extract::Call;
use crate::http::reply::{Answer, Failure, Reply};

/// The roots, if the mesh is on.
async fn known(call: &Call<'_>) -> Result<Option<Json>, Failure> {
    let roots = look(call, MeshQuery::CaRoots).await?;
    let active = roots.as_ref().and_then(|roots| roots.get("ActiveRootID")).and_then(Json::as_str);
    if active.is_none_or(str::is_empty) { Ok(None) } else { Ok(roots) }
}

/// Refuses where the mesh is off: by this agent's own settings, unless the servers have an authority.
async fn require(call: &Call<'_>) -> Result<(), Failure> {
    if call.state.has_mesh || known(call).await?.is_some() { Ok(()) } else { Err(Failure::internal(DISABLED)) }
}

/// The roots of the mesh.
pub async fn roots(call: &mut Call<'_>) -> Answer {
    require(call).await.map_err(Failure::with_read_headers)?;
    if call.query.text("pem") == "true" {
        return certificates(call).await;
    }
    let (meta, reply) = ask(call, MeshQuery::CaRoots).await?;
    let reply = reply.ok_or_else(|| Failure::internal(DISABLED))?;
    Ok(reply.with_read(&meta))
}

/// The certificates of the roots, PEM.
async fn certificates(call: &Call<'_>) -> Answer {
    let roots = look(call, MeshQuery::CaRoots).await?.and_then(|mut roots| roots.get_mut("Roots").map(Json::take));
    let roots: Vec<CaRoot> = serde_json::from_value(roots.unwrap_or_default())
        .map_err(|error| Failure::internal(format!("the servers' answer cannot be read: {error}")))?;
    let chain: String = roots
        .iter()
        .flat_map(|root| std::iter::once(&root.root_cert).chain(root.intermediate_certs.iter().flatten()))
        .map(String::as_str)
        .collect();
    let kind = HeaderValue::from_static("application/pem-certificate-chain");
    Ok(Reply::text(StatusCode::OK, chain).with_header(http::header::CONTENT_TYPE, kind))
}

/// The roots, which the agent follows.
pub async fn agent_roots(call: &mut Call<'_>) -> Answer {
    require(call).await?;
    call.kept_read(call.read_options_of_all()?, Query::Mesh(MeshQuery::CaRoots)).await
}

/// The settings of the authority.
pub async fn configuration(call: &mut Call<'_>) -> Answer {
    require(call).await?;
    let (_, reply) = ask(call, MeshQuery::CaConfiguration).await?;
    reply.ok_or_else(|| Failure::internal(DISABLED))
}

static CHANGE: Struct = Struct {
    type_name: "struct { ForceWithoutCrossSigningSnake bool \"json:\\\"force_without_cross_signing\\\"\"; *structs.Alias }",
    fields: &[
        field("ClusterID", Shape::TEXT),
        field("Provider", Shape::TEXT),
        field("Config", Shape::Map("map[string]interface {}", &Shape::Any)),
        field("State", Shape::TEXT_MAP),
        alias("ForceWithoutCrossSigning", &["force_without_cross_signing"], Shape::Bool),
        field("CreateIndex", Shape::Uint("uint64")),
        field("ModifyIndex", Shape::Uint("uint64")),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

/// Changes the settings of the authority.
pub async fn configure(call: &mut Call<'_>) -> Answer {
    let body = call.take_body().await?;
    let wrong = |error| Failure::bad_request(format!("Bad request: Request decode failed: {error}"));
    let change: CaChange = decode(&body, &CHANGE).map_err(wrong)?;
    if call.write_in(call.query.text("dc"), Write::Mesh(MeshWrite::SetCa(change))).await? {
        return Ok(Reply::empty(StatusCode::OK));
    }
    Err(Failure::internal("the certificate authority was changed by another request meanwhile; try again"))
}

/// The certificate of a service, and its key.
pub async fn leaf(call: &mut Call<'_>) -> Answer {
    let service = String::from_utf8_lossy(call.tail).into_owned();
    if service.is_empty() {
        return Err(Failure::internal("URI must be either service or agent"));
    }
    let token = call.token();
    call.caller().await?.require(::acl::Resource::Service, &service, ::acl::Level::Write)?;
    if service.contains('/') {
        let roots = known(call).await?.ok_or_else(|| Failure::internal(DISABLED))?;
        let trust_domain = roots["TrustDomain"].as_str().unwrap_or_default().to_owned();
        let datacenter = call.state.datacenter.clone();
        let uri = Identity::Service { trust_domain, datacenter, name: service.clone() }.uri().replace("%2F", "/");
        return Err(Failure::internal(format!("SPIFFE ID is not in the expected format: {uri}")));
    }
    let options = call.read_options_of_all()?;
    let wait = server::blocking::wait_time(options.wait_ms, rand::random());
    let (leaves, backend) = (&call.state.leaves, &call.state.backend);
    let deadline = Instant::now() + wait;
    let (leaf, is_hit) = leaves.get(backend, &service, &token, options.min_index, deadline).await?;
    let name = HeaderName::from_static("x-cache");
    let reply = Reply::json(leaf.json).with_index(leaf.index);
    if !is_hit {
        return Ok(reply.with_header(name, HeaderValue::from_static("MISS")));
    }
    Ok(reply.with_header(name, HeaderValue::from_static("HIT")).with_header(http::header::AGE, HeaderValue::from(0)))
}
