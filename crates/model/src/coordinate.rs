//! Network coordinates (Vivaldi with height and adjustment), as Serf exchanges them.

use serde::{Deserialize, Serialize, Serializer};

use crate::NodeName;

/// A point whose distance to another estimates the round-trip time in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Coordinate {
    /// Eight components, in seconds.
    #[serde(serialize_with = "plain_numbers")]
    pub vec: Vec<f64>,
    /// Confidence, 0 best, 1.5 at the start.
    #[serde(serialize_with = "plain_number")]
    pub error: f64,
    /// Correction from recent samples, seconds.
    #[serde(serialize_with = "plain_number")]
    pub adjustment: f64,
    /// Access link delay, seconds, never below 10 microseconds.
    #[serde(serialize_with = "plain_number")]
    pub height: f64,
}

/// Largest whole number that JSON shows without a point.
const WHOLE_MAX: f64 = 1e15;

/// JSON shows whole numbers without a point, as Go does.
fn plain_number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() && number.fract() == 0.0 && number.abs() < WHOLE_MAX {
        return serializer.serialize_i64(*number as i64);
    }
    serializer.serialize_f64(*number)
}

fn plain_numbers<S: Serializer>(numbers: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    struct Plain(f64);
    impl Serialize for Plain {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            plain_number(&self.0, serializer)
        }
    }
    serializer.collect_seq(numbers.iter().map(|number| Plain(*number)))
}

impl Coordinate {
    /// Dimensions of the space that all agents share.
    pub const DIMENSIONS: usize = 8;

    /// Whether it lies in the space that all agents share and holds only numbers.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let rest = [self.error, self.adjustment, self.height];
        self.vec.len() == Self::DIMENSIONS && self.vec.iter().chain(&rest).all(|number| number.is_finite())
    }

    /// Estimated round-trip time between two points, in seconds.
    #[must_use]
    pub fn distance(&self, other: &Self) -> f64 {
        let squares = self.vec.iter().zip(&other.vec).map(|(a, b)| (a - b) * (a - b));
        let raw = squares.sum::<f64>().sqrt() + self.height + other.height;
        let adjusted = raw + self.adjustment + other.adjustment;
        if adjusted > 0.0 { adjusted } else { raw }
    }
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
    /// Network segment; agents are in none, so it is empty unless someone else wrote it.
    pub segment: String,
    /// Its coordinate.
    pub coord: Coordinate,
}

/// The servers of a datacenter with their coordinates, in the shape of `/v1/coordinate/datacenters`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DatacenterCoordinates {
    /// Datacenter.
    pub datacenter: String,
    /// Always `wan`.
    #[serde(rename = "AreaID")]
    pub area_id: String,
    /// Its servers.
    pub coordinates: Vec<NodeCoordinate>,
}
