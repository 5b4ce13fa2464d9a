//! Whatever is written: what is shared equals what would be evaluated anew, and what has changed has a higher index.

mod common;

use common::{Fixture, get, health, keys, kv, list};
use model::{Blob, Deregistration, KvVerb, Registration, TextMap};
use proptest::prelude::*;
use serde_json::json;
use server::request::{Query, Write};

fn word(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(words)
}

const NODES: &[&str] = &["n1", "N1", "n2"];
const SERVICES: &[&str] = &["web", "Web", "api"];
const IDS: &[&str] = &["", "11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-555555555556"];
const KEYS: &[&str] = &["a", "a/", "a/b", "a/b/c", "b", "ab"];
const STATUSES: &[&str] = &["passing", "critical", ""];

fn registration() -> impl Strategy<Value = Write> {
    let node = (word(NODES), word(IDS), 0_u8..3, any::<bool>());
    let service = proptest::option::of((word(&["s1", "s2"]), word(SERVICES), 0_u16..2));
    let check = proptest::option::of((word(&["c1", "c2", "serfHealth"]), word(&["", "s1", "s2"]), word(STATUSES)));
    (node, service, check).prop_map(|((node, id, address, skip), service, check)| {
        let service = service.map(|(id, name, port)| json!({"ID": id, "Service": name, "Port": port}));
        let check = check.map(|(id, service, status)| json!({"CheckID": id, "ServiceID": service, "Status": status}));
        let registration: Registration = serde_json::from_value(json!({"Node": node, "ID": id, "SkipNodeUpdate": skip,
            "Address": format!("10.0.0.{address}"), "Service": service, "Check": check, "NodeMeta": {"a": address.to_string()}}))
        .expect("a registration");
        Write::Register(registration)
    })
}

fn write() -> impl Strategy<Value = Write> {
    let verb = proptest::sample::select(vec![
        KvVerb::Set,
        KvVerb::Set,
        KvVerb::Delete,
        KvVerb::DeleteTree,
        KvVerb::Cas,
        KvVerb::DeleteCas,
    ]);
    let change = (verb, word(KEYS), 0_u8..2, 0_u64..20);
    let deregistration = (word(NODES), word(&["", "s1", "s2"]), word(&["", "c1", "serfHealth"]));
    prop_oneof![
        4 => registration(),
        1 => deregistration.prop_map(|(node, service, check)| Write::Deregister(Deregistration {
            node: node.into(), service_id: service.into(), check_id: check.into(), datacenter: String::new(),
        })),
        3 => change.prop_map(|(verb, key, value, index)| kv(verb, key, Blob::new(vec![value; 3]), index)),
    ]
}

fn queries() -> Vec<Query> {
    let none = TextMap::new;
    let zero: TextMap = [("a".to_owned(), "0".to_owned())].into();
    let mut queries: Vec<Query> = KEYS.iter().flat_map(|key| [get(key), list(key), keys(key, "/")]).collect();
    queries.push(list(""));
    for service in SERVICES.iter().chain(&["none"]) {
        let service_nodes =
            |meta| Query::ServiceNodes { service: (*service).into(), tags: vec![], near: "".into(), meta };
        let checks = |meta| Query::ServiceChecks { service: (*service).into(), near: "".into(), meta };
        queries.extend([
            health(service, false),
            health(service, true),
            service_nodes(none()),
            service_nodes(zero.clone()),
        ]);
        queries.extend([checks(none()), checks(zero.clone())]);
    }
    for node in NODES {
        queries.extend([Query::NodeServices { node: (*node).into() }, Query::NodeChecks { node: (*node).into() }]);
        queries.push(Query::NodeDump { node: (*node).into() });
    }
    for state in ["any", "passing", "critical"] {
        let in_state = |meta| Query::ChecksInState { state: state.to_owned(), near: "".into(), meta };
        queries.extend([in_state(none()), in_state(zero.clone())]);
    }
    queries.extend([Query::Services { meta: none() }, Query::Services { meta: zero.clone() }]);
    queries.extend([Query::Nodes { near: "".into(), meta: none() }, Query::Nodes { near: "".into(), meta: zero }]);
    queries.push(Query::NodesByAddress { address: "10.0.0.1".to_owned() });
    queries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shared_answers_are_right_and_changes_raise_the_index(writes in proptest::collection::vec(write(), 1..40)) {
        // As in a real log, whose first entries are not commands: index 1 means "nothing was ever there".
        let mut fixture = Fixture { index: 10, ..Fixture::new() };
        let queries = queries();
        let mut before: Vec<(u64, bool, String)> = queries.iter().map(|query| fixture.json(query.clone())).collect();
        for write in writes {
            let _refused = fixture.write(&write);
            for (query, before) in queries.iter().zip(&mut before) {
                let now = fixture.json(query.clone());
                let alone = Fixture { reader: fixture.reader.clone(), ..Fixture::new() };
                prop_assert_eq!(&now, &alone.json(query.clone()), "a shared answer is outdated: {:?}", query);
                let is_gone_node = matches!(query, Query::NodeServices { .. }) && now.2 == "null";
                prop_assert!(
                    now.2 == before.2 || now.0 > before.0 || is_gone_node,
                    "{:?} changed after {:?} from {:?} to {:?}", query, write, before, now
                );
                *before = now;
            }
        }
    }
}
