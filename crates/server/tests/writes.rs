//! What writes are refused for, with the texts of Consul 1.8.7.

mod common;

use common::Fixture;
use model::{Deregistration, TextMap};
use serde_json::{Value, json};
use server::request::{Answer, Query, Write};

const A: &str = "11111111-2222-3333-4444-555555555555";
const B: &str = "11111111-2222-3333-4444-555555555556";

fn refusal(fixture: &mut Fixture, registration: Value) -> String {
    fixture.register(registration).expect_err("it is refused").message
}

fn names(fixture: &Fixture) -> Vec<(String, String, u64)> {
    match fixture.rows(&Query::Nodes { near: "".into(), meta: TextMap::new() }) {
        Answer::Nodes(nodes) => {
            nodes.iter().map(|node| (node.node.to_string(), node.id.to_string(), node.create_index)).collect()
        }
        other => panic!("not nodes: {other:?}"),
    }
}

#[test]
fn registrations_are_refused_with_the_known_texts() {
    let mut fixture = Fixture::new();
    let cases = [
        (json!({"Address": "1"}), "Must provide node"),
        (json!({"Node": "z"}), "Must provide address if SkipNodeUpdate is not set"),
        (json!({"Node": "z", "Address": "1", "ID": "abc"}), "Bad node ID: uuid string is wrong length"),
        (
            json!({"Node": "z", "Address": "1", "ID": "11111111x2222-3333-4444-555555555555"}),
            "Bad node ID: uuid is improperly formatted",
        ),
        (json!({"Node": "z", "Address": "1", "Service": {"ID": "a"}}), "Must provide service name with ID"),
        (json!({"Node": "z", "Address": "1", "Service": {"Service": "a", "Address": "::"}}), "Invalid service address"),
        (
            json!({"Node": "z", "Address": "1", "Service": {"Service": "pr", "Kind": "connect-proxy"}}),
            "2 errors occurred:\n\t* Proxy.DestinationServiceName must be non-empty for Connect proxy services\n\t* Port must be set for a Connect proxy\n\n",
        ),
        (
            json!({"Node": "z", "Address": "1", "Service": {}}),
            "failed inserting service: failed inserting service: object missing primary index",
        ),
        (
            json!({"Node": "z", "Address": "1", "Check": {"Node": "other", "CheckID": "q"}}),
            "check node \"other\" does not match node \"z\"",
        ),
        (
            json!({"Node": "z", "Address": "1", "Service": {"Service": "a"}, "Check": {"CheckID": "q", "ServiceID": "none"}}),
            "failed inserting check: Missing service registration on node \"z\"",
        ),
    ];
    for (registration, text) in cases {
        assert_eq!(refusal(&mut fixture, registration), text);
        assert!(names(&fixture).is_empty(), "nothing of a refused registration stays");
    }
    assert_eq!(
        fixture.write(&Write::Deregister(Deregistration::default())).expect_err("refused").message,
        "Must provide node"
    );
}

#[test]
fn a_name_is_held_only_by_a_node_that_is_well() {
    let mut fixture = Fixture::new();
    let node = |id: &str, name: &str, serf: &str| {
        let check = json!({"CheckID": "serfHealth", "Status": serf});
        json!({"Node": name, "ID": id, "Address": "1.2.3.4", "Check": if serf.is_empty() { Value::Null } else { check }})
    };
    fixture.register(node(A, "n1", "passing")).expect("accepted");
    let reserved = format!("Node name N1 is reserved by node {A} with name n1 (1.2.3.4)");
    assert_eq!(
        refusal(&mut fixture, node(B, "N1", "")),
        format!("failed inserting node: Error while renaming Node ID: \"{B}\": {reserved}")
    );
    fixture.register(node(B, "n2", "")).expect("accepted");
    assert_eq!(
        refusal(&mut fixture, node(B, "N1", "")),
        format!("failed inserting node: Error while renaming Node ID: \"{B}\" (1.2.3.4): {reserved}")
    );
    fixture.register(node(A, "n1", "critical")).expect("accepted");
    fixture.register(node(B, "N1", "")).expect("the holder has failed");
    assert_eq!(names(&fixture), [("N1".to_owned(), B.to_owned(), 3)]);
}

#[test]
fn a_node_with_an_id_can_be_renamed_and_loses_its_services() {
    let mut fixture = Fixture::new();
    let registration = json!({"Node": "y", "ID": A, "Address": "1", "Service": {"Service": "web"}});
    fixture.register(registration).expect("accepted");
    fixture.register(json!({"Node": "y2", "ID": A, "Address": "1"})).expect("accepted");
    assert_eq!(names(&fixture), [("y2".to_owned(), A.to_owned(), 1)]);
    assert_eq!(fixture.rows(&common::health("web", false)), Answer::Health(vec![]));
    fixture.register(json!({"Node": "y2", "Address": "1"})).expect("accepted");
    assert_eq!(names(&fixture), [("y2".to_owned(), String::new(), 1)]);
}

#[test]
fn a_service_can_change_its_name() {
    let mut fixture = Fixture::new();
    fixture.register(json!({"Node": "x", "Address": "1", "Service": {"ID": "s", "Service": "web"}})).expect("accepted");
    fixture.register(json!({"Node": "x", "Address": "1", "Service": {"ID": "s", "Service": "api"}})).expect("accepted");
    assert_eq!(fixture.json(common::health("web", false)), (2, true, "[]".to_owned()));
    assert_eq!(fixture.index_of(common::health("api", false)), 2);
    assert!(fixture.json(common::health("api", false)).2.contains(r#""CreateIndex":1,"ModifyIndex":2"#));
}
