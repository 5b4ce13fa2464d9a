//! Who should be in the cluster: pure decisions, from what gossip and the Raft configuration say. `duties` carries them out.
//!
//! Beginning: `-bootstrap-expect N` servers that know of each other begin one cluster, once. The one with the smallest
//! id coordinates: it offers the same N servers to all of them, and each accepts one offer at a time, so that two
//! coordinators with different views cannot both succeed with servers in common.
//!
//! Later: servers that appear become learners at once and voters when they have been stable and have caught up; servers
//! that left go. A failed server is kept, because on Kubernetes it comes back with the same id, at another address,
//! without any change of the membership. It is removed after [`Rules::dead_after`] only when the cluster then survives
//! more failures than with it: two of five have failed, or a fourth server has taken the place of one of three. Consul removes it in every case;
//! that gains nothing for one of three, and costs the returning server its vote for a while.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use model::{MemberStatus, ServerId};
use tokio::time::Instant;

use crate::rpc::directory::KnownServer;

/// When members are promoted and removed.
#[derive(Clone, Debug)]
pub struct Rules {
    /// A learner must have been alive this long before it votes (autopilot's `server_stabilization_time`).
    pub stable_after: Duration,
    /// A learner may lag this many entries when it becomes a voter (autopilot's `max_trailing_logs`).
    pub trailing_max: u64,
    /// Whether failed servers are removed at all (autopilot's `cleanup_dead_servers`).
    pub removes_dead: bool,
    /// A failed server is not removed before this time has passed: its pod is most likely being started again.
    pub dead_after: Duration,
    /// A failed server that was not replaced is removed after this time, as gossip forgets it then too.
    pub forgotten_after: Duration,
    /// Never fewer voters than this (autopilot's `min_quorum`); 0 sets no limit.
    pub voters_min: usize,
    /// Redundancy zones of servers (autopilot's `redundancy_zone_tag`): one server of each zone votes, the others stand by.
    pub zones: BTreeMap<ServerId, String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            stable_after: Duration::from_secs(10),
            trailing_max: 250,
            removes_dead: true,
            dead_after: Duration::from_secs(20),
            forgotten_after: Duration::from_secs(72 * 3600),
            voters_min: 0,
            zones: BTreeMap::new(),
        }
    }
}

/// A server of the Raft configuration, as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: ServerId,
    /// Its name in the configuration.
    pub name: String,
    /// Its address in the configuration.
    pub address: SocketAddr,
    /// Whether it votes.
    pub is_voter: bool,
    /// Entries that it lacks; `None` when the leader has not heard from it.
    pub lag: Option<u64>,
}

/// One change of the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write name and address into the configuration.
    Update(ServerId),
    /// Add as a learner.
    Add(ServerId),
    /// Let it vote.
    Promote(ServerId),
    /// Take its vote away and keep it as a learner.
    Demote(ServerId),
    /// Take it out.
    Remove(ServerId),
}

fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// How many more voters may fail, when `alive` of `voters` live.
fn tolerance(voters: usize, alive: usize) -> usize {
    alive.saturating_sub(quorum(voters))
}

