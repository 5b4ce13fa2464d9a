//! Two nodes of one name. The members vote on who keeps it: each says at which address it sees the name, and a node
//! that fewer than half of them see must go.

use super::GossipCore;
use super::ask::{Answers, Question};
use crate::member::PoolEvent;
use crate::wire::serf::SerfMessage;
use std::net::SocketAddr;
use std::time::Duration;

/// A vote is called at most this often: anybody can claim a name.
const VOTE_PAUSE: Duration = Duration::from_secs(60);

impl GossipCore {
    /// Somebody at `claimed` uses this node's name.
    pub(super) fn call_vote(&mut self, claimed: SocketAddr) {
        let now = self.now;
        let recent = self.voted_at.is_some_and(|at| now - at < VOTE_PAUSE);
        if self.vote.is_some() || recent || !self.has_company() {
            return;
        }
        self.voted_at = Some(now);
        self.rival = Some(claimed);
        let question = Question {
            name: "_serf_conflict".to_owned(),
            payload: self.name.as_bytes().to_vec(),
            ..Question::default()
        };
        match self.ask(now, question) {
            Ok(id) => self.vote = Some(id),
            Err(error) => tracing::warn!(%error, "cannot ask who has the name of this node"),
        }
    }

    pub(super) fn count_votes(&mut self, answers: &Answers) {
        self.vote = None;
        let here = self.me().addr;
        let votes = answers.answers.values().filter_map(|payload| match SerfMessage::decode(payload) {
            Ok(SerfMessage::ConflictResponse { addr, .. }) => Some(addr),
            _ => None,
        });
        let (mut all, mut ours) = (0, 0);
        for addr in votes {
            all += 1;
            ours += usize::from(addr == here);
        }
        let Some(rival) = self.rival.take() else { return };
        if all == 0 || ours > all / 2 {
            tracing::info!(ours, all, %rival, "the members side with this node in a conflict of names");
            return;
        }
        tracing::error!(ours, all, %rival, "the members side with another node of the same name");
        self.emit(PoolEvent::NameLost { rival });
    }
}
