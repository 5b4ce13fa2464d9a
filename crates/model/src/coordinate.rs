//! Network coordinates (Vivaldi with height and adjustment), as Serf exchanges them.

use serde::{Deserialize, Serialize};

use crate::NodeName;

/// A point whose distance to another estimates the round-trip time in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Coordinate {
    /// Eight components, in seconds.
    pub vec: Vec<f64>,
    /// Confidence, 0 best, 1.5 at the start.
    pub error: f64,
    /// Correction from recent samples, seconds.
    pub adjustment: f64,
    /// Access link delay, seconds, never below 10 microseconds.
    pub height: f64,
}

impl Default for Coordinate {
    fn default() -> Self {
        Self { vec: vec![0.0; 8], error: 1.5, adjustment: 0.0, height: 1.0e-5 }
    }
}

/// The coordinate of a node, in the shape of `/v1/coordinate/nodes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeCoordinate {
    /// Node.
    pub node: NodeName,
    /// Always empty: there are no network segments.
    pub segment: String,
    /// Its coordinate.
    pub coord: Coordinate,
}
