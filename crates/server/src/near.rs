//! Sorting rows by the round-trip time between their node and another, estimated from network coordinates.

use std::sync::Arc;

use model::{Coordinate, NodeCoordinate};
use state::{Instance, View};

/// Instances sorted by distance from a node, which may be empty.
pub(crate) fn sorted<'v>(
    view: &'v View,
    near: &str,
    instances: impl Iterator<Item = &'v Arc<Instance>>,
) -> impl Iterator<Item = &'v Arc<Instance>> {
    Near::new(view, near).sort(instances.collect(), |instance| &instance.node.node).into_iter()
}

/// A node that rows are sorted by distance from.
pub(crate) struct Near<'a> {
    view: &'a View,
    from: Option<&'a NodeCoordinate>,
}

impl<'a> Near<'a> {
    /// Distances from a node. With an empty name, or a node without a coordinate, nothing is sorted.
    pub(crate) fn new(view: &'a View, node: &str) -> Self {
        let from = if node.is_empty() { None } else { view.coordinates_of(node).next().map(Arc::as_ref) };
        Self { view, from }
    }

    /// Sorts rows; those at the same distance keep their order, and those whose node has no coordinate come last.
    pub(crate) fn sort<T>(&self, rows: Vec<T>, node_of: impl Fn(&T) -> &str) -> Vec<T> {
        let Some(from) = self.from else { return rows };
        let mut measured: Vec<(f64, T)> =
            rows.into_iter().map(|row| (self.distance(from, node_of(&row)), row)).collect();
        measured.sort_by(|a, b| a.0.total_cmp(&b.0));
        measured.into_iter().map(|(_, row)| row).collect()
    }

    fn distance(&self, from: &NodeCoordinate, node: &str) -> f64 {
        let mut coordinates = self.view.coordinates_of(node);
        let to = coordinates.find(|coordinate| coordinate.segment == from.segment);
        to.map_or(f64::INFINITY, |to| Coordinate::distance(&from.coord, &to.coord))
    }
}
