//! `/v1/coordinate`.

use std::sync::Arc;

use model::{DatacenterCoordinates, NodeCoordinate, NodeName};
use state::View;

use super::failed;
use crate::leader::reconcile::CONSUL_SERVICE;
use crate::request::{Answer, RequestError};

pub(super) fn all(view: &View, segment: Option<&str>) -> Answer {
    let wanted = |row: &&Arc<NodeCoordinate>| segment.is_none_or(|segment| row.segment == segment);
    Answer::Coordinates(view.coordinates().filter(wanted).map(Arc::clone).collect())
}

/// The coordinates of a node, under the name that was asked for.
pub(super) fn of_node(view: &View, node: &NodeName, segment: Option<&str>) -> Answer {
    let wanted = |row: &&Arc<NodeCoordinate>| segment.is_none_or(|segment| row.segment == segment);
    let named = |row: &Arc<NodeCoordinate>| match row.node == *node {
        true => Arc::clone(row),
        false => Arc::new(NodeCoordinate { node: node.clone(), ..NodeCoordinate::clone(row) }),
    };
    Answer::Coordinates(view.coordinates_of(node).filter(wanted).map(named).collect())
}

/// The servers of the own datacenter with their coordinates. A server that has told none yet is at the origin, as
/// uncertain as can be.
#[must_use]
pub fn datacenters(view: &View, datacenter: &str) -> Vec<DatacenterCoordinates> {
    let coordinate = |node: &NodeName| {
        let known = view.coordinates_of(node).next().map(|row| NodeCoordinate::clone(row));
        known.unwrap_or_else(|| NodeCoordinate { node: node.clone(), ..NodeCoordinate::default() })
    };
    let servers = view.instances_of(CONSUL_SERVICE);
    vec![DatacenterCoordinates {
        datacenter: datacenter.to_owned(),
        area_id: "wan".to_owned(),
        coordinates: servers.map(|server| coordinate(&server.node.node)).collect(),
    }]
}

/// Checks a coordinate before it waits to be written.
///
/// # Errors
/// When it is not a point of the space that all agents share.
pub fn check_coordinate(given: &NodeCoordinate) -> Result<(), RequestError> {
    if given.coord.is_valid() { Ok(()) } else { Err(failed("incompatible coordinate")) }
}
