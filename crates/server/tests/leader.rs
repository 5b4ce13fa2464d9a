//! The leader's duties: members into the catalog, and deleted keys forgotten in time.

mod common;

use std::time::Duration;

use common::Fixture;
use model::{AgentMember, Blob, KvVerb, MemberStatus, NodeName};
use serde_json::json;
use server::leader::reconcile::reconcile;
use server::leader::tombstones::TombstoneReaper;
use server::request::{Answer, Query};

const ID: &str = "11111111-2222-3333-4444-55555555555";

fn member(number: u8, role: &str, status: MemberStatus) -> AgentMember {
    let tags = [
        ("role", role),
        ("dc", "dc1"),
        ("id", &format!("{ID}{number}")),
        ("port", "8300"),
        ("raft_vsn", "3"),
        ("build", "1.8.7:"),
    ];
    AgentMember {
        name: format!("n{number}"),
        addr: format!("10.0.0.{number}"),
        port: 8301,
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        status: status.number(),
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        ..AgentMember::default()
    }
}

/// Reconciles until nothing is left to write; returns how many writes that took.
fn settle(fixture: &mut Fixture, members: &[AgentMember]) -> usize {
    let own = NodeName::new("n1");
    let writes = reconcile(&fixture.reader.view(), members, &own, "dc1");
    for write in &writes {
        fixture.write(write).expect("the catalog accepts what the leader writes");
    }
    let again = reconcile(&fixture.reader.view(), members, &own, "dc1");
    assert!(again.is_empty(), "only differences are written: {again:?}");
    writes.len()
}

fn dump(fixture: &Fixture, node: &str) -> Option<serde_json::Value> {
    match fixture.rows(&Query::NodeDump { node: node.into() }) {
        Answer::NodeDump(dump) => dump.map(|dump| serde_json::to_value(dump).expect("it encodes")),
        other => panic!("not a dump: {other:?}"),
    }
}

#[test]
fn members_appear_fail_return_and_leave() {
    use MemberStatus::{Alive, Failed, Left};
    let mut fixture = Fixture::new();
    fixture
        .register(json!({"Node": "external", "Address": "db.example", "Service": {"Service": "db"}}))
        .expect("accepted");
    let server = member(1, "consul", Alive);
    assert_eq!(settle(&mut fixture, &[server.clone(), member(2, "node", Alive), member(3, "node", Failed)]), 2);
    assert!(dump(&fixture, "n3").is_none(), "who failed before being known is not registered");
    let n1 = dump(&fixture, "n1").expect("it is registered");
    assert_eq!(n1[0]["Node"]["Address"], "10.0.0.1");
    assert_eq!(n1[0]["Services"]["consul"]["Port"], 8300);
    let meta = json!({"non_voter": "false", "raft_version": "3", "serf_protocol_current": "2",
        "serf_protocol_max": "5", "serf_protocol_min": "1", "version": "1.8.7"});
    assert_eq!(n1[0]["Services"]["consul"]["Meta"], meta);
    assert_eq!(n1[1][0]["CheckID"], "serfHealth");
    assert_eq!(n1[1][0]["Name"], "Serf Health Status");
    assert_eq!(n1[1][0]["Output"], "Agent alive and reachable");
    assert_eq!(dump(&fixture, "n2").expect("it is registered")[0]["Services"], json!({}));

    assert_eq!(settle(&mut fixture, &[server.clone(), member(2, "node", Failed)]), 1);
    let n2 = dump(&fixture, "n2").expect("a failed node stays");
    assert_eq!(
        (&n2[1][0]["Status"], &n2[1][0]["Output"]),
        (&json!("critical"), &json!("Agent not live or unreachable"))
    );
    assert_eq!(settle(&mut fixture, &[server.clone(), member(2, "node", Alive)]), 1);
    assert_eq!(dump(&fixture, "n2").expect("it is back")[1][0]["Status"], "passing");

    assert_eq!(settle(&mut fixture, &[server.clone(), member(2, "node", Left)]), 1);
    assert!(dump(&fixture, "n2").is_none());
    settle(&mut fixture, &[server.clone(), member(2, "node", Alive)]);
    assert_eq!(settle(&mut fixture, &[server]), 1, "who is no longer known was reaped");
    assert!(dump(&fixture, "n2").is_none());
    assert_eq!(settle(&mut fixture, &[member(1, "consul", Left)]), 0, "the leader does not take itself out");
    assert_eq!(settle(&mut fixture, &[]), 0);
    assert!(dump(&fixture, "external").is_some(), "nodes from outside are not touched");
}

#[test]
fn a_new_address_is_taken_over_and_what_the_agent_told_is_kept() {
    let mut fixture = Fixture::new();
    settle(&mut fixture, &[member(1, "consul", MemberStatus::Alive)]);
    let told = json!({"Node": "n1", "ID": format!("{ID}1"), "Address": "10.0.0.1", "NodeMeta": {"a": "b"}});
    fixture.register(told).expect("accepted");
    let moved = AgentMember { addr: "10.9.9.9".to_owned(), ..member(1, "consul", MemberStatus::Alive) };
    assert_eq!(settle(&mut fixture, &[moved]), 1);
    let n1 = dump(&fixture, "n1").expect("it is registered");
    assert_eq!((&n1[0]["Node"]["Address"], &n1[0]["Node"]["Meta"]), (&json!("10.9.9.9"), &json!({"a": "b"})));
}

#[test]
fn members_of_other_datacenters_and_other_programs_are_not_ours() {
    let mut fixture = Fixture::new();
    let mut elsewhere = member(1, "consul", MemberStatus::Alive);
    elsewhere.tags.insert("dc".to_owned(), "dc2".to_owned());
    let foreign = AgentMember { tags: Default::default(), ..member(2, "node", MemberStatus::Alive) };
    assert_eq!(settle(&mut fixture, &[elsewhere, foreign]), 0);
}

#[test]
fn tombstones_are_reaped_after_a_quarter_of_an_hour_in_groups() {
    let mut fixture = Fixture::new();
    let mut reaper = TombstoneReaper::new();
    let at = Duration::from_secs;
    let delete = |fixture: &mut Fixture, key: &str| {
        fixture.put(key, "x");
        fixture.write(&common::kv(KvVerb::Delete, key, Blob::default(), 0)).expect("accepted");
        fixture.index
    };
    assert_eq!(reaper.tick(at(0), &fixture.reader.view()), None);
    delete(&mut fixture, "a/1");
    assert_eq!(reaper.tick(at(1), &fixture.reader.view()), None);
    let second = delete(&mut fixture, "a/2");
    assert_eq!(reaper.tick(at(29), &fixture.reader.view()), None);
    let third = delete(&mut fixture, "a/3");
    assert_eq!(reaper.tick(at(200), &fixture.reader.view()), None);
    assert_eq!(reaper.tick(at(929), &fixture.reader.view()), None);
    let due = reaper.tick(at(930), &fixture.reader.view());
    assert_eq!(due, Some(state::Command::ReapTombstones { index: second }));
    assert_eq!(reaper.tick(at(931), &fixture.reader.view()), due, "due until it is done");
    fixture.store.apply(fixture.index + 1, &due.expect("it is due").encode());
    fixture.store.publish();
    assert_eq!(fixture.reader.view().oldest_tombstone(), Some(third));
    assert_eq!(reaper.tick(at(932), &fixture.reader.view()), None);
    assert_eq!(reaper.tick(at(2_000), &fixture.reader.view()), Some(state::Command::ReapTombstones { index: third }));
}
