//! Coordinates on their way to the log: agents tell theirs often and none of them matters much, so the leader collects
//! them and writes them every few seconds as few commands.

use std::collections::BTreeMap;

use model::NodeCoordinate;
use state::{Command, View};

use crate::limits::{COORDINATES_PER_COMMAND_MAX, COORDINATES_WAITING_MAX};

/// The coordinates that wait to be written: the last of each node.
#[derive(Debug, Default)]
pub struct CoordinateBatch {
    waiting: BTreeMap<(String, String), NodeCoordinate>,
}

impl CoordinateBatch {
    /// Takes one in. When too many wait it is dropped: its node tells again.
    pub fn push(&mut self, coordinate: NodeCoordinate) {
        let key = (coordinate.node.to_lowercase(), coordinate.segment.clone());
        if self.waiting.len() < COORDINATES_WAITING_MAX || self.waiting.contains_key(&key) {
            self.waiting.insert(key, coordinate);
        }
    }

    /// The commands for all that wait and would change something; nothing waits afterwards.
    pub fn take(&mut self, view: &View) -> Vec<Command> {
        let waiting = std::mem::take(&mut self.waiting).into_values();
        let is_news = |coordinate: &NodeCoordinate| {
            let mut known = view.coordinates_of(&coordinate.node);
            view.node(&coordinate.node).is_some() && !known.any(|known| **known == *coordinate)
        };
        let news: Vec<NodeCoordinate> = waiting.filter(is_news).collect();
        news.chunks(COORDINATES_PER_COMMAND_MAX).map(|part| Command::Coordinates(part.to_vec())).collect()
    }
}
