//! `/v1/catalog`.

use model::{Deregistration, NodeName, Registration, ServiceName};
use serde::Serialize;
use server::request::{Answer as Rows, Body, Cluster, Form, MeshQuery, Query, Response, Write};

use super::catalog_shapes::{DEREGISTRATION, REGISTRATION};
use super::extract::{Call, unexpected};
use super::reply::{Answer, Failure, Reply};

/// Puts a node, with a service and checks, into the catalog.
pub async fn register(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let registration: Registration = call.take_json(&REGISTRATION).await?;
    let datacenter = registration.datacenter.clone();
    Ok(Reply::boolean(call.write_in(&datacenter, Write::Register(registration)).await?))
}

/// Takes a check, a service or a node out of the catalog.
pub async fn deregister(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let deregistration: Deregistration = call.take_json(&DEREGISTRATION).await?;
    let datacenter = deregistration.datacenter.clone();
    Ok(Reply::boolean(call.write_in(&datacenter, Write::Deregister(deregistration)).await?))
}

/// Names of the known datacenters.
pub async fn datacenters(call: &mut Call<'_>) -> Answer {
    call.consistency()?;
    let action = server::request::Action::Cluster(Cluster::Datacenters);
    match call.ask_in("", action).await? {
        Response::Names(names) => Reply::json_of(&names),
        other => Err(unexpected(&other)),
    }
}

/// All nodes.
pub async fn nodes(call: &mut Call<'_>) -> Answer {
    let options = call.read_options()?;
    let (near, meta) = (call.near(), call.node_meta());
    call.catalog_read(options, Query::Nodes { near, meta }).await
}

/// Names of all services with their tags.
pub async fn services(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    call.cached_read(options, Query::Services { meta: call.node_meta() }).await
}

/// Instances of a service.
pub async fn service(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let service = ServiceName::new(call.name("Missing service name")?);
    let (tags, near, meta) = (call.tags(), call.near(), call.node_meta());
    call.cached_read(options, Query::ServiceNodes { service, tags, near, meta }).await
}

/// Ways to a service through the mesh.
pub async fn connect(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let service = ServiceName::new(call.name("Missing service name")?);
    let (near, meta) = (call.near(), call.node_meta());
    call.cached_read(options, Query::MeshNodes { service, near, meta }).await
}

/// The services that a gateway leads to.
pub async fn gateway_services(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let gateway = ServiceName::new(call.name("Missing gateway name")?);
    call.catalog_read(options, Query::Mesh(MeshQuery::GatewayServices { gateway })).await
}

/// A node with its instances, by id.
pub async fn node(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let options = call.read_options()?;
    let node = NodeName::new(call.name("Missing node name")?);
    call.catalog_read(options, Query::NodeServices { node }).await
}

/// A node with its instances, as a list.
pub async fn node_services(call: &mut Call<'_>) -> Answer {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct List<'a> {
        node: Option<&'a model::Node>,
        services: Option<Vec<&'a model::NodeService>>,
    }
    call.refuse_namespace()?;
    let mut options = call.read_options()?;
    options.form = Form::Rows;
    let node = NodeName::new(call.name("Missing node name")?);
    let read = call.read(options, Query::NodeServices { node }).await;
    let (meta, Body::Rows(Rows::NodeServices(found))) = read.map_err(Failure::with_read_headers)? else {
        return Err(Failure::internal("unexpected rows from the server in place of a node"));
    };
    let list = List {
        node: found.as_ref().map(|found| &*found.node),
        services: found.as_ref().map(|found| found.services.values().map(|service| &**service).collect()),
    };
    Ok(Reply::json_of(&list)?.with_read(&meta).with_consistency(&meta))
}
