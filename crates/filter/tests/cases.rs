//! Expressions with their outcome over a fixed set of rows. Each line was checked against Consul 1.8.7 with the same
//! two instances in its catalog; the one deliberate difference is marked.

use filter::{Filter, JsonRow, SERVICE_INSTANCE};
use serde_json::{Value, json};

fn rows() -> Vec<Value> {
    vec![
        json!({
            "ID": "", "Node": "a1", "Address": "10.0.0.1", "Datacenter": "dc1", "TaggedAddresses": {"lan": "10.0.0.1"},
            "NodeMeta": {"os": "linux", "x-y": "z"}, "ServiceKind": "", "ServiceID": "w1", "ServiceName": "web",
            "ServiceTags": ["v1", "prod"], "ServiceAddress": "", "ServiceMeta": {"a": "b"}, "ServicePort": 80,
            "ServiceTaggedAddresses": {"lan": {"Address": "1.2.3.4", "Port": 8}},
            "ServiceWeights": {"Passing": 1, "Warning": 1}, "ServiceEnableTagOverride": false,
            "ServiceProxy": {"MeshGateway": {}, "Expose": {}}, "ServiceConnect": {}
        }),
        json!({
            "ID": "", "Node": "a2", "Address": "10.0.0.2", "Datacenter": "dc1", "TaggedAddresses": null,
            "NodeMeta": null, "ServiceKind": "", "ServiceID": "w2", "ServiceName": "web", "ServiceTags": ["v2"],
            "ServiceAddress": "", "ServiceMeta": {}, "ServicePort": 81, "ServiceWeights": {"Passing": 1, "Warning": 1},
            "ServiceEnableTagOverride": false, "ServiceProxy": {"MeshGateway": {}, "Expose": {}}, "ServiceConnect": {}
        }),
    ]
}

