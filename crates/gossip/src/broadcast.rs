//! Messages on their way to everybody. Each is sent a limited number of times; those sent least
//! go first. The order is kept in a tree, so that filling a packet does not sort the queue.

use crate::limits::QUEUE_MESSAGES_MAX;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names one queued message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BroadcastId(u64);

/// Least sent first, then the longest that fits, then the newest.
type Order = (u32, Reverse<usize>, Reverse<u64>);

#[derive(Debug, Default)]
pub(crate) struct BroadcastQueue {
    items: BTreeMap<Order, Item>,
    places: BTreeMap<u64, Order>,
    subjects: BTreeMap<Arc<str>, u64>,
    next: u64,
}

#[derive(Debug)]
struct Item {
    subject: Option<Arc<str>>,
    bytes: Arc<[u8]>,
}

impl BroadcastQueue {
    /// Queues `bytes`; an older message about the same subject is dropped.
    pub(crate) fn push(&mut self, subject: Option<Arc<str>>, bytes: Vec<u8>) -> BroadcastId {
        if let Some(old) = subject.as_ref().and_then(|s| self.subjects.get(s)).copied() {
            self.remove(old);
        }
        self.next += 1;
        let id = self.next;
        let order = (0, Reverse(bytes.len()), Reverse(id));
        if let Some(subject) = &subject {
            self.subjects.insert(subject.clone(), id);
        }
        self.places.insert(id, order);
        self.items.insert(order, Item { subject, bytes: bytes.into() });
        if self.items.len() > QUEUE_MESSAGES_MAX
            && let Some((&(_, _, Reverse(last)), _)) = self.items.last_key_value()
        {
            self.remove(last);
        }
        BroadcastId(id)
    }

    /// Messages waiting.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The message has not been sent often enough yet.
    pub(crate) fn contains(&self, id: BroadcastId) -> bool {
        self.places.contains_key(&id.0)
    }

    /// Takes messages that fit into `free` bytes, each costing `overhead` more, and counts them as
    /// sent once. Messages sent `limit` times leave the queue.
    pub(crate) fn take(&mut self, overhead: usize, free: &mut usize, limit: u32, out: &mut Vec<Arc<[u8]>>) {
        let mut from: Order = (0, Reverse(usize::MAX), Reverse(u64::MAX));
        let mut sent = Vec::new();
        while *free > overhead {
            let largest = *free - overhead;
            // Within a tier longer messages come first: jump to the first that fits.
            from = from.max((from.0, Reverse(largest), Reverse(u64::MAX)));
            let Some((&order, item)) = self.items.range(from..).next() else { break };
            if order.0 > from.0 {
                from = (order.0, Reverse(usize::MAX), Reverse(u64::MAX));
                if item.bytes.len() > largest {
                    continue;
                }
            }
            *free -= overhead + item.bytes.len();
            out.push(item.bytes.clone());
            sent.push(order);
            // Identifiers start at 1, so there is always one before.
            let (tier, length, Reverse(id)) = order;
            from = (tier, length, Reverse(id - 1));
        }
        for order in sent {
            self.count(order, limit);
        }
    }

    fn count(&mut self, order: Order, limit: u32) {
        let (transmits, length, id) = order;
        if transmits + 1 >= limit {
            self.remove(id.0);
        } else if let Some(item) = self.items.remove(&order) {
            let order = (transmits + 1, length, id);
            self.places.insert(id.0, order);
            self.items.insert(order, item);
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(item) = self.places.remove(&id).and_then(|order| self.items.remove(&order)) else {
            return;
        };
        if let Some(subject) = item.subject
            && self.subjects.get(&subject) == Some(&id)
        {
            self.subjects.remove(&subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(queue: &mut BroadcastQueue, mut free: usize) -> Vec<usize> {
        let mut out = Vec::new();
        queue.take(2, &mut free, 3, &mut out);
        out.iter().map(|bytes| bytes.len()).collect()
    }

    #[test]
    fn least_sent_and_longest_first_and_gone_after_the_limit() {
        let mut queue = BroadcastQueue::default();
        for length in [10, 30, 20] {
            queue.push(None, vec![0; length]);
        }
        assert_eq!(lengths(&mut queue, 100), [30, 20, 10]);
        queue.push(None, vec![0; 5]);
        assert_eq!(lengths(&mut queue, 31), [5, 20], "30 does not fit behind 5");
        assert_eq!(lengths(&mut queue, 14), [10]);
        for _ in 0..10 {
            lengths(&mut queue, 1000);
        }
        assert!(queue.is_empty() && queue.places.is_empty() && queue.subjects.is_empty());
    }

    #[test]
    fn news_about_the_same_subject_replaces_the_old() {
        let mut queue = BroadcastQueue::default();
        let old = queue.push(Some("a".into()), vec![1]);
        let new = queue.push(Some("a".into()), vec![2, 2]);
        assert!(!queue.contains(old) && queue.contains(new));
        assert_eq!(lengths(&mut queue, 100), [2]);
        for _ in 0..2 * QUEUE_MESSAGES_MAX {
            queue.push(None, vec![0; 3]);
        }
        assert_eq!(queue.len(), QUEUE_MESSAGES_MAX);
    }
}
