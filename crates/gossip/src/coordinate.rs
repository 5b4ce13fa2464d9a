//! Network coordinates (Vivaldi): from round-trip times of probes each node computes a position,
//! so that the time between any two nodes can be guessed without asking them. Constants are
//! those of all Serf agents; positions would not agree otherwise.

use crate::wire::WireError;
use crate::wire::msgpack::{Reader, Writer};
use rand::Rng;
use std::time::Duration;

/// Dimensions of the space.
const DIMENSIONS: usize = 8;
const ERROR_MAX: f64 = 1.5;
/// How fast error and position follow new observations.
const GAIN: f64 = 0.25;
const HEIGHT_MIN: f64 = 10.0e-6;
const ADJUSTMENT_WINDOW: usize = 20;
const GRAVITY_RHO: f64 = 150.0;
const ZERO: f64 = 1.0e-6;
/// Observations of one node whose median is believed.
const MEDIAN_OF: usize = 3;
/// A longer round trip tells nothing about distance.
const RTT_MAX: Duration = Duration::from_secs(10);
/// First byte of a ping's answer that carries a coordinate.
const PAYLOAD_VERSION: u8 = 1;

/// A position; distances are seconds of round-trip time.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate {
    /// Position in space.
    pub vec: [f64; DIMENSIONS],
    /// Confidence, 0 is certain.
    pub error: f64,
    /// Correction learned from recent observations, in seconds.
    pub adjustment: f64,
    /// Time to get into the core of the network, in seconds.
    pub height: f64,
}

impl Default for Coordinate {
    fn default() -> Coordinate {
        Coordinate { vec: [0.0; DIMENSIONS], error: ERROR_MAX, adjustment: 0.0, height: HEIGHT_MIN }
    }
}

impl Coordinate {
    /// Estimated round-trip time between two positions, in seconds.
    pub fn distance(&self, other: &Coordinate) -> f64 {
        let raw = self.raw_distance(other);
        let adjusted = raw + self.adjustment + other.adjustment;
        if adjusted > 0.0 { adjusted } else { raw }
    }

    fn raw_distance(&self, other: &Coordinate) -> f64 {
        magnitude(&difference(&self.vec, &other.vec)) + self.height + other.height
    }

    fn is_valid(&self) -> bool {
        let rest = [self.error, self.adjustment, self.height];
        self.vec.iter().chain(&rest).all(|number| number.is_finite())
    }

    fn push_away(&mut self, force: f64, other: &Coordinate, rng: &mut impl Rng) {
        let apart = difference(&self.vec, &other.vec);
        let distance = magnitude(&apart);
        let direction = if distance > ZERO { apart.map(|d| d / distance) } else { random_unit(rng) };
        for (position, unit) in self.vec.iter_mut().zip(direction) {
            *position += unit * force;
        }
        if distance > ZERO {
            let height = (self.height + other.height) * force / distance + self.height;
            self.height = height.max(HEIGHT_MIN);
        }
    }

    pub(crate) fn encode_payload(&self) -> Vec<u8> {
        let mut w = Writer::message(PAYLOAD_VERSION);
        w.map(4).text("Vec").array(DIMENSIONS);
        for number in self.vec {
            w.float(number);
        }
        w.text("Error").float(self.error).text("Adjustment").float(self.adjustment);
        w.text("Height").float(self.height);
        w.finish()
    }

    /// Reads a ping's answer; nothing when it carries no coordinate of our kind.
    pub(crate) fn decode_payload(payload: &[u8]) -> Option<Coordinate> {
        let (&PAYLOAD_VERSION, body) = payload.split_first()? else { return None };
        decode(&mut Reader::new(body)).ok().flatten().filter(Coordinate::is_valid)
    }
}

fn decode(r: &mut Reader<'_>) -> Result<Option<Coordinate>, WireError> {
    let (mut coordinate, mut complete) = (Coordinate::default(), false);
    for _ in 0..r.map()? {
        match r.raw()? {
            b"Vec" => {
                if r.array()? != DIMENSIONS {
                    return Ok(None);
                }
                for number in &mut coordinate.vec {
                    *number = r.float()?;
                }
                complete = true;
            }
            b"Error" => coordinate.error = r.float()?,
            b"Adjustment" => coordinate.adjustment = r.float()?,
            b"Height" => coordinate.height = r.float()?,
            _ => r.skip()?,
        }
    }
    Ok(complete.then_some(coordinate))
}

/// What is known about the way to one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vicinity {
    pub(crate) coordinate: Coordinate,
    recent: Vec<f64>,
}

/// This node's own position and how it moves.
#[derive(Debug, Default)]
pub(crate) struct Position {
    pub(crate) coordinate: Coordinate,
    /// How often the position became nonsense and started anew.
    pub(crate) resets: u64,
    samples: [f64; ADJUSTMENT_WINDOW],
    next_sample: usize,
}

