//! The last user events, to drop repeats and to hand them to joining nodes.

use crate::limits::{EVENT_BUFFER_BYTES_MAX, EVENT_SLOTS, EVENTS_PER_SLOT_MAX};
use crate::wire::serf::{LTime, UserEvent};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(crate) struct EventBuffer {
    slots: BTreeMap<LTime, Vec<UserEvent>>,
    bytes: usize,
    /// Events before this time are not for us: they happened before we joined.
    pub(crate) not_before: LTime,
}

impl EventBuffer {
    /// True when the event is news. `clock` is the event clock after it has seen the event.
    pub(crate) fn note(&mut self, event: &UserEvent, clock: LTime) -> bool {
        let oldest = clock.saturating_sub(EVENT_SLOTS as u64);
        if event.ltime < self.not_before || event.ltime < oldest {
            return false;
        }
        let slot = self.slots.entry(event.ltime).or_default();
        let known = |e: &UserEvent| e.name == event.name && e.payload == event.payload;
        if slot.len() >= EVENTS_PER_SLOT_MAX || slot.iter().any(known) {
            return false;
        }
        slot.push(event.clone());
        self.bytes += size(event);
        while let Some(first) = self.slots.first_entry() {
            if *first.key() >= oldest && self.bytes <= EVENT_BUFFER_BYTES_MAX {
                break;
            }
            self.bytes -= first.remove().iter().map(size).sum::<usize>();
        }
        true
    }

    pub(crate) fn all(&self) -> Vec<UserEvent> {
        self.slots.values().flatten().cloned().collect()
    }
}

fn size(event: &UserEvent) -> usize {
    event.name.len() + event.payload.len() + 64
}

/// The last queries, to drop repeats.
#[derive(Debug, Default)]
pub(crate) struct QueryBuffer(BTreeMap<LTime, Vec<u32>>);

impl QueryBuffer {
    /// True when the query is news. `clock` is the query clock after it has seen the query.
    pub(crate) fn note(&mut self, ltime: LTime, id: u32, clock: LTime) -> bool {
        let oldest = clock.saturating_sub(EVENT_SLOTS as u64);
        if ltime < oldest {
            return false;
        }
        let slot = self.0.entry(ltime).or_default();
        if slot.len() >= EVENTS_PER_SLOT_MAX || slot.contains(&id) {
            return false;
        }
        slot.push(id);
        self.0 = self.0.split_off(&oldest);
        true
    }
}
