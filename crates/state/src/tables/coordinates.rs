//! Network coordinates of nodes, by node and segment.

use std::sync::Arc;

use model::NodeCoordinate;

use super::Draft;
use crate::key::key;
use crate::source::Table;

impl Draft {
    /// Puts a coordinate into its tree; indexes are left alone.
    pub(crate) fn place_coordinate(&mut self, coordinate: Arc<NodeCoordinate>) {
        let place = key([&coordinate.node, &coordinate.segment]);
        self.tables.coordinates.insert(&place, coordinate, &mut self.changes);
    }

    /// Removes the coordinates of a node that goes.
    pub(crate) fn delete_coordinates(&mut self, index: u64, node: &str) {
        if self.tables.coordinates.remove_prefix(&key([node]), &mut self.changes) > 0 {
            self.bump(Table::Coordinates, index);
        }
    }
}