/// What the leader should change next, if anything. One step at a time: each changes what the next should be.
#[must_use]
pub fn next_step(
    rules: &Rules,
    own: &ServerId,
    members: &[Member],
    servers: &[KnownServer],
    now: Instant,
) -> Option<Step> {
    let servers: BTreeMap<&ServerId, &KnownServer> = servers.iter().map(|server| (&server.id, server)).collect();
    let is_alive = |id: &ServerId| id == own || servers.get(id).is_some_and(|it| it.status == MemberStatus::Alive);
    let voters = members.iter().filter(|member| member.is_voter).count();
    let alive = members.iter().filter(|member| member.is_voter && is_alive(&member.id)).count();
    if alive < quorum(voters) {
        // Nothing can be committed, or it soon cannot: waiting for the others is all that is left.
        return None;
    }
    let of_member = |member: &Member| servers.get(&member.id).copied();
    let update = members.iter().find(|member| {
        of_member(member).is_some_and(|server| {
            server.status == MemberStatus::Alive && (server.address != member.address || *server.name != *member.name)
        })
    });
    let left = || {
        members.iter().find(|member| {
            member.id != *own && of_member(member).is_some_and(|server| server.status == MemberStatus::Left)
        })
    };
    let dead = || dead_member(rules, own, members, &servers, now);
    let has_voter = |zone: &String, but: &ServerId| {
        members.iter().any(|member| {
            member.is_voter && member.id != *but && is_alive(&member.id) && rules.zones.get(&member.id) == Some(zone)
        })
    };
    let is_replica = |id: &ServerId| servers.get(id).is_some_and(|server| server.is_non_voter);
    let must_not_vote = |member: &Member| {
        is_replica(&member.id) || rules.zones.get(&member.id).is_some_and(|zone| has_voter(zone, &member.id))
    };
    // The leader keeps its vote, and so does everyone when one voter less would survive fewer failures than now.
    let demote = || {
        let is_spare = voters > rules.voters_min.max(1) && alive > quorum(voters - 1);
        members.iter().rev().find(|member| {
            is_spare && member.is_voter && member.id != *own && is_alive(&member.id) && must_not_vote(member)
        })
    };
    let promote = || {
        members.iter().find(|member| {
            !member.is_voter
                && !must_not_vote(member)
                && member.lag.is_some_and(|lag| lag <= rules.trailing_max)
                && of_member(member).is_some_and(|server| {
                    server.status == MemberStatus::Alive && now.duration_since(server.since) >= rules.stable_after
                })
        })
    };
    let new = || {
        servers
            .values()
            .find(|server| server.status == MemberStatus::Alive && members.iter().all(|member| member.id != server.id))
    };
    None.or_else(|| update.map(|member| Step::Update(member.id.clone())))
        .or_else(|| left().map(|member| Step::Remove(member.id.clone())))
        .or_else(|| new().map(|server| Step::Add(server.id.clone())))
        .or_else(|| promote().map(|member| Step::Promote(member.id.clone())))
        .or_else(|| demote().map(|member| Step::Demote(member.id.clone())))
        .or_else(|| dead().map(Step::Remove))
}

fn dead_member(
    rules: &Rules,
    own: &ServerId,
    members: &[Member],
    servers: &BTreeMap<&ServerId, &KnownServer>,
    now: Instant,
) -> Option<ServerId> {
    if !rules.removes_dead {
        return None;
    }
    let failed_for = |member: &Member| {
        let server = servers.get(&member.id).filter(|server| server.status == MemberStatus::Failed)?;
        (member.id != *own).then(|| now.duration_since(server.since))
    };
    let dead: Vec<(&Member, Duration)> = members
        .iter()
        .filter_map(|member| Some((member, failed_for(member)?)))
        .filter(|(_, time)| *time >= rules.dead_after)
        .collect();
    let voters = members.iter().filter(|member| member.is_voter).count();
    let dead_voters = dead.iter().filter(|(member, _)| member.is_voter).count();
    let alive = members
        .iter()
        .filter(|member| {
            member.is_voter
                && (member.id == *own || servers.get(&member.id).is_some_and(|it| it.status == MemberStatus::Alive))
        })
        .count();
    let helps = tolerance(voters - dead_voters, alive) > tolerance(voters, alive);
    // Living voters make up a majority of what remains, and a minority goes at most.
    let is_safe = dead_voters <= voters.saturating_sub(1) / 2 && voters > rules.voters_min.max(1);
    dead.into_iter()
        .filter(|(member, time)| !member.is_voter || (is_safe && (helps || *time >= rules.forgotten_after)))
        .map(|(member, _)| member.id.clone())
        .next()
}

/// What a server that belongs to no cluster should do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Wait for gossip to tell more.
    Wait,
    /// Wait, and say why: something is set wrong.
    Warn(String),
    /// Offer these servers, this one among them, to begin a cluster.
    Offer(Vec<ServerId>),
}

