//! `/v1/coordinate`.

use http::StatusCode;
use model::{NodeCoordinate, NodeName};
use server::request::{Body, Cluster, Query, Response, Write};

use super::decode::{Shape, Struct, Unknown, field};
use super::extract::{Call, unexpected};
use super::reply::{Answer, Failure, Reply};

static COORDINATE: Struct = Struct {
    type_name: "coordinate.Coordinate",
    fields: &[
        field("Vec", Shape::List("[]float64", &Shape::Float)),
        field("Error", Shape::Float),
        field("Adjustment", Shape::Float),
        field("Height", Shape::Float),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

static UPDATE: Struct = Struct {
    type_name: "structs.CoordinateUpdateRequest",
    fields: &[
        field("Datacenter", Shape::TEXT),
        field("Node", Shape::TEXT),
        field("Segment", Shape::TEXT),
        field("Coord", Shape::Struct(&COORDINATE)),
        field("Token", Shape::TEXT),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

fn check_enabled(call: &Call<'_>) -> Result<(), Failure> {
    let refused = || Failure::new(StatusCode::UNAUTHORIZED, "Coordinate support disabled");
    if call.state.has_coordinates { Ok(()) } else { Err(refused()) }
}

/// The servers of all datacenters with their coordinates.
pub async fn datacenters(call: &mut Call<'_>) -> Answer {
    check_enabled(call)?;
    let action = server::request::Action::Cluster(Cluster::DatacenterCoordinates);
    match call.ask_in("", action).await? {
        Response::DatacenterCoordinates(datacenters) => Reply::json_of(&datacenters),
        other => Err(unexpected(&other)),
    }
}

/// Coordinates of all nodes.
pub async fn nodes(call: &mut Call<'_>) -> Answer {
    check_enabled(call)?;
    let segment = call.query.get("segment").map(str::to_owned);
    read(call, Query::Coordinates { segment }, false).await
}

/// Coordinates of a node; 404 when it has none.
pub async fn node(call: &mut Call<'_>) -> Answer {
    check_enabled(call)?;
    let node = NodeName::new(String::from_utf8_lossy(call.tail));
    let segment = call.query.get("segment").map(str::to_owned);
    read(call, Query::NodeCoordinates { node, segment }, true).await
}

async fn read(call: &Call<'_>, query: Query, needs_rows: bool) -> Answer {
    let options = call.read_options()?;
    let (meta, body) = call.read(options, query).await.map_err(Failure::with_read_headers)?;
    match body {
        Body::Json { found: false, .. } if needs_rows => Ok(Reply::empty(StatusCode::NOT_FOUND)),
        Body::Json { json, .. } => Ok(Reply::json(json).with_read(&meta)),
        Body::Rows(_) => Err(Failure::internal("unexpected rows from the server in place of JSON")),
    }
}

/// Takes in where a node is.
pub async fn update(call: &mut Call<'_>) -> Answer {
    check_enabled(call)?;
    let body = call.take_body().await?;
    let wrong = |error: &dyn std::fmt::Display| Failure::bad_request(format!("Request decode failed: {error}"));
    let given: serde_json::Value = super::decode::decode(&body, &UPDATE).map_err(|error| wrong(&error))?;
    if given.get("Coord").is_none_or(serde_json::Value::is_null) {
        return Err(Failure::bad_request("Missing Coord: where the node is"));
    }
    let datacenter = given.get("Datacenter").and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    let mut coordinate: NodeCoordinate = serde_json::from_value(given.clone()).map_err(|error| wrong(&error))?;
    // What is not given is 0, and not what a node starts with.
    let number = |name: &str| given["Coord"].get(name).and_then(serde_json::Value::as_f64).unwrap_or_default();
    coordinate.coord.error = number("Error");
    coordinate.coord.height = number("Height");
    if given["Coord"].get("Vec").is_none_or(serde_json::Value::is_null) {
        coordinate.coord.vec.clear();
    }
    let datacenter = if datacenter.is_empty() { call.query.text("dc").to_owned() } else { datacenter };
    call.write_in(&datacenter, Write::Coordinate(coordinate)).await?;
    Ok(Reply::empty(StatusCode::OK))
}
