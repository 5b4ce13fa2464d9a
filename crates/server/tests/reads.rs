//! Queries, their indexes and their JSON, as seen on Consul 1.8.7.

mod common;

use common::{Fixture, get, health, keys, kv, list};
use model::{Blob, KvVerb, TextMap};
use serde_json::{Value, json};
use server::request::{ErrorKind, Form, Query, ReadOptions, Write};

fn service_nodes(service: &str) -> Query {
    Query::ServiceNodes { service: service.into(), tags: vec![], near: "".into(), meta: TextMap::new() }
}

fn nodes() -> Query {
    Query::Nodes { near: "".into(), meta: TextMap::new() }
}

fn services() -> Query {
    Query::Services { meta: TextMap::new() }
}

fn any_checks() -> Query {
    Query::ChecksInState { state: "any".to_owned(), near: "".into(), meta: TextMap::new() }
}

#[test]
fn keys_are_encoded_as_the_http_api_does() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.json(get("a")), (1, false, "[]".to_owned()));
    fixture.put("a", "hi");
    fixture.put("b", "");
    assert_eq!(
        fixture.json(get("a")).2,
        r#"[{"LockIndex":0,"Key":"a","Flags":0,"Value":"aGk=","CreateIndex":1,"ModifyIndex":1}]"#
    );
    assert_eq!(
        fixture.json(get("b")),
        (2, true, r#"[{"LockIndex":0,"Key":"b","Flags":0,"Value":null,"CreateIndex":2,"ModifyIndex":2}]"#.to_owned())
    );
    for key in ["d/a/1", "d/a/2", "d/b", "d/c/1"] {
        fixture.put(key, "x");
    }
    assert_eq!(fixture.json(keys("d/", "/")).2, r#"["d/a/","d/b","d/c/"]"#);
    assert_eq!(fixture.json(keys("d", "/")).2, r#"["d/"]"#);
    assert_eq!(fixture.json(keys("d/a", "")).2, r#"["d/a/1","d/a/2"]"#);
    assert!(!fixture.json(keys("zz", "")).1);
    assert!(!fixture.json(list("zz")).1);
}

#[test]
fn indexes_of_keys_follow_entries_prefixes_and_deletions() {
    let mut fixture = Fixture::new();
    let indexes =
        |fixture: &Fixture| [get("a"), get("zz"), list("p/"), list("q/"), list("")].map(|q| fixture.index_of(q));
    fixture.put("a", "1");
    fixture.put("a", "1");
    assert_eq!(indexes(&fixture), [1; 5], "writing the same again changes nothing");
    fixture.put("a", "2");
    assert_eq!(indexes(&fixture), [3; 5]);
    fixture.put("p/a", "1");
    fixture.put("p/b/c", "1");
    fixture.put("q/a", "1");
    assert_eq!(indexes(&fixture), [3, 6, 5, 6, 6]);
    fixture.write(&kv(KvVerb::Delete, "p/a", Blob::default(), 0)).expect("accepted");
    assert_eq!(indexes(&fixture), [3, 7, 7, 6, 7]);
    fixture.write(&kv(KvVerb::DeleteTree, "p/b/", Blob::default(), 0)).expect("accepted");
    assert_eq!(indexes(&fixture), [3, 8, 8, 6, 8]);
    fixture.write(&kv(KvVerb::Delete, "none", Blob::default(), 0)).expect("accepted");
    assert_eq!(indexes(&fixture), [3, 8, 8, 6, 8]);
}

#[test]
fn compare_and_set_answers_whether_it_matched() {
    let mut fixture = Fixture::new();
    let mut cas =
        |verb, key: &str, index| fixture.write(&kv(verb, key, Blob::new(&b"x"[..]), index)).expect("accepted");
    assert!(!cas(KvVerb::Cas, "k", 5));
    assert!(cas(KvVerb::Cas, "k", 0));
    assert!(!cas(KvVerb::Cas, "k", 0));
    assert!(cas(KvVerb::Cas, "k", 2));
    assert!(!cas(KvVerb::DeleteCas, "k", 0));
    assert!(cas(KvVerb::DeleteCas, "none", 7));
    assert!(cas(KvVerb::DeleteCas, "k", 2));
}

#[test]
fn indexes_of_the_catalog_follow_what_each_answer_shows() {
    let mut fixture = Fixture::new();
    let indexes = |fixture: &Fixture| {
        let node = Query::NodeServices { node: "x".into() };
        [nodes(), services(), any_checks(), health("web", false), health("api", false), node]
            .map(|q| fixture.index_of(q))
    };
    let check = |output: &str| json!({"CheckID": "c1", "Name": "c1", "Status": "passing", "ServiceID": "web", "Output": output, "Node": "x"});
    let web =
        json!({"Node": "x", "Address": "1.1.1.1", "Service": {"ID": "web", "Service": "web"}, "Check": check("")});
    fixture.register(web.clone()).expect("accepted");
    assert_eq!(indexes(&fixture), [1; 6]);
    fixture.register(web).expect("accepted");
    assert_eq!(indexes(&fixture), [1; 6], "the same again changes nothing");
    fixture.register(json!({"Node": "x", "Address": "1.1.1.1", "Service": {"Service": "api"}})).expect("accepted");
    assert_eq!(indexes(&fixture), [1, 3, 1, 1, 3, 3]);
    fixture.register(json!({"Node": "x", "Address": "1.1.1.1", "Check": check("hm")})).expect("accepted");
    assert_eq!(indexes(&fixture), [1, 3, 4, 4, 3, 3], "a service's check bumps that service");
    let of_node = json!({"Node": "x", "Address": "1.1.1.1", "Check": {"CheckID": "n1", "Status": "passing"}});
    fixture.register(of_node).expect("accepted");
    assert_eq!(indexes(&fixture), [1, 3, 5, 5, 5, 3], "a node's check bumps all its services");
    fixture.register(json!({"Node": "x", "Address": "1.1.1.2"})).expect("accepted");
    assert_eq!(indexes(&fixture), [6, 3, 5, 6, 6, 6], "a node bumps all its services");
    fixture.register(json!({"Node": "x", "Address": "9", "SkipNodeUpdate": true})).expect("accepted");
    assert_eq!(indexes(&fixture), [6, 3, 5, 6, 6, 6]);
    let api =
        serde_json::from_value(json!({"Node": "x", "ServiceID": "api", "CheckID": "n1"})).expect("a deregistration");
    fixture.write(&Write::Deregister(api)).expect("accepted");
    assert_eq!(indexes(&fixture), [6, 8, 8, 6, 8, 8], "the service goes before the check");
    assert_eq!(fixture.index_of(health("nope", false)), 8, "unknown names share the last disappearance");
    let node = serde_json::from_value(json!({"Node": "x"})).expect("a deregistration");
    fixture.write(&Write::Deregister(node)).expect("accepted");
    assert_eq!(indexes(&fixture), [9, 9, 9, 9, 9, 1]);
}

#[test]
fn rows_are_encoded_as_the_http_api_does() {
    let mut fixture = Fixture::new();
    let node = Query::NodeServices { node: "x".into() };
    assert_eq!(fixture.json(node.clone()), (1, true, "null".to_owned()));
    assert_eq!(fixture.json(health("web", false)).2, "[]");
    assert_eq!(fixture.json(services()).2, "{}");
    fixture
        .register(json!({"Node": "x", "Address": "1.1.1.1", "Service": {"Service": "web", "Tags": ["b", "a"]},
            "Checks": [{"CheckID": "z", "Status": "passing"}, {"Name": "of web", "Status": "passing", "ServiceID": "web"}]}))
        .expect("accepted");
    let rows: Value = serde_json::from_str(&fixture.json(health("WEB", true)).2).expect("JSON");
    let x = json!({"ID": "", "Node": "x", "Address": "1.1.1.1", "Datacenter": "dc1", "TaggedAddresses": null,
        "Meta": null, "CreateIndex": 1, "ModifyIndex": 1});
    let web = json!({"ID": "web", "Service": "web", "Tags": ["b", "a"], "Address": "", "Meta": null, "Port": 0,
        "Weights": {"Passing": 1, "Warning": 1}, "EnableTagOverride": false,
        "Proxy": {"MeshGateway": {}, "Expose": {}}, "Connect": {}, "CreateIndex": 1, "ModifyIndex": 1});
    let check = |id: &str, name: &str, service: &str, tags: Value| {
        json!({"Node": "x", "CheckID": id, "Name": name, "Status": "passing", "Notes": "", "Output": "",
        "ServiceID": service, "ServiceName": service, "ServiceTags": tags, "Type": "", "Definition": {},
        "CreateIndex": 1, "ModifyIndex": 1})
    };
    let checks = json!([check("z", "", "", json!([])), check("of web", "of web", "web", json!(["b", "a"]))]);
    assert_eq!(rows, json!([{"Node": x, "Service": web, "Checks": checks}]));
    assert_eq!(fixture.json(services()).2, r#"{"web":["a","b"]}"#);
    let answer: Value = serde_json::from_str(&fixture.json(node).2).expect("JSON");
    assert_eq!(answer, json!({"Node": x, "Services": {"web": web}}));
    let rows: Value = serde_json::from_str(&fixture.json(service_nodes("web")).2).expect("JSON");
    assert_eq!(rows[0]["ServiceID"], "web");
    assert_eq!(rows[0]["ServiceTags"], json!(["b", "a"]));
}

#[test]
fn instances_that_do_not_pass_are_left_out_only_when_asked() {
    let mut fixture = Fixture::new();
    for (node, status) in [("a", "passing"), ("b", "warning"), ("c", "critical")] {
        fixture
            .register(json!({"Node": node, "Address": "1", "Service": {"Service": "web"},
                "Check": {"CheckID": "c", "Status": status, "ServiceID": "web"}}))
            .expect("accepted");
    }
    let names = |fixture: &Fixture, passing| {
        let rows: Value = serde_json::from_str(&fixture.json(health("web", passing)).2).expect("JSON");
        rows.as_array().expect("rows").iter().map(|row| row["Node"]["Node"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&fixture, false).len(), 3);
    assert_eq!(names(&fixture, true), [r#""a""#]);
    let recovered =
        json!({"Node": "c", "Address": "1", "Check": {"CheckID": "c", "Status": "passing", "ServiceID": "web"}});
    fixture.register(recovered).expect("accepted");
    assert_eq!(names(&fixture, true), [r#""a""#, r#""c""#]);
    let state = Query::ChecksInState { state: "passing".to_owned(), near: "".into(), meta: TextMap::new() };
    let checks: Value = serde_json::from_str(&fixture.json(state).2).expect("JSON");
    assert_eq!(checks.as_array().map(Vec::len), Some(2));
}

#[test]
fn filters_are_applied_and_their_errors_are_told() {
    let mut fixture = Fixture::new();
    for node in ["a", "b"] {
        fixture.register(json!({"Node": node, "Address": "1", "Service": {"Service": "web"}})).expect("accepted");
    }
    let options = |filter: &str| ReadOptions { filter: filter.to_owned(), form: Form::Rows, ..ReadOptions::default() };
    let found = fixture.read(&options("Node.Node == b"), health("web", false)).expect("a right filter");
    assert!(format!("{found:?}").contains("\"b\"") && !format!("{found:?}").contains("\"a\""));
    let error = fixture.read(&options("Foo == b"), health("web", false)).expect_err("no such field");
    assert_eq!(error.kind, ErrorKind::Failed);
    assert_eq!(error.message, "Failed to create boolean expression evaluator: Selector \"Foo\" is not valid");
}