impl Position {
    /// A peer at `other` answered after `rtt`.
    pub(crate) fn observe(&mut self, peer: &mut Vicinity, other: Coordinate, rtt: Duration, rng: &mut impl Rng) {
        if rtt > RTT_MAX {
            return;
        }
        peer.coordinate = other;
        if peer.recent.len() == MEDIAN_OF {
            peer.recent.remove(0);
        }
        peer.recent.push(rtt.as_secs_f64());
        let mut sorted = peer.recent.clone();
        sorted.sort_by(f64::total_cmp);
        let rtt = sorted[sorted.len() / 2].max(ZERO);
        self.follow(&peer.coordinate, rtt, rng);
        self.adjust(&peer.coordinate, rtt);
        self.fall_to_origin(rng);
        if !self.coordinate.is_valid() {
            *self = Position { resets: self.resets + 1, ..Position::default() };
        }
    }

    fn follow(&mut self, other: &Coordinate, rtt: f64, rng: &mut impl Rng) {
        let me = &mut self.coordinate;
        let distance = me.distance(other);
        let wrongness = (distance - rtt).abs() / rtt;
        let weight = me.error / (me.error + other.error).max(ZERO);
        me.error = (GAIN * weight * wrongness + me.error * (1.0 - GAIN * weight)).min(ERROR_MAX);
        me.push_away(GAIN * weight * (rtt - distance), other, rng);
    }

    fn adjust(&mut self, other: &Coordinate, rtt: f64) {
        self.samples[self.next_sample] = rtt - self.coordinate.raw_distance(other);
        self.next_sample = (self.next_sample + 1) % ADJUSTMENT_WINDOW;
        self.coordinate.adjustment = self.samples.iter().sum::<f64>() / (2.0 * ADJUSTMENT_WINDOW as f64);
    }

    /// A weak pull to the origin keeps all nodes together from drifting away.
    fn fall_to_origin(&mut self, rng: &mut impl Rng) {
        let origin = Coordinate::default();
        let force = -(origin.distance(&self.coordinate) / GRAVITY_RHO).powi(2);
        self.coordinate.push_away(force, &origin, rng);
    }
}

fn difference(a: &[f64; DIMENSIONS], b: &[f64; DIMENSIONS]) -> [f64; DIMENSIONS] {
    std::array::from_fn(|i| a[i] - b[i])
}

fn magnitude(vec: &[f64; DIMENSIONS]) -> f64 {
    vec.iter().map(|number| number * number).sum::<f64>().sqrt()
}

fn random_unit(rng: &mut impl Rng) -> [f64; DIMENSIONS] {
    let vec: [f64; DIMENSIONS] = std::array::from_fn(|_| rng.random_range(-0.5..0.5));
    let length = magnitude(&vec);
    if length > ZERO {
        vec.map(|number| number / length)
    } else {
        std::array::from_fn(|i| if i == 0 { 1.0 } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    /// Nodes on a line, 10 ms apart.
    #[test]
    fn distances_are_learned() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut nodes: Vec<Position> = (0..6).map(|_| Position::default()).collect();
        let mut ways = vec![vec![Vicinity::default(); 6]; 6];
        for _ in 0..4000 {
            let (a, b) = (rng.random_range(0..6usize), rng.random_range(0..6usize));
            if a != b {
                let rtt = Duration::from_millis(10 * a.abs_diff(b) as u64);
                let other = nodes[b].coordinate.clone();
                nodes[a].observe(&mut ways[a][b], other, rtt, &mut rng);
            }
        }
        for (a, b) in [(0, 5), (1, 2), (3, 5)] {
            let (guess, real) = (nodes[a].coordinate.distance(&nodes[b].coordinate), 0.01 * (b - a) as f64);
            assert!((guess - real).abs() < 0.25 * real, "{a}-{b}: {guess} instead of {real}");
        }
        assert!(nodes.iter().all(|node| node.resets == 0));
    }

    #[test]
    fn nonsense_is_not_believed() {
        let good = Coordinate { height: 0.5, ..Coordinate::default() };
        assert_eq!(Coordinate::decode_payload(&good.encode_payload()), Some(good.clone()));
        let bad = Coordinate { height: f64::NAN, ..good };
        assert_eq!(Coordinate::decode_payload(&bad.encode_payload()), None);
        assert_eq!(Coordinate::decode_payload(&[1, 0x81, 0xa3, b'V', b'e', b'c', 0x91, 0]), None);
        assert_eq!(Coordinate::decode_payload(&[]), None);
        let far = Coordinate { vec: [1e300; DIMENSIONS], ..Coordinate::default() };
        let mut position = Position::default();
        let mut rng = SmallRng::seed_from_u64(1);
        position.observe(&mut Vicinity::default(), far, Duration::from_millis(1), &mut rng);
        assert!(position.coordinate.is_valid());
        assert_eq!(position.resets, 1);
    }
}
