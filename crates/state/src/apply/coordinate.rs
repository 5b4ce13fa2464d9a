//! New coordinates of nodes.

use std::sync::Arc;

use model::NodeCoordinate;

use crate::source::Table;
use crate::tables::Draft;

/// Writes the coordinates of the nodes that the catalog knows. Others are passed over: a coordinate goes with its node.
pub(crate) fn apply_coordinates(draft: &mut Draft, index: u64, coordinates: Vec<NodeCoordinate>) {
    let mut is_changed = false;
    for coordinate in coordinates {
        if draft.tables.node(&coordinate.node).is_some() {
            draft.place_coordinate(Arc::new(coordinate));
            is_changed = true;
        }
    }
    if is_changed {
        draft.bump(Table::Coordinates, index);
    }
}
