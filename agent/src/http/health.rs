//! `/v1/health`.

use model::{NodeName, ServiceName};
use server::request::Query;

use super::extract::{Call, parse_bool};
use super::reply::{Answer, Failure};
use super::stream;

/// Instances of a service with their checks.
pub async fn service(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let service = ServiceName::new(call.name("Missing service name")?);
    let passing = passing(call)?;
    let (tags, near, meta) = (call.tags(), call.near(), call.node_meta());
    let query = Query::ServiceHealth { service, tags, passing, near, meta };
    if call.query.has("stream") {
        return stream::health(call, query);
    }
    call.cached_read(options, query).await
}

/// Instances of all services with their checks: `?filter` chooses.
pub async fn services(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let query = Query::AllHealth { tags: call.tags(), passing: passing(call)?, meta: call.node_meta() };
    if call.query.has("stream") {
        return stream::health(call, query);
    }
    call.catalog_read(options, query).await
}

fn passing(call: &Call<'_>) -> Result<bool, Failure> {
    match call.query.get("passing") {
        None => Ok(false),
        Some("") => Ok(true),
        Some(text) => parse_bool(text).ok_or(Failure::bad_request("Invalid value for ?passing")),
    }
}

/// Ways to a service through the mesh with their checks.
pub async fn connect(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let service = ServiceName::new(call.name("Missing service name")?);
    let passing = passing(call)?;
    let (near, meta) = (call.near(), call.node_meta());
    call.cached_read(options, Query::MeshHealth { service, passing, near, meta }).await
}

/// Gateways that lead into the mesh to a service, with their checks.
pub async fn ingress(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let service = ServiceName::new(call.name("Missing service name")?);
    let passing = passing(call)?;
    let (near, meta) = (call.near(), call.node_meta());
    call.cached_read(options, Query::IngressHealth { service, passing, near, meta }).await
}

/// Checks of a node and its services.
pub async fn node(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let node = NodeName::new(call.name("Missing node name")?);
    call.catalog_read(options, Query::NodeChecks { node }).await
}

/// Checks of all instances of a service.
pub async fn checks(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let service = ServiceName::new(call.name("Missing service name")?);
    let (near, meta) = (call.near(), call.node_meta());
    call.catalog_read(options, Query::ServiceChecks { service, near, meta }).await
}

/// Checks in a state.
pub async fn state(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let state = call.name("Missing check state")?.into_owned();
    let (near, meta) = (call.near(), call.node_meta());
    call.catalog_read(options, Query::ChecksInState { state, near, meta }).await
}
