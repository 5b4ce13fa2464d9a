//! Join and leave intents that arrived before the node they are about. Gossip has no order; the
//! intent is applied when the node shows up.

use crate::limits::INTENTS_MAX;
use crate::time::Time;
use crate::wire::serf::LTime;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntentKind {
    Join,
    Leave,
}

#[derive(Debug, Default)]
pub(crate) struct RecentIntents(BTreeMap<String, (IntentKind, LTime, Time)>);

impl RecentIntents {
    /// Keeps the newest intent of a node; true when it is news.
    pub(crate) fn note(&mut self, node: &str, kind: IntentKind, ltime: LTime, now: Time) -> bool {
        let full = self.0.len() >= INTENTS_MAX;
        match self.0.get_mut(node) {
            Some(known) if known.1 >= ltime => false,
            Some(known) => {
                *known = (kind, ltime, now);
                true
            }
            None if full => false,
            None => {
                self.0.insert(node.to_owned(), (kind, ltime, now));
                true
            }
        }
    }

    pub(crate) fn take(&mut self, node: &str) -> Option<(IntentKind, LTime)> {
        self.0.remove(node).map(|(kind, ltime, _)| (kind, ltime))
    }

    pub(crate) fn forget_before(&mut self, time: Time) {
        self.0.retain(|_, (_, _, noted)| *noted >= time);
    }
}
