//! How often a pool probes, gossips and forgets. The presets are the ones HashiCorp agents use, so
//! that mixed clusters agree on how long a silence means failure.

use std::time::Duration;

/// Periods and multipliers of one pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// One member is probed per period.
    pub probe_interval: Duration,
    /// A direct ping unanswered this long is followed by indirect ones.
    pub probe_timeout: Duration,
    /// Members asked to ping on our behalf.
    pub indirect_checks: usize,
    /// Broadcasts leave once per period.
    pub gossip_interval: Duration,
    /// Members each period's broadcasts go to.
    pub gossip_nodes: usize,
    /// Dead members still get gossip this long, so that they can refute.
    pub gossip_to_dead: Duration,
    /// Full state exchange with a random member; stretched in clusters above 32 members.
    pub push_pull_interval: Duration,
    /// A broadcast is sent `retransmit_mult * ceil(log10(n + 1))` times.
    pub retransmit_mult: u32,
    /// Shortest suspicion: `suspicion_mult * log10(n) * probe_interval`.
    pub suspicion_mult: u32,
    /// Longest suspicion, as a multiple of the shortest.
    pub suspicion_max_mult: u32,
    /// Exclusive upper bound of the health score.
    pub awareness_max: u32,
    /// A dead member's name may be taken by another address after this time.
    pub dead_reclaim: Duration,
    /// How often members past their time are removed.
    pub reap_interval: Duration,
    /// How often a failed member is dialled.
    pub reconnect_interval: Duration,
    /// Failed members are dialled this long, then removed.
    pub reconnect_timeout: Duration,
    /// Members that left are remembered this long.
    pub tombstone_timeout: Duration,
    /// Intents about unknown members are kept this long.
    pub intent_timeout: Duration,
    /// Leave and force-leave wait at most this long for their message to be sent.
    pub broadcast_timeout: Duration,
    /// Pause after the last leave message, so that it spreads.
    pub leave_delay: Duration,
    /// Total time of one stream.
    pub stream_timeout: Duration,
}

impl Timing {
    /// Members in one datacenter.
    pub fn lan() -> Timing {
        let hours = |h: u64| Duration::from_secs(h * 3600);
        Timing {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            indirect_checks: 3,
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_to_dead: Duration::from_secs(30),
            push_pull_interval: Duration::from_secs(30),
            retransmit_mult: 4,
            suspicion_mult: 4,
            suspicion_max_mult: 6,
            awareness_max: 8,
            dead_reclaim: Duration::from_secs(30),
            reap_interval: Duration::from_secs(15),
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: hours(72),
            tombstone_timeout: hours(24),
            intent_timeout: Duration::from_secs(300),
            broadcast_timeout: Duration::from_secs(5),
            leave_delay: Duration::from_secs(3),
            stream_timeout: Duration::from_secs(10),
        }
    }

    /// Servers of several datacenters.
    pub fn wan() -> Timing {
        Timing {
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(3),
            gossip_interval: Duration::from_millis(500),
            gossip_nodes: 4,
            gossip_to_dead: Duration::from_secs(60),
            push_pull_interval: Duration::from_secs(60),
            suspicion_mult: 6,
            stream_timeout: Duration::from_secs(30),
            ..Timing::lan()
        }
    }

    /// One machine: what `-dev` uses and what tests want.
    pub fn local() -> Timing {
        Timing {
            probe_interval: Duration::from_millis(100),
            // Below the interval, so that indirect probes have time.
            probe_timeout: Duration::from_millis(50),
            gossip_interval: Duration::from_millis(100),
            suspicion_mult: 3,
            leave_delay: Duration::from_millis(500),
            ..Timing::lan()
        }
    }

    /// All periods multiplied by `factor` (0.1 makes everything ten times faster); counts stay.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Timing {
        let by = |d: Duration| d.mul_f64(factor.clamp(0.001, 1000.0));
        Timing {
            probe_interval: by(self.probe_interval),
            probe_timeout: by(self.probe_timeout),
            gossip_interval: by(self.gossip_interval),
            gossip_to_dead: by(self.gossip_to_dead),
            push_pull_interval: by(self.push_pull_interval),
            dead_reclaim: by(self.dead_reclaim),
            reap_interval: by(self.reap_interval),
            reconnect_interval: by(self.reconnect_interval),
            reconnect_timeout: by(self.reconnect_timeout),
            tombstone_timeout: by(self.tombstone_timeout),
            intent_timeout: by(self.intent_timeout),
            broadcast_timeout: by(self.broadcast_timeout),
            leave_delay: by(self.leave_delay),
            stream_timeout: by(self.stream_timeout),
            ..self.clone()
        }
    }

    /// How often each broadcast is sent in a cluster of `members`.
    pub fn transmit_limit(&self, members: usize) -> u32 {
        let scale = ((members + 1) as f64).log10().ceil().max(0.0);
        self.retransmit_mult * scale as u32
    }

    /// Shortest suspicion in a cluster of `members`.
    pub fn suspicion_min(&self, members: usize) -> Duration {
        let scale = (members.max(1) as f64).log10().max(1.0);
        self.probe_interval.mul_f64(f64::from(self.suspicion_mult) * scale)
    }

    /// Push/pull period in a cluster of `members`: one more base period per doubling above 32.
    pub fn push_pull_scaled(&self, members: usize) -> Duration {
        if members <= 32 {
            return self.push_pull_interval;
        }
        let doublings = ((members as f64).log2() - 5.0).ceil() + 1.0;
        self.push_pull_interval.mul_f64(doublings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_grow_with_the_logarithm_of_the_cluster() {
        let lan = Timing::lan();
        assert_eq!(lan.transmit_limit(1), 4);
        assert_eq!(lan.transmit_limit(9), 4);
        assert_eq!(lan.transmit_limit(10), 8);
        assert_eq!(lan.transmit_limit(99), 8);
        assert_eq!(lan.suspicion_min(3), Duration::from_secs(4));
        assert_eq!(lan.suspicion_min(100), Duration::from_secs(8));
        assert_eq!(lan.push_pull_scaled(32), Duration::from_secs(30));
        assert_eq!(lan.push_pull_scaled(64), Duration::from_secs(60));
    }
}