/// Decides whether this server should begin a cluster. `expect` is its own setting, 1 for `-bootstrap`, 0 for none.
#[must_use]
pub fn beginning(own: &ServerId, expect: u32, servers: &[KnownServer]) -> Beginning {
    if expect == 0 {
        return Beginning::Wait;
    }
    let alive: Vec<&KnownServer> = servers.iter().filter(|server| server.status == MemberStatus::Alive).collect();
    if let Some(other) = alive.iter().find(|server| server.expect != 0 && server.expect != expect) {
        return Beginning::Warn(format!(
            "server {} expects {} servers and this one {expect}: set the same -bootstrap-expect on all",
            other.name, other.expect
        ));
    }
    let mut ids: Vec<&ServerId> = alive.iter().filter(|it| it.expect == expect).map(|server| &server.id).collect();
    if !ids.contains(&own) {
        // Gossip has not told us about ourselves yet.
        if expect > 1 {
            return Beginning::Wait;
        }
        ids.push(own);
    }
    ids.sort();
    ids.dedup();
    ids.truncate(expect as usize);
    if ids.len() < expect as usize || ids.first() != Some(&own) {
        return Beginning::Wait;
    }
    Beginning::Offer(ids.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use MemberStatus::{Alive, Failed, Left};

    const DAY: Duration = Duration::from_secs(86_400);

    fn address(id: &str) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, id.as_bytes()[0]], 8300))
    }

    fn known(id: &str, status: MemberStatus, age: Duration, now: Instant) -> KnownServer {
        KnownServer {
            id: id.into(),
            name: id.into(),
            address: address(id),
            status,
            expect: 3,
            version: String::new(),
            is_non_voter: false,
            takes_tls: false,
            since: now - age,
        }
    }

    fn voter(id: &str) -> Member {
        Member { id: id.into(), name: id.to_owned(), address: address(id), is_voter: true, lag: Some(0) }
    }

    fn learner(id: &str, lag: Option<u64>) -> Member {
        Member { is_voter: false, lag, ..voter(id) }
    }

    fn step(members: &[Member], servers: &[(&str, MemberStatus, u64)]) -> Option<Step> {
        let now = Instant::now() + 10 * DAY;
        let servers: Vec<_> = servers
            .iter()
            .map(|(id, status, seconds)| known(id, *status, Duration::from_secs(*seconds), now))
            .collect();
        next_step(&Rules::default(), &"a".into(), members, &servers, now)
    }

    #[test]
    fn nothing_changes_while_all_is_well() {
        let members = [voter("a"), voter("b"), voter("c")];
        assert_eq!(step(&members, &[("a", Alive, 1), ("b", Alive, 1), ("c", Alive, 1)]), None);
    }

    #[test]
    fn new_servers_learn_first_and_vote_when_stable_and_up_to_date() {
        let three = [voter("a"), voter("b"), voter("c")];
        let alive = |age| [("a", Alive, 99), ("b", Alive, 99), ("c", Alive, 99), ("d", Alive, age)];
        assert_eq!(step(&three, &alive(1)), Some(Step::Add("d".into())));
        let with = |lag| [voter("a"), voter("b"), voter("c"), learner("d", lag)];
        assert_eq!(step(&with(Some(0)), &alive(9)), None);
        assert_eq!(step(&with(Some(0)), &alive(10)), Some(Step::Promote("d".into())));
        assert_eq!(step(&with(Some(251)), &alive(10)), None);
        assert_eq!(step(&with(None), &alive(10)), None);
    }

    #[test]
    fn replicas_never_vote() {
        let now = Instant::now() + 10 * DAY;
        let mut servers: Vec<_> = ["a", "b", "c", "d"].map(|id| known(id, Alive, DAY, now)).into();
        servers[3].is_non_voter = true;
        let step = |members: &[Member]| next_step(&Rules::default(), &"a".into(), members, &servers, now);
        assert_eq!(step(&[voter("a"), voter("b"), voter("c"), learner("d", Some(0))]), None);
        let voting = [voter("a"), voter("b"), voter("c"), voter("d")];
        assert_eq!(step(&voting), Some(Step::Demote("d".into())));
    }

    #[test]
    fn one_server_of_each_zone_votes_and_another_takes_over() {
        let now = Instant::now() + 10 * DAY;
        let zones = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "1"), ("e", "2"), ("f", "3")];
        let zones = zones.iter().map(|(id, zone)| (ServerId::from(*id), (*zone).to_owned())).collect();
        let rules = Rules { zones, ..Rules::default() };
        let mut servers: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|id| known(id, Alive, DAY, now)).into();
        let step = |members: &[Member], servers: &[KnownServer]| next_step(&rules, &"a".into(), members, servers, now);
        let six = ["a", "b", "c", "d", "e", "f"].map(voter);
        assert_eq!(step(&six, &servers), Some(Step::Demote("f".into())));
        let standby = |id| learner(id, Some(0));
        let three = [voter("a"), voter("b"), voter("c"), standby("d"), standby("e"), standby("f")];
        assert_eq!(step(&three, &servers), None);
        servers[1] = known("b", Failed, Duration::from_secs(1), now);
        assert_eq!(step(&three, &servers), Some(Step::Promote("e".into())));
        servers[1] = known("b", Failed, DAY, now);
        let four = [voter("a"), voter("b"), voter("c"), standby("d"), voter("e"), standby("f")];
        assert_eq!(step(&four, &servers), Some(Step::Remove("b".into())));
    }

    #[test]
    fn no_vote_is_taken_while_it_is_needed() {
        let now = Instant::now() + 10 * DAY;
        let mut servers: Vec<_> = ["a", "b", "c"].map(|id| known(id, Alive, DAY, now)).into();
        servers[2].is_non_voter = true;
        servers[1] = known("b", Failed, Duration::from_secs(1), now);
        let members = [voter("a"), voter("b"), voter("c")];
        assert_eq!(next_step(&Rules::default(), &"a".into(), &members, &servers, now), None);
    }

    #[test]
    fn servers_that_left_are_removed_at_once() {
        let members = [voter("a"), voter("b"), voter("c")];
        assert_eq!(step(&members, &[("a", Alive, 9), ("b", Left, 0), ("c", Alive, 9)]), Some(Step::Remove("b".into())));
    }

    #[test]
    fn one_failed_of_three_is_waited_for() {
        let members = [voter("a"), voter("b"), voter("c")];
        let after = |seconds| step(&members, &[("a", Alive, 9), ("b", Failed, seconds), ("c", Alive, 9)]);
        assert_eq!(after(60), None);
        assert_eq!(after(3 * 86_400), Some(Step::Remove("b".into())));
    }

    #[test]
    fn two_failed_of_five_are_removed_because_that_helps() {
        let members = [voter("a"), voter("b"), voter("c"), voter("d"), voter("e")];
        let after = |seconds| {
            let failed = [("d", Failed, seconds), ("e", Failed, seconds)];
            step(&members, &[&[("a", Alive, 9), ("b", Alive, 9), ("c", Alive, 9)][..], &failed[..]].concat())
        };
        assert_eq!(after(19), None);
        assert_eq!(after(20), Some(Step::Remove("d".into())));
    }

    #[test]
    fn a_replaced_server_is_removed() {
        let members = [voter("a"), voter("b"), voter("c"), voter("d")];
        let servers = [("a", Alive, 99), ("b", Failed, 30), ("c", Alive, 99), ("d", Alive, 60)];
        assert_eq!(step(&members, &servers), Some(Step::Remove("b".into())));
    }

    #[test]
    fn nothing_is_tried_without_a_majority() {
        let members = [voter("a"), voter("b"), voter("c")];
        assert_eq!(step(&members, &[("a", Alive, 9), ("b", Failed, 999_999), ("c", Left, 9)]), None);
        let two = [voter("a"), voter("b")];
        assert_eq!(step(&two, &[("a", Alive, 9), ("b", Failed, 999_999)]), None);
    }

    #[test]
    fn moved_servers_are_written_down() {
        let mut members = [voter("a"), voter("b"), voter("c")];
        members[1].address = address("z");
        let servers = [("a", Alive, 1), ("b", Alive, 1), ("c", Alive, 1)];
        assert_eq!(step(&members, &servers), Some(Step::Update("b".into())));
    }

    #[test]
    fn the_smallest_of_enough_servers_begins() {
        let now = Instant::now() + DAY;
        let alive = |ids: &[&str]| -> Vec<_> { ids.iter().map(|id| known(id, Alive, DAY, now)).collect() };
        assert_eq!(beginning(&"a".into(), 3, &alive(&["a", "b"])), Beginning::Wait);
        let offer = Beginning::Offer(vec!["a".into(), "b".into(), "c".into()]);
        assert_eq!(beginning(&"a".into(), 3, &alive(&["c", "b", "a", "d"])), offer);
        assert_eq!(beginning(&"b".into(), 3, &alive(&["a", "b", "c"])), Beginning::Wait);
        assert_eq!(beginning(&"a".into(), 0, &alive(&["a", "b", "c"])), Beginning::Wait);
        assert_eq!(beginning(&"a".into(), 1, &[]), Beginning::Offer(vec!["a".into()]));
        let mut mixed = alive(&["a", "b", "c"]);
        mixed[2].expect = 5;
        assert!(matches!(beginning(&"a".into(), 3, &mixed), Beginning::Warn(_)));
        let mut failed = alive(&["a", "b", "c"]);
        failed[1].status = Failed;
        assert_eq!(beginning(&"a".into(), 3, &failed), Beginning::Wait);
    }
}
