//! Judges whether what concurrent clients saw can have happened one after the other: linearizability.
//!
//! The search is that of Wing and Gong with the memory of Lowe: from each state, any call may come next that began before
//! every other open call had ended. A call whose end is unknown may come at any time after its beginning, or never.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

/// One call of a client.
#[derive(Clone, Debug)]
pub struct Call<O> {
    /// When it began, on a clock that all clients share.
    pub began: Duration,
    /// When its answer came; `None` when there was none, or an error: then it may or may not have happened.
    pub ended: Option<Duration>,
    /// What was asked and answered.
    pub operation: O,
}

/// Whether there is an order of the calls that explains every answer. `step` gives the state after an operation, or
/// `None` when its answer does not fit the state before.
pub fn is_linearizable<O, S: Clone + Eq + Hash>(
    calls: &[Call<O>],
    start: S,
    step: impl Fn(&S, &O) -> Option<S>,
) -> bool {
    let mut order: Vec<&Call<O>> = calls.iter().collect();
    order.sort_by_key(|call| call.began);
    let wanted = order.iter().filter(|call| call.ended.is_some()).count();
    let mut seen: HashSet<(Done, S)> = HashSet::new();
    let mut open = vec![Open { done: Done::new(order.len()), finished: 0, state: start }];
    while let Some(Open { done, finished, state }) = open.pop() {
        if finished == wanted {
            return true;
        }
        for at in done.next_calls(&order) {
            let Some(after) = step(&state, &order[at].operation) else { continue };
            let done = done.with(at);
            if seen.insert((done.clone(), after.clone())) {
                let finished = finished + usize::from(order[at].ended.is_some());
                open.push(Open { done, finished, state: after });
            }
        }
    }
    false
}

/// A place in the search.
struct Open<S> {
    done: Done,
    finished: usize,
    state: S,
}

/// The calls that have been put in order: all before `first`, and those whose bits are set after it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done {
    first: usize,
    later: Vec<u64>,
    length: usize,
}

impl Done {
    fn new(length: usize) -> Self {
        Self { first: 0, later: Vec::new(), length }
    }

    fn has(&self, at: usize) -> bool {
        let bit = at.wrapping_sub(self.first);
        at < self.first || self.later.get(bit / 64).is_some_and(|word| word & (1 << (bit % 64)) != 0)
    }

    fn with(&self, at: usize) -> Self {
        let mut all: Vec<usize> = (self.first..self.length).filter(|call| *call == at || self.has(*call)).collect();
        let mut first = self.first;
        while all.first() == Some(&first) {
            all.remove(0);
            first += 1;
        }
        let mut later = vec![0; all.last().map_or(0, |last| (last - first) / 64 + 1)];
        for call in all {
            later[(call - first) / 64] |= 1 << ((call - first) % 64);
        }
        Self { first, later, length: self.length }
    }

    /// The calls that may come next: those that began before any call that is not done had ended.
    fn next_calls<O>(&self, order: &[&Call<O>]) -> Vec<usize> {
        let mut limit = Duration::MAX;
        let mut next = Vec::new();
        for (at, call) in order.iter().enumerate().skip(self.first) {
            if call.began > limit {
                break;
            }
            if !self.has(at) {
                limit = limit.min(call.ended.unwrap_or(Duration::MAX));
                next.push(at);
            }
        }
        // A call that began before the limit was known may still be after it.
        next.retain(|at| order[*at].began <= limit);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Write(u32),
        Read(u32),
    }

    fn judge(calls: &[(u64, Option<u64>, Op)]) -> bool {
        let calls: Vec<Call<Op>> = calls
            .iter()
            .map(|(began, ended, operation)| Call {
                began: Duration::from_secs(*began),
                ended: ended.map(Duration::from_secs),
                operation: *operation,
            })
            .collect();
        is_linearizable(&calls, 0, |state, operation| match operation {
            Op::Write(value) => Some(*value),
            Op::Read(value) => (value == state).then_some(*state),
        })
    }

    #[test]
    fn what_can_have_happened_is_accepted_and_nothing_else() {
        use Op::{Read, Write};
        assert!(judge(&[(0, Some(1), Write(1)), (2, Some(3), Read(1))]));
        assert!(!judge(&[(0, Some(1), Write(1)), (2, Some(3), Read(0))]), "a stale read");
        assert!(judge(&[(0, Some(5), Write(1)), (1, Some(2), Read(0)), (3, Some(4), Read(1))]));
        assert!(judge(&[(0, Some(5), Write(1)), (1, Some(2), Read(1)), (3, Some(4), Read(1))]));
        assert!(!judge(&[(0, Some(5), Write(1)), (1, Some(2), Read(1)), (3, Some(4), Read(0))]), "back in time");
        assert!(judge(&[(0, None, Write(1)), (7, Some(8), Read(0)), (9, Some(10), Read(1))]), "it came late");
        assert!(judge(&[(0, None, Write(1)), (7, Some(8), Read(0))]), "it never came");
        assert!(!judge(&[(7, Some(8), Read(1)), (9, None, Write(1))]), "before it was asked");
        assert!(!judge(&[(0, None, Write(1)), (1, Some(2), Read(1)), (3, Some(4), Read(0))]), "done and undone");
        assert!(!judge(&[
            (0, Some(9), Write(1)),
            (0, Some(9), Write(2)),
            (10, Some(11), Read(1)),
            (12, Some(13), Read(2))
        ]));
    }

    #[test]
    fn long_histories_are_judged() {
        let mut calls = Vec::new();
        for turn in 0..400_u32 {
            let at = u64::from(turn) * 4;
            calls.push((at, Some(at + 3), Op::Write(turn + 1)));
            calls.push((at + 2, Some(at + 6), Op::Read(turn + 1)));
        }
        assert!(judge(&calls));
        calls[777] = (1554, Some(1556), Op::Read(3));
        assert!(!judge(&calls));
    }
}
