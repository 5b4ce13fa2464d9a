//! The brake on mass failures, with members that fail and come back at any time.

mod common;

use std::time::Duration;

use common::Fixture;
use model::{AgentMember, MemberStatus, NodeName, SERF_CHECK_ID};
use proptest::prelude::*;
use server::leader::brake::{Brake, Plan};
use server::leader::reconcile::reconcile;

const MINUTE: Duration = Duration::from_secs(60);

/// What one write takes.
const WRITING: Duration = Duration::from_millis(300);

/// A pool, the catalog and the leader's brake.
struct Cluster {
    fixture: Fixture,
    members: Vec<AgentMember>,
    brake: Brake,
    now: Duration,
    /// When nodes turned critical.
    turns: Vec<Duration>,
}

impl Cluster {
    fn new(size: usize, percent: u8) -> Self {
        let members = (0..size).map(member).collect();
        let fixture = Fixture::new();
        let mut cluster = Self { fixture, members, brake: Brake::new(percent), now: Duration::ZERO, turns: Vec::new() };
        cluster.pass();
        assert!(cluster.criticals().is_empty());
        cluster
    }

    fn set(&mut self, number: usize, status: MemberStatus) {
        self.members[number].status = status.number();
    }

    fn alive(&self) -> usize {
        self.members.iter().filter(|member| member.status == MemberStatus::Alive.number()).count()
    }

    fn plan(&mut self) -> Plan {
        let view = self.fixture.reader.view();
        let writes = reconcile(&view, &self.members, &NodeName::new("n0"), "dc1");
        self.brake.plan(writes, &view, &self.members, "dc1", self.now)
    }

    /// One pass as the leader does it; what it planned, without the writes.
    fn pass(&mut self) -> Plan {
        let mut plan = self.plan();
        for write in std::mem::take(&mut plan.free) {
            self.fixture.write(&write).expect("accepted");
        }
        for write in std::mem::take(&mut plan.turns) {
            self.fixture.write(&write).expect("accepted");
            self.turns.push(self.now);
            self.now += WRITING;
            self.brake.turned(self.now);
        }
        plan
    }

    fn is_critical(&self, number: usize) -> bool {
        let view = self.fixture.reader.view();
        view.check(&self.members[number].name, SERF_CHECK_ID).is_some_and(|check| check.is_critical())
    }

    fn criticals(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|number| self.is_critical(*number)).collect()
    }

    fn failed(&self) -> Vec<usize> {
        let failed = |number: &usize| self.members[*number].status == MemberStatus::Failed.number();
        (0..self.members.len()).filter(failed).collect()
    }

    /// How many turned critical within the minute that ends now.
    fn within_a_minute(&self) -> usize {
        self.turns.iter().filter(|turn| **turn + MINUTE > self.now).count()
    }
}

fn member(number: usize) -> AgentMember {
    let id = format!("11111111-2222-3333-4444-{number:012}");
    let tags = [("role", "node"), ("dc", "dc1"), ("id", &id)];
    AgentMember {
        name: format!("n{number}"),
        addr: format!("10.0.0.{number}"),
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        status: MemberStatus::Alive.number(),
        ..AgentMember::default()
    }
}

#[test]
fn a_fifth_of_the_living_fails_per_minute_and_who_waits_longest_comes_first() {
    let mut cluster = Cluster::new(20, 20);
    (4..14).for_each(|number| cluster.set(number, MemberStatus::Failed));
    let plan = cluster.pass();
    assert_eq!((plan.waiting, plan.newly_waiting), (8, 8), "a fifth of the 10 that live");
    assert_eq!(cluster.criticals(), [4, 5]);
    assert_eq!(plan.again_at, Some(MINUTE));
    // One that waits comes back, another one fails that stands before all.
    cluster.set(6, MemberStatus::Alive);
    cluster.set(1, MemberStatus::Failed);
    let plan = cluster.pass();
    assert_eq!((plan.waiting, plan.newly_waiting), (8, 1));
    cluster.now += MINUTE;
    assert_eq!(cluster.pass().waiting, 6);
    assert_eq!(cluster.criticals(), [4, 5, 7, 8], "who failed last waits");
    // One that is critical comes back, whatever waits.
    cluster.set(4, MemberStatus::Alive);
    cluster.pass();
    assert!(!cluster.is_critical(4));
}

#[test]
fn without_a_brake_nothing_is_split_or_held() {
    let mut cluster = Cluster::new(9, 0);
    (1..9).for_each(|number| cluster.set(number, MemberStatus::Failed));
    let view = cluster.fixture.reader.view();
    let writes = reconcile(&view, &cluster.members, &NodeName::new("n0"), "dc1");
    let plan = cluster.plan();
    assert_eq!(format!("{:?}", plan.free), format!("{writes:?}"));
    assert!(plan.turns.is_empty() && plan.waiting == 0 && plan.again_at.is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_minute_is_above_the_budget_and_every_failed_node_turns_critical(
        size in 1usize..30,
        percent in 1u8..=100,
        steps in prop::collection::vec((prop::collection::vec((0usize..30, any::<bool>()), 0..12), 0u64..50), 1..25),
    ) {
        let mut cluster = Cluster::new(size, percent);
        for (changes, pause) in steps {
            for (number, is_alive) in changes {
                let status = if is_alive { MemberStatus::Alive } else { MemberStatus::Failed };
                cluster.set(number % size, status);
            }
            let before = cluster.turns.len();
            let plan = cluster.pass();
            let budget = (cluster.alive() * usize::from(percent) / 100).max(1);
            let is_in_budget = cluster.turns.len() == before || cluster.within_a_minute() <= budget;
            prop_assert!(is_in_budget, "{:?} with a budget of {budget}", cluster.turns);
            let (failed, criticals) = (cluster.failed(), cluster.criticals());
            prop_assert!(criticals.iter().all(|number| failed.contains(number)), "who lives is never critical");
            prop_assert_eq!(plan.waiting, failed.len() - criticals.len());
            prop_assert_eq!(plan.again_at.is_some(), plan.waiting > 0);
            cluster.now += Duration::from_secs(pause);
        }
        // Each time that it asks to be asked again, until it no longer does.
        for _ in 0..3 * size + 3 {
            let Some(again_at) = cluster.pass().again_at else { break };
            cluster.now = cluster.now.max(again_at);
        }
        prop_assert_eq!(cluster.failed(), cluster.criticals());
    }
}
