//! Ends of memberships: leaving, forcing out, forgetting.

use super::peer::Swim;
use super::{CommandError, GossipCore, Leaving, Life, Output, Timer};
use crate::member::{PoolEvent, Status};
use crate::time::Time;
use crate::wire::serf::{Intent, SerfMessage};
use crate::wire::swim::{Accusation, Message};
use std::sync::Arc;
use std::time::Duration;

/// How often waits for a broadcast are looked at.
const WAIT_STEP: Duration = Duration::from_millis(20);

impl GossipCore {
    /// Starts to leave in good order; [`Output::LeaveDone`] tells the end.
    pub fn leave(&mut self, now: Time) {
        self.now = now;
        match self.life {
            Life::Alive => {}
            Life::Leaving(_) => return,
            Life::Left => {
                self.out.push(Output::LeaveDone);
                return;
            }
        }
        let intent = Intent { ltime: self.clocks.member.tick(), node: self.name.to_string(), prune: false };
        let me = self.me_mut();
        me.status = Status::Leaving;
        me.status_ltime = intent.ltime;
        let id = self.broadcast_intent(&SerfMessage::Leave(intent));
        self.life = Life::Leaving(Leaving::Intent(id, now + self.broadcast_deadline()));
        self.check_waits();
    }

    /// Declares a failed member as left, so that nobody waits for it; with `prune` it is also
    /// forgotten. A live member overrules this. [`Output::ForceLeaveDone`] tells the end.
    pub fn force_leave(&mut self, now: Time, node: &str, prune: bool) -> Result<(), CommandError> {
        self.now = now;
        if !self.peers.contains_key(node) {
            return Err(CommandError::UnknownNode(node.to_owned()));
        }
        let intent = Intent { ltime: self.clocks.member.tick(), node: node.to_owned(), prune };
        self.note_leave(&intent);
        let id = self.broadcast_intent(&SerfMessage::Leave(intent));
        self.forced.push((node.to_owned(), id, now + self.broadcast_deadline()));
        self.check_waits();
        Ok(())
    }

    /// Looks whether what commands wait for has been sent.
    pub(super) fn check_waits(&mut self) {
        let (now, alone) = (self.now, !self.has_company());
        let queue = &self.queues.intents;
        let over = |id, deadline| alone || now >= deadline || !queue.contains(id);
        let (done, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.forced).into_iter().partition(|(_, id, end)| over(*id, *end));
        let intent_sent = matches!(self.life, Life::Leaving(Leaving::Intent(id, end)) if over(id, end));
        self.forced = waiting;
        self.out.extend(done.into_iter().map(|(node, ..)| Output::ForceLeaveDone { node }));
        if intent_sent {
            self.leave_swim(alone);
        } else if let Life::Leaving(Leaving::Obituary(id, end)) = self.life {
            if now >= end || !self.queues.swim.contains(id) {
                self.life = Life::Leaving(Leaving::Delay);
                self.arm(self.timing.leave_delay, Timer::Waits);
                return;
            }
        } else if self.life == Life::Leaving(Leaving::Delay) {
            self.left();
            return;
        }
        if !self.forced.is_empty() || matches!(self.life, Life::Leaving(_)) {
            self.arm(WAIT_STEP, Timer::Waits);
        }
    }

    /// The intent is out: now the obituary, signed by the deceased.
    fn leave_swim(&mut self, alone: bool) {
        let (incarnation, name) = (self.me().incarnation, self.name.clone());
        let dead = Accusation { incarnation, node: name.to_string(), from: name.to_string() };
        let bytes = Message::Dead(dead).encode();
        let now = self.now;
        self.me_mut().set_swim(Swim::Left, now);
        if alone {
            self.left();
            return;
        }
        let id = self.queues.swim.push(Some(name), bytes);
        self.arm_gossip();
        self.life = Life::Leaving(Leaving::Obituary(id, now + self.broadcast_deadline()));
    }

    fn left(&mut self) {
        let now = self.now;
        let me = self.me_mut();
        me.status = Status::Left;
        me.gone_since = now;
        let member = me.member();
        self.life = Life::Left;
        self.emit(PoolEvent::Leave(member));
        self.out.push(Output::LeaveDone);
    }

    /// Removes failed and left members whose time is over.
    pub(super) fn reap(&mut self) {
        self.arm(self.timing.reap_interval, Timer::Reap);
        self.forget_dead();
        let now = self.now;
        self.intents.forget_before(Time(now.0.saturating_sub(Time::from(self.timing.intent_timeout).0)));
        let over: Vec<Arc<str>> = self
            .peers
            .values()
            .filter(|peer| {
                let limit = match peer.status {
                    Status::Failed => self.timing.reconnect_timeout,
                    Status::Left => self.timing.tombstone_timeout,
                    Status::Alive | Status::Leaving => return false,
                };
                now - peer.gone_since > limit
            })
            .map(|peer| peer.name.clone())
            .collect();
        for name in over {
            self.prune(&name);
        }
    }

    /// Forgets a member that is not there, and says so.
    pub(super) fn prune(&mut self, name: &Arc<str>) {
        if *name == self.name || self.peers.get(name).is_none_or(|peer| peer.swim.is_up()) {
            return;
        }
        if let Some(peer) = self.peers.remove(name) {
            self.order.retain(|known| known != name);
            self.emit(PoolEvent::Reap(peer.member()));
        }
    }

    /// The membership protocol forgets the dead after a while, Serf does not yet.
    pub(super) fn forget_dead(&mut self) {
        let (now, keep) = (self.now, self.timing.gossip_to_dead);
        let mut forgot = false;
        for peer in self.peers.values_mut() {
            let dead = matches!(peer.swim, Swim::Dead | Swim::Left);
            if dead && now - peer.since > keep && peer.name != self.name {
                peer.set_swim(Swim::Gone, now);
                forgot = true;
            }
        }
        if forgot {
            let peers = &self.peers;
            self.order.retain(|name| peers.get(name).is_some_and(|peer| peer.swim != Swim::Gone));
        }
    }
}