fn outcome(text: &str) -> String {
    let filter = match Filter::parse(text, &SERVICE_INSTANCE) {
        Ok(filter) => filter,
        Err(error) => return error.to_string(),
    };
    let rows = rows();
    let ids: Vec<&str> = rows
        .iter()
        .filter(|row| filter.matches(&JsonRow { value: row, schema: &SERVICE_INSTANCE }))
        .filter_map(|row| row["ServiceID"].as_str())
        .collect();
    ids.join(" ")
}

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(text, expected)| outcome(text) != *expected)
        .map(|(text, expected)| format!("{text}\n  expected {expected}\n  got      {}", outcome(text)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const SELECTED: &[(&str, &str)] = &[
    ("ServicePort == 80", "w1"),
    (r##"ServicePort == "80""##, "w1"),
    ("ServicePort == -80", ""),
    ("ServicePort != 80", "w2"),
    (r##"ServicePort == "0x50""##, "w1"),
    (r##"ServicePort == "0120""##, "w1"),
    (r##"ServicePort == "1_0""##, ""),
    ("v1 in ServiceTags", "w1"),
    ("v1 not in ServiceTags", "w2"),
    (r##""v1" in ServiceTags and ServicePort==80"##, "w1"),
    ("ServiceTags contains prod", "w1"),
    ("ServiceTags not contains prod", "w2"),
    (r##"ServiceTags contains """##, ""),
    ("ServiceTags is empty", ""),
    ("ServiceTags is not empty", "w1 w2"),
    ("ServiceMeta is empty", "w2"),
    ("ServiceMeta.a == b", "w1"),
    ("ServiceMeta.a != b", "w2"),
    ("ServiceMeta.zz == b", ""),
    ("ServiceMeta.zz != b", "w1 w2"),
    (r##"ServiceMeta["a"] == b"##, "w1"),
    ("ServiceMeta[`a`] == b", "w1"),
    (r##"ServiceMeta[ "a" ] == b"##, "w1"),
    (r##"NodeMeta["x-y"] == z"##, "w1"),
    ("os in NodeMeta", "w1"),
    ("NodeMeta contains os", "w1"),
    ("NodeMeta not contains os", "w2"),
    (r##"ServiceName matches "w.*""##, "w1 w2"),
    (r##"ServiceName not matches "x""##, "w1 w2"),
    (r##"ServiceName matches "(?i)WEB""##, "w1 w2"),
    ("ServiceName matches web", "w1 w2"),
    ("ServiceName contains eb", "w1 w2"),
    ("eb in ServiceName", "w1 w2"),
    (r##""" in ServiceName"##, "w1 w2"),
    ("not ServiceName == web", ""),
    ("not not ServiceName == web", "w1 w2"),
    ("(ServiceName == web)", "w1 w2"),
    ("( ServiceName == web )", "w1 w2"),
    (" ServiceName == web ", "w1 w2"),
    ("ServiceName == `web`", "w1 w2"),
    (r##"ServiceName == "w\x65b""##, "w1 w2"),
    (r##"ServiceName == "\167eb""##, "w1 w2"),
    (r##"ServiceName == "\u0077eb""##, "w1 w2"),
    (r##"ServiceName == "a\"b""##, r##"1:16 (15): rule "string": invalid syntax"##),
    (r##"ServiceName == "\u0041""##, ""),
    ("ServiceName == 80", ""),
    ("ServiceName == 80.5", ""),
    ("ServiceName == -0", ""),
    ("ServiceName == a.b", ""),
    (r##"ServiceName == a["b"]"##, ""),
    ("ServiceName == and", ""),
    ("ServiceName == not", ""),
    ("ServiceEnableTagOverride == false", "w1 w2"),
    (r##"ServiceEnableTagOverride == "f""##, "w1 w2"),
    ("ServiceEnableTagOverride == FALSE", "w1 w2"),
    ("ServiceEnableTagOverride == 0", "w1 w2"),
    ("ServiceEnableTagOverride != true", "w1 w2"),
    ("ServiceWeights.Passing == 1", "w1 w2"),
    (r##"ServiceTaggedAddresses.lan.Address == "1.2.3.4""##, "w1"),
    ("ServiceTaggedAddresses.lan.Port == 8", "w1"),
    ("ServiceTaggedAddresses is empty", "w2"),
    ("lan in ServiceTaggedAddresses", "w1"),
    ("ServiceTaggedAddresses.wan.Port == 8", ""),
    ("ServiceTaggedAddresses.wan.Port != 8", "w1 w2"),
    ("ServiceConnect.Native == false", "w1 w2"),
    ("ServiceProxy.Upstreams is empty", "w1 w2"),
    ("ServiceProxy.Upstreams.DestinationName == x", ""),
    ("ServiceProxy.Upstreams.DestinationName != x", ""),
    ("ServiceProxy.Upstreams.DestinationName not matches x", ""),
    (r##"ServiceProxy.MeshGateway.Mode == """##, "w1 w2"),
    ("ServiceProxy.LocalServicePort == 0", "w1 w2"),
    ("ServiceProxy.Expose.Checks == false", "w1 w2"),
    ("ServiceProxy.Expose.Paths is empty", "w1 w2"),
    (r##"ServiceKind == """##, "w1 w2"),
    ("ServiceID == w1 and not ServicePort == 81 or ServiceID == w2", "w1 w2"),
    ("ServiceID == w2 or ServiceID==w1 and ServicePort==81", "w2"),
    (r##"ServiceID != "w1""##, "w2"),
    ("b in ServiceMeta.a", "w1"),
    ("ServiceMeta.a contains b", "w1"),
    ("ServiceMeta.zz not contains b", "w1 w2"),
    ("b not in ServiceMeta.zz", "w1 w2"),
    ("ServiceMeta.zz not matches b", "w1 w2"),
    ("( (ServiceName == web) and ServicePort == 80 ) or ServicePort==81", "w1 w2"),
    ("(ServiceName == web) and (ServicePort == 80)", "w1"),
    ("not (ServiceName == web)", ""),
    ("not  ServiceName == web", ""),
    ("not in ServiceTags", ""),
    ("not not in ServiceTags", "w1 w2"),
    ("80 in ServiceTags", ""),
    ("ServiceTags is empty and ServiceTags is not empty or ServiceName==web", "w1 w2"),
    (r##"TaggedAddresses.lan == "10.0.0.1""##, "w1"),
    ("Node == a1", "w1"),
    (r##"ID == """##, "w1 w2"),
    ("Datacenter == dc1", "w1 w2"),
];

#[test]
fn rows_are_selected() {
    check(SELECTED);
}

const REFUSED: &[(&str, &str)] = &[
    ("   ", r##"1:4 (3): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"##),
    ("Foo == 1", r##"Selector "Foo" is not valid"##),
    ("ServicePort == ", r##"1:16 (15): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"##),
    (
        "ServicePort == abc",
        r##"Failed to coerce value "abc" for selector "ServicePort": strconv.ParseInt: parsing "abc": invalid syntax"##,
    ),
    (
        "ServicePort == 80.0",
        r##"Failed to coerce value "80.0" for selector "ServicePort": strconv.ParseInt: parsing "80.0": invalid syntax"##,
    ),
    (
        "ServicePort == 1.5",
        r##"Failed to coerce value "1.5" for selector "ServicePort": strconv.ParseInt: parsing "1.5": invalid syntax"##,
    ),
    (
        r##"ServicePort == """##,
        r##"Failed to coerce value "" for selector "ServicePort": strconv.ParseInt: parsing "": invalid syntax"##,
    ),
    (
        "ServicePort == 99999999999999999999",
        r##"Failed to coerce value "99999999999999999999" for selector "ServicePort": strconv.ParseInt: parsing "99999999999999999999": value out of range"##,
    ),
    ("ServicePort == 0x50", r##"1:17 (16): rule "number": Invalid number literal"##),
    ("ServiceTags == v1", r##"Invalid match operator "Equal" for selector "ServiceTags""##),
    ("ServiceTags.foo == x", r##"Selector "ServiceTags.foo" is not valid"##),
    ("ServiceTags[0] == v1", r##"1:13 (12): rule "index": Invalid index"##),
    ("ServiceMeta[a] == b", r##"1:13 (12): rule "index": Invalid index"##),
    ("ServiceMeta.a.b == c", r##"Selector "ServiceMeta.a.b" is not valid"##),
    ("ServiceMeta.a is empty", r##"Invalid match operator "Is Empty" for selector "ServiceMeta.a""##),
    ("ServiceMeta.zz is not empty", r##"Invalid match operator "Is Not Empty" for selector "ServiceMeta.zz""##),
    ("ServiceMeta == x", r##"Invalid match operator "Equal" for selector "ServiceMeta""##),
    ("ServiceMeta matches x", r##"Invalid match operator "Matches" for selector "ServiceMeta""##),
    ("NodeMeta.x-y == z", r##"1:11 (10): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"##),
    (r##"ServiceTags matches "v""##, r##"Invalid match operator "Matches" for selector "ServiceTags""##),
    ("ServicePort is empty", r##"Invalid match operator "Is Empty" for selector "ServicePort""##),
    ("ServicePort contains 8", r##"Invalid match operator "In" for selector "ServicePort""##),
    ("ServicePort not contains 8", r##"Invalid match operator "Not In" for selector "ServicePort""##),
    ("ServicePort matches 8", r##"Invalid match operator "Matches" for selector "ServicePort""##),
    ("ServicePort not matches 8", r##"Invalid match operator "Not Matches" for selector "ServicePort""##),
    ("ServiceName is empty", r##"Invalid match operator "Is Empty" for selector "ServiceName""##),
    ("ServiceName is  not   empty", r##"Invalid match operator "Is Not Empty" for selector "ServiceName""##),
    ("ServiceName == web or Foo == 1", r##"Selector "Foo" is not valid"##),
    ("ServiceName == web AND 1 == 1", r##"1:20 (19): no match found, expected: "and", "or", [ \t\r\n] or EOF"##),
    ("ServiceName", r##"1:12 (11): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"##),
    ("ServiceName=web", r##"1:12 (11): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"##),
    (
        "ServiceName = web",
        r##"1:13 (12): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"##,
    ),
    ("ServiceName == 10s", r##"1:18 (17): rule "number": Invalid number literal"##),
    (
        "ServiceName == 'web'",
        r##"1:16 (15): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"##,
    ),
    (r##"ServiceName == "web"##, r##"1:20 (19): rule "string": Unterminated string literal"##),
    ("(ServiceName == web", r##"1:20 (19): rule "grouping": Unmatched parentheses"##),
    ("(ServiceName == web x", r##"1:21 (20): rule "grouping": Unmatched parentheses"##),
    ("((ServiceName == web)", r##"1:22 (21): rule "grouping": Unmatched parentheses"##),
    ("CreateIndex == 1", r##"Selector "CreateIndex" is not valid"##),
    ("ModifyIndex == 1", r##"Selector "ModifyIndex" is not valid"##),
    (
        "ServiceEnableTagOverride == nope",
        r##"Failed to coerce value "nope" for selector "ServiceEnableTagOverride": strconv.ParseBool: parsing "nope": invalid syntax"##,
    ),
    (
        "ServiceEnableTagOverride == tRUE",
        r##"Failed to coerce value "tRUE" for selector "ServiceEnableTagOverride": strconv.ParseBool: parsing "tRUE": invalid syntax"##,
    ),
    (
        "ServiceEnableTagOverride is empty",
        r##"Invalid match operator "Is Empty" for selector "ServiceEnableTagOverride""##,
    ),
    ("ServiceEnableTagOverride contains x", r##"Invalid match operator "In" for selector "ServiceEnableTagOverride""##),
    ("ServiceWeights == 1", r##"Invalid match operator "Equal" for selector "ServiceWeights""##),
    ("ServiceWeights != 1", r##"Invalid match operator "Not Equal" for selector "ServiceWeights""##),
    ("ServiceWeights is empty", r##"Invalid match operator "Is Empty" for selector "ServiceWeights""##),
    ("ServiceWeights.Foo == 1", r##"Selector "ServiceWeights.Foo" is not valid"##),
    (
        "ServiceTaggedAddresses.lan == 8",
        r##"Invalid match operator "Equal" for selector "ServiceTaggedAddresses.lan""##,
    ),
    ("ServiceTaggedAddresses.lan.Foo == x", r##"Selector "ServiceTaggedAddresses.lan.Foo" is not valid"##),
    ("x in ServiceTaggedAddresses.lan", r##"Invalid match operator "In" for selector "ServiceTaggedAddresses.lan""##),
    ("ServiceConnect == false", r##"Invalid match operator "Equal" for selector "ServiceConnect""##),
    ("ServiceConnect.Proxy.Port == 1", r##"Selector "ServiceConnect.Proxy" is not valid"##),
    ("ServiceProxy.Upstreams contains x", r##"Invalid match operator "In" for selector "ServiceProxy.Upstreams""##),
    ("ServiceProxy.Config.foo == x", r##"Selector "ServiceProxy.Config" is not valid"##),
    ("ServiceProxy.Upstreams.Config.x == x", r##"Selector "ServiceProxy.Upstreams.Config" is not valid"##),
    (
        "ServiceProxy.Upstreams.LocalBindPort == x",
        r##"Failed to coerce value "x" for selector "ServiceProxy.Upstreams.LocalBindPort": strconv.ParseInt: parsing "x": invalid syntax"##,
    ),
    ("ServiceKind is empty", r##"Invalid match operator "Is Empty" for selector "ServiceKind""##),
    ("notServiceID == w1", r##"Selector "notServiceID" is not valid"##),
    ("not(ServiceID == w1)", r##"1:4 (3): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"##),
    (
        "ServiceID==w1andServicePort==80",
        r##"1:28 (27): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF"##,
    ),
    ("ServiceID == w1 and(ServicePort==80)", r##"1:20 (19): no match found, expected: [ \t\r\n]"##),
    ("ServiceName.foo == x", r##"Selector "ServiceName.foo" is not valid"##),
    ("Node.Meta == x", r##"Selector "Node.Meta" is not valid"##),
    ("()", r##"1:2 (1): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"##),
    ("and", r##"1:4 (3): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"##),
    ("not", r##"1:4 (3): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"##),
    (
        "not ",
        r##"1:5 (4): no match found, expected: "!=", "(", "-", "0", "==", "\"", "`", "contains", "in", "is", "matches", "not", [ \t\r\n], [1-9] or [a-zA-Z]"##,
    ),
    ("not == x", r##"Selector "not" is not valid"##),
    ("contains contains contains", r##"Selector "contains" is not valid"##),
    ("in in in", r##"Selector "in" is not valid"##),
    ("ServiceName == a/b", r##"1:17 (16): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF"##),
    ("ServiceName == a-b", r##"1:17 (16): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF"##),
    ("ServiceName == 80.", r##"1:18 (17): rule "number": Invalid number literal"##),
    ("ServiceName == 080", r##"1:17 (16): rule "number": Invalid number literal"##),
    ("ServiceName == -", r##"1:17 (16): no match found, expected: "0" or [1-9]"##),
    ("ServiceName == 1.5.2", r##"1:19 (18): rule "number": Invalid number literal"##),
    ("ServiceName == 80 x", r##"1:19 (18): no match found, expected: "and", "or", [ \t\r\n] or EOF"##),
    ("80", r##"1:3 (2): no match found, expected: ".", [ \t\r\n] or [0-9]"##),
    ("80 ", r##"1:4 (3): no match found, expected: "in", "not" or [ \t\r\n]"##),
    ("80 == ServicePort", r##"1:4 (3): no match found, expected: "in", "not" or [ \t\r\n]"##),
    (r##""ServiceName" == web"##, r##"1:15 (14): no match found, expected: "in", "not" or [ \t\r\n]"##),
    ("a-b in ServiceTags", r##"1:2 (1): no match found, expected: "!=", ".", "==", "[", [ \t\r\n] or [a-zA-Z0-9_]"##),
    (r##""a" in"##, r##"1:7 (6): no match found, expected: [ \t\r\n]"##),
    (r##""a" in "##, r##"1:8 (7): rule "match": Invalid selector"##),
    ("a in ", r##"1:6 (5): rule "match": Invalid selector"##),
    (r##""a""##, r##"1:4 (3): no match found, expected: [ \t\r\n]"##),
    (r##""a" "##, r##"1:5 (4): no match found, expected: "in", "not" or [ \t\r\n]"##),
    (r##""a" not"##, r##"1:8 (7): no match found, expected: [ \t\r\n]"##),
    (r##""a" not "##, r##"1:9 (8): no match found, expected: "in" or [ \t\r\n]"##),
    (
        "ServiceName ",
        r##"1:13 (12): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"##,
    ),
    ("ServiceName is", r##"1:15 (14): no match found, expected: [ \t\r\n]"##),
    ("ServiceName is ", r##"1:16 (15): no match found, expected: "empty", "not" or [ \t\r\n]"##),
    ("ServiceName is not ", r##"1:20 (19): no match found, expected: "empty" or [ \t\r\n]"##),
    ("ServiceName is notempty", r##"1:19 (18): no match found, expected: [ \t\r\n]"##),
    ("ServiceName not ", r##"1:17 (16): no match found, expected: "contains", "in", "matches" or [ \t\r\n]"##),
    (
        "ServiceName i",
        r##"1:13 (12): no match found, expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"##,
    ),
    ("ServiceName ==", r##"1:15 (14): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"##),
    ("ServiceName contains", r##"1:21 (20): no match found, expected: [ \t\r\n]"##),
    (r##"ServiceName contains"w""##, r##"1:21 (20): no match found, expected: [ \t\r\n]"##),
    (r##""w"in ServiceName"##, r##"1:4 (3): no match found, expected: [ \t\r\n]"##),
    (r##""w" in ServiceName)"##, r##"1:19 (18): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF"##),
    ("ServiceName == web )", r##"1:20 (19): no match found, expected: "and", "or", [ \t\r\n] or EOF"##),
    ("ServiceName == web and", r##"1:23 (22): no match found, expected: [ \t\r\n]"##),
    (
        "ServiceName == web and ",
        r##"1:24 (23): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"##,
    ),
    (r##"ServiceName == "\q""##, r##"1:16 (15): rule "string": invalid syntax"##),
    (r##"ServiceName == "\"##, r##"1:18 (17): rule "string": Unterminated string literal"##),
    (
        r##"ServiceMeta["a"##,
        "1:15 (14): rule \"string\": Unterminated string literal\n1:13 (12): rule \"index\": Invalid index",
    ),
    (r##"ServiceMeta["a""##, r##"1:16 (15): rule "index": Unclosed index expression"##),
    (r##"ServiceMeta["a" == b"##, r##"1:17 (16): rule "index": Unclosed index expression"##),
    ("ServiceMeta[", r##"1:13 (12): rule "index": Invalid index"##),
    ("ServiceMeta[ ", r##"1:14 (13): rule "index": Invalid index"##),
    (
        r##"ServiceMeta[ "a"##,
        "1:16 (15): rule \"string\": Unterminated string literal\n1:14 (13): rule \"index\": Invalid index",
    ),
    ("ServiceMeta. a == b", "1:13 (12): no match found, expected: [a-zA-Z]"),
    ("ServiceMeta.", "1:13 (12): no match found, expected: [a-zA-Z]"),
    ("ServiceMeta.9 == b", "1:13 (12): no match found, expected: [a-zA-Z]"),
    (
        "_x == b",
        r##"1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"##,
    ),
    ("ServiceName == é", r##"1:16 (15): no match found, expected: "-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"##),
    (
        "é == x and ServiceName",
        r##"1:1 (0): no match found, expected: "(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"##,
    ),
    ("(ServiceName == web)and ServicePort == 80", r##"1:21 (20): no match found, expected: [ \t\r\n] or EOF"##),
    ("ServiceTags is emptyx", r##"1:21 (20): no match found, expected: [ \t\r\n] or EOF"##),
    ("EnterpriseMeta == x", r##"Selector "EnterpriseMeta" is not valid"##),
    ("ServiceName ==\nbad-x", r##"2:4 (18): no match found, expected: ".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF"##),
    ("ServiceName == \"a\nb\"", r##"1:16 (15): rule "string": invalid syntax"##),
    (r##"ServiceName == "é" x"##, r##"1:20 (20): no match found, expected: "and", "or", [ \t\r\n] or EOF"##),
];

#[test]
fn errors_say_what_is_wrong() {
    check(REFUSED);
}

#[test]
fn a_missing_key_matches_no_regular_expression() {
    // Consul 1.8.7 answers with both rows: there `matches` succeeds where the key is missing.
    check(&[("ServiceMeta.a matches b", "w1"), ("ServiceMeta.zz matches b", "")]);
}

#[test]
fn wrong_regular_expressions_are_refused() {
    for (pattern, start) in [
        ("[", r#"Failed to compile regular expression "[": error parsing regexp: "#),
        ("(a", r#"Failed to compile regular expression "(a": error parsing regexp: "#),
    ] {
        let text = outcome(&format!("ServiceName matches `{pattern}`"));
        assert!(text.starts_with(start), "{text}");
    }
}
