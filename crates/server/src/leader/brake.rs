//! The brake on mass failures: at most a share of the nodes that are alive turns critical within one minute.
//!
//! When gossip reports many failures at once, it is as likely that the network failed as that the nodes did. The brake
//! looks at what [`reconcile`](super::reconcile::reconcile) wants to write and holds back what is too much: those nodes
//! keep the status that they have and turn critical later, if they are still failed then. Nothing else is held, least of
//! all a node that comes back. The leader remembers this; a new leader starts a new minute.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::{AgentMember, MemberStatus, NodeName, SERF_CHECK_ID};
use state::View;

use super::reconcile::is_ours;
use crate::limits::BRAKE_WINDOW;
use crate::request::Write;

/// The leader's memory of which nodes turned critical when. Make a new one with each leadership.
#[derive(Debug)]
pub struct Brake {
    /// Share of the nodes that are alive, in percent; 0 for no brake.
    percent: u8,
    /// When nodes turned critical; rises.
    turned: VecDeque<Duration>,
    /// Failed nodes whose turn has not come, those who have waited longest first.
    waiting: Vec<NodeName>,
}

/// What of the writes is to be done now.
#[derive(Debug, Default)]
pub struct Plan {
    /// What the brake does not concern. To be done first: nodes that come back are among it.
    pub free: Vec<Write>,
    /// Each turns one node critical. After each the brake must be told, by [`Brake::turned`].
    pub turns: Vec<Write>,
    /// How many failed nodes are held back.
    pub waiting: usize,
    /// How many of them were not held back before.
    pub newly_waiting: usize,
    /// If any is held back: when to plan again at the latest.
    pub again_at: Option<Duration>,
}

impl Brake {
    /// Lets at most `percent` of the nodes that are alive (but at least one node) turn critical within a minute; 0 lets
    /// all do so.
    #[must_use]
    pub fn new(percent: u8) -> Self {
        Self { percent, turned: VecDeque::new(), waiting: Vec::new() }
    }

    /// Splits `writes`, which bring the catalog of `view` in step with `members` of `datacenter`. `now` is any clock
    /// that only rises. Without a brake all of them are free, in the same order.
    pub fn plan(
        &mut self,
        writes: Vec<Write>,
        view: &View,
        members: &[AgentMember],
        datacenter: &str,
        now: Duration,
    ) -> Plan {
        if self.percent == 0 {
            return Plan { free: writes, ..Plan::default() };
        }
        while self.turned.front().is_some_and(|turned| *turned + BRAKE_WINDOW <= now) {
            self.turned.pop_front();
        }
        let places: HashMap<NodeName, usize> = self.waiting.drain(..).zip(0..).collect();
        let (mut turns, mut free) = (Vec::new(), Vec::new());
        for write in writes {
            match turning(view, &write) {
                Some(node) => turns.push((places.get(&node).copied().unwrap_or(usize::MAX), node, write)),
                None => free.push(write),
            }
        }
        // Who waits comes before who has just failed; a node that fails again and again cannot overtake it.
        turns.sort_by_key(|(place, ..)| *place);
        let left = self.budget(members, datacenter).saturating_sub(self.turned.len());
        let held = turns.split_off(left.min(turns.len()));
        let newly_waiting = held.iter().filter(|(place, ..)| *place == usize::MAX).count();
        self.waiting = held.into_iter().map(|(_, node, _)| node).collect();
        let again_at = (!self.waiting.is_empty()).then(|| self.turned.front().map_or(now, |at| *at) + BRAKE_WINDOW);
        let turns = turns.into_iter().map(|(.., write)| write).collect();
        Plan { free, turns, waiting: self.waiting.len(), newly_waiting, again_at }
    }

    /// A node has turned critical, or may have: the write was tried. `now` is the time after it, so that no two times of
    /// writing are closer than they seem here.
    pub fn turned(&mut self, now: Duration) {
        if self.percent > 0 {
            self.turned.push_back(now);
        }
    }

    /// How many nodes may turn critical within a minute.
    fn budget(&self, members: &[AgentMember], datacenter: &str) -> usize {
        let is_alive = |member: &&AgentMember| {
            is_ours(member, datacenter) && MemberStatus::from_number(member.status) == Some(MemberStatus::Alive)
        };
        let alive = members.iter().filter(is_alive).count();
        (alive * usize::from(self.percent) / 100).max(1)
    }
}

/// The node that a write turns critical; a node that is so already is not turned by a new output.
fn turning(view: &View, write: &Write) -> Option<NodeName> {
    let Write::Register(registration) = write else { return None };
    let is_failure = registration.check.as_ref()?.is_critical();
    let is_known = view.check(&registration.node, SERF_CHECK_ID).is_some_and(|check| check.is_critical());
    (is_failure && !is_known).then(|| registration.node.clone())
}
