//! The encoding of commands: golden bytes, growth in both directions, and whatever bytes may come.

use model::{
    AclAuthMethod, AclBindingRule, AclLink, AclPolicy, AclRole, AclToken, AutopilotChange, AutopilotConfig, Blob,
    CaRoot, ConfigEntry, Coordinate, Deregistration, EntryKind, HealthCheck, Intention, Key, KvChange, KvCopy,
    KvHistoryLimits, KvVerb, MeshCa, Node, NodeCoordinate, NodeIdentity, NodeService, ObjectVerb, PreparedQuery,
    QueryDns, Registration, ServiceCheck, ServiceQuery, Session, SessionBehavior, Timestamp, Token, TxnLook, TxnOp,
};
use proptest::prelude::*;
use serde::Serialize;
use state::{
    AclCommand, Command, DeleteConfigEntry, DeleteIntention, Outcome, PutConfigEntry, PutMeshCa, RestoreChange,
    RestoreStep, Store,
};

const GOLDEN: &str = "tests/golden/commands.txt";

fn registration() -> Registration {
    Registration {
        id: "11111111-2222-3333-4444-555555555555".into(),
        node: "n1".into(),
        address: "10.0.0.1".to_owned(),
        datacenter: "dc1".to_owned(),
        tagged_addresses: Some([("lan".to_owned(), "10.0.0.1".to_owned())].into()),
        node_meta: Some([("rack".to_owned(), "7".to_owned())].into()),
        service: Some(NodeService {
            id: "web-1".into(),
            service: "web".into(),
            tags: vec!["v1".to_owned()],
            port: 80,
            ..NodeService::default()
        }),
        check: None,
        checks: vec![HealthCheck {
            node: "n1".into(),
            check_id: "alive".into(),
            status: "passing".to_owned(),
            service_id: "web-1".into(),
            definition: serde_json::json!({"Interval": "10s"}),
            ..HealthCheck::default()
        }],
        skip_node_update: false,
    }
}

const SESSION: &str = "11111111-2222-3333-4444-555555555556";

fn session() -> Session {
    Session {
        id: SESSION.into(),
        name: "leader".to_owned(),
        node: "n1".into(),
        lock_delay: -1,
        behavior: SessionBehavior::Delete,
        ttl: "10s".to_owned(),
        node_checks: Some(vec!["serfHealth".into()]),
        service_checks: Some(vec![ServiceCheck { id: "alive".into(), namespace: "default".to_owned() }]),
        checks: vec!["old".into()],
        create_index: 0,
        modify_index: 0,
    }
}

fn coordinate(node: &str) -> NodeCoordinate {
    NodeCoordinate {
        node: node.into(),
        segment: String::new(),
        coord: Coordinate { height: 0.5, ..Coordinate::default() },
    }
}

fn query() -> PreparedQuery {
    PreparedQuery {
        id: "22222222-2222-3333-4444-555555555555".to_owned(),
        name: "near-web".to_owned(),
        service: ServiceQuery {
            service: "web".to_owned(),
            tags: Some(vec!["!old".to_owned()]),
            ..ServiceQuery::default()
        },
        dns: QueryDns { ttl: "10s".to_owned() },
        ..PreparedQuery::default()
    }
}

fn acl_token() -> AclToken {
    AclToken {
        accessor_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        secret_id: Token::new("11111111-2222-3333-4444-666666666666"),
        policies: vec![AclLink { id: "p".to_owned(), name: String::new() }],
        node_identities: vec![NodeIdentity { node_name: "n1".to_owned(), datacenter: "dc1".to_owned() }],
        expiration_time: Some(Timestamp(1_800_000_000_000_000_000)),
        local: true,
        hash: Blob::new(&b"h"[..]),
        ..AclToken::default()
    }
}

fn policy() -> AclPolicy {
    AclPolicy {
        id: "33333333-2222-3333-4444-555555555555".to_owned(),
        name: "p".to_owned(),
        rules: "key_prefix \"\" { policy = \"read\" }".to_owned(),
        datacenters: vec!["dc1".to_owned()],
        hash: Blob::new(&b"h"[..]),
        ..AclPolicy::default()
    }
}

fn role() -> AclRole {
    AclRole {
        id: "44444444-2222-3333-4444-555555555555".to_owned(),
        name: "r".to_owned(),
        policies: vec![AclLink { id: policy().id, name: String::new() }],
        node_identities: vec![NodeIdentity { node_name: "n1".to_owned(), datacenter: "dc1".to_owned() }],
        ..AclRole::default()
    }
}

fn binding_rule() -> AclBindingRule {
    AclBindingRule {
        id: "66666666-2222-3333-4444-555555555555".to_owned(),
        auth_method: "m".to_owned(),
        selector: "value.ns == default".to_owned(),
        bind_type: "service".to_owned(),
        bind_name: "${value.name}".to_owned(),
        ..AclBindingRule::default()
    }
}

fn auth_method() -> AclAuthMethod {
    AclAuthMethod {
        name: "m".to_owned(),
        kind: "jwt".to_owned(),
        max_token_ttl: "5m".to_owned(),
        config: serde_json::json!({"BoundIssuer": "me"}),
        ..AclAuthMethod::default()
    }
}

fn mesh_ca() -> MeshCa {
    let root = CaRoot { id: "aa:bb".to_owned(), serial_number: 9, active: true, ..CaRoot::default() };
    MeshCa {
        cluster_id: "77777777-2222-3333-4444-555555555555".to_owned(),
        config: serde_json::json!({"Provider": "consul"}),
        roots: vec![root],
        private_key: "key".to_owned(),
        last_serial: 9,
        ..MeshCa::default()
    }
}

fn entry() -> ConfigEntry {
    let fields = serde_json::json!({"Protocol": "http", "MeshGateway": {"Mode": "local"}});
    let serde_json::Value::Object(fields) = fields else { panic!("not an object") };
    ConfigEntry { kind: EntryKind::ServiceDefaults, name: "web".to_owned(), fields, create_index: 0, modify_index: 0 }
}

fn intention() -> Intention {
    Intention {
        id: "55555555-2222-3333-4444-555555555555".to_owned(),
        source_name: "web".to_owned(),
        destination_name: "*".to_owned(),
        action: "deny".to_owned(),
        precedence: 8,
        created_at: "2020-01-02T03:04:05Z".to_owned(),
        ..Intention::default()
    }
}

fn transaction() -> Vec<TxnOp> {
    let key = Key::from("a");
    let node = || Node { node: "n1".into(), address: "10.0.0.1".into(), ..Node::default() };
    let set = KvChange { key: key.clone(), value: Blob::new(&b"v"[..]), ..KvChange::default() };
    let service = NodeService { id: "web-1".into(), service: "web".into(), port: 80, ..NodeService::default() };
    let check = HealthCheck { node: "n1".into(), check_id: "c".into(), ..HealthCheck::default() };
    vec![
        TxnOp::Kv(set),
        TxnOp::Look(TxnLook::KvGet { key: key.clone() }),
        TxnOp::Look(TxnLook::KvTree { prefix: key.clone() }),
        TxnOp::Look(TxnLook::KvIndex { key: key.clone(), index: 7 }),
        TxnOp::Look(TxnLook::KvSession { key: key.clone(), session: SESSION.into() }),
        TxnOp::Look(TxnLook::KvAbsent { key }),
        TxnOp::Look(TxnLook::Node { id: String::new().into(), node: "n1".into() }),
        TxnOp::Look(TxnLook::Service { node: "n1".into(), id: "web-1".into() }),
        TxnOp::Look(TxnLook::Check { node: "n1".into(), id: "c".into() }),
        TxnOp::Node { verb: ObjectVerb::Set, node: node() },
        TxnOp::Service { verb: ObjectVerb::Cas, node: "n1".into(), service },
        TxnOp::Check { verb: ObjectVerb::DeleteCas, check },
        TxnOp::Look(TxnLook::Refused { what: "unknown KV verb \"x\"".to_owned() }),
    ]
}

fn samples() -> Vec<(&'static str, Command)> {
    let change = KvChange {
        verb: KvVerb::Cas,
        key: Key::from("a/b"),
        value: Blob::new(&b"\0\xff"[..]),
        flags: 42,
        index: 7,
        ..KvChange::default()
    };
    let lock = KvChange { verb: KvVerb::Lock, key: Key::from("a/b"), session: SESSION.into(), ..KvChange::default() };
    let expiring =
        KvChange { key: Key::from("k"), ttl: 30_000_000_000, time: Timestamp(1 << 60), ..KvChange::default() };
    let copy = KvCopy { from: Key::from("a/"), to: Key::from("b/"), is_move: true, time: Timestamp::default() };
    let deregistration = Deregistration { node: "n1".into(), service_id: "web-1".into(), ..Deregistration::default() };
    vec![
        ("register", Command::Register(registration())),
        ("deregister", Command::Deregister(deregistration)),
        ("kv_change", Command::KvChange(change)),
        ("register_all", Command::RegisterAll(vec![Registration::default(), registration()])),
        ("reap_tombstones", Command::ReapTombstones { index: 1 << 40 }),
        ("acl_put_token", Command::Acl(AclCommand::PutToken(Box::new(acl_token())))),
        ("acl_delete_tokens", Command::Acl(AclCommand::DeleteTokens(vec!["a".to_owned(), "b".to_owned()]))),
        ("acl_delete_policy", Command::Acl(AclCommand::DeletePolicy("p".to_owned()))),
        ("acl_delete_role", Command::Acl(AclCommand::DeleteRole("r".to_owned()))),
        ("acl_delete_binding_rule", Command::Acl(AclCommand::DeleteBindingRule("b".to_owned()))),
        ("acl_delete_auth_method", Command::Acl(AclCommand::DeleteAuthMethod("m".to_owned()))),
        ("acl_bootstrap", Command::Acl(AclCommand::Bootstrap { token: Box::new(acl_token()), reset_index: 7 })),
        ("acl_server_secret", Command::Acl(AclCommand::ServerSecret(Token::new("s")))),
        ("session_create", Command::SessionCreate(session())),
        ("session_destroy", Command::SessionDestroy { id: SESSION.into() }),
        ("kv_lock", Command::KvChange(lock)),
        ("reap_lock_delays", Command::ReapLockDelays { index: 1 << 33 }),
        (
            "autopilot",
            Command::Autopilot(AutopilotChange { config: AutopilotConfig::initial(), cas: Some(7), is_initial: false }),
        ),
        ("restore_begin", Command::Restore(RestoreChange { id: 1 << 60, step: RestoreStep::Begin })),
        (
            "restore_chunk",
            Command::Restore(RestoreChange {
                id: 7,
                step: RestoreStep::Chunk { number: 300, bytes: b"\0\xff"[..].into() },
            }),
        ),
        ("restore_finish", Command::Restore(RestoreChange { id: 7, step: RestoreStep::Finish })),
        ("restore_abort", Command::Restore(RestoreChange { id: 7, step: RestoreStep::Abort })),
        ("kv_expiring", Command::KvChange(expiring)),
        ("kv_copy", Command::KvCopy(copy.clone())),
        ("kv_copy_dated", Command::KvCopy(KvCopy { time: Timestamp(1 << 60), ..copy })),
        ("acl_put_binding_rule", Command::Acl(AclCommand::PutBindingRule(Box::new(binding_rule())))),
        ("acl_put_auth_method", Command::Acl(AclCommand::PutAuthMethod(Box::new(auth_method())))),
        ("put_mesh_ca", Command::PutMeshCa(PutMeshCa { ca: mesh_ca(), expected_index: 7 })),
        ("kv_history", Command::KvHistory(KvHistoryLimits { versions: 10, bytes: 1 << 26 })),
        ("txn", Command::Txn(transaction())),
        ("acl_put_policy", Command::Acl(AclCommand::PutPolicy(Box::new(policy())))),
        ("acl_put_role", Command::Acl(AclCommand::PutRole(Box::new(role())))),
        ("put_config_entry", Command::PutConfigEntry(PutConfigEntry { entry: entry(), cas: Some(0) })),
        (
            "delete_config_entry",
            Command::DeleteConfigEntry(DeleteConfigEntry { kind: EntryKind::ServiceDefaults, name: "web".to_owned() }),
        ),
        ("put_intention", Command::PutIntention(intention())),
        ("delete_intention", Command::DeleteIntention(DeleteIntention { id: intention().id })),
        ("kv_expire", Command::KvExpire { until: Timestamp(1 << 60), max: 1024 }),
        ("coordinates", Command::Coordinates(vec![coordinate("n1")])),
        ("prepared_query", Command::PreparedQuery(query())),
        ("prepared_query_deletion", Command::PreparedQueryDeletion { id: query().id }),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}

/// Old logs must stay readable: the bytes of a command never change. `UPDATE_GOLDEN=1` writes those of new commands.
#[test]
fn commands_have_their_golden_bytes() {
    let lines: Vec<String> =
        samples().iter().map(|(name, command)| format!("{name} {}\n", hex(&command.encode()))).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, lines.concat()).expect("the golden file is written");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("the golden file is there");
    assert_eq!(lines.concat(), golden);
    for ((name, command), line) in samples().into_iter().zip(golden.lines()) {
        let bytes = unhex(line.strip_prefix(name).expect("one line for each command").trim());
        assert_eq!(Command::decode(&bytes).expect("golden bytes decode"), command);
    }
}

#[derive(Serialize)]
struct Newer {
    index: u64,
    added_later: Vec<&'static str>,
}

#[derive(Serialize)]
struct Older {}

#[test]
fn fields_may_be_added_in_both_directions() {
    let reap = |body: Vec<u8>| [vec![1, 5], body].concat();
    let newer = rmp_serde::to_vec_named(&Newer { index: 9, added_later: vec!["x"] }).expect("it encodes");
    assert_eq!(Command::decode(&reap(newer)).expect("it decodes"), Command::ReapTombstones { index: 9 });
    let older = rmp_serde::to_vec_named(&Older {}).expect("it encodes");
    assert_eq!(Command::decode(&reap(older)).expect("it decodes"), Command::ReapTombstones { index: 0 });
}

#[test]
fn unknown_commands_are_skipped_or_refused_and_change_nothing() {
    let mut store = Store::new();
    let mut apply = |bytes: &[u8]| store.apply(1, bytes);
    assert_eq!(apply(&[1, 0x80 | 50, 1, 2, 3]), Outcome::Skipped);
    let text = |outcome| if let Outcome::Error(text) = outcome { text } else { panic!("not refused: {outcome:?}") };
    assert_eq!(text(apply(&[1, 50])), "unknown command type 50: upgrade this server");
    assert_eq!(text(apply(&[9, 1])), "unknown command version 9: upgrade this server");
    assert_eq!(text(apply(&[1])), "the command is cut off");
    assert_eq!(text(apply(&[])), "the command is cut off");
    assert!(text(apply(&[1, 1, 0xc1])).starts_with("the command of type 1 cannot be decoded"));
    assert_eq!(store.reader().view().nodes().count(), 0);
}

#[test]
fn deep_nesting_and_lying_lengths_are_refused() {
    let mut store = Store::new();
    let nested =
        [vec![1, 1, 0x81, 0xa7], b"Service".to_vec(), vec![0x81, 0xa5], b"Proxy".to_vec(), vec![0x91; 1_000_000]];
    assert!(matches!(store.apply(1, &nested.concat()), Outcome::Error(_)));
    for length in [0xdc_u8, 0xdd, 0xde, 0xdf, 0xc4, 0xc6, 0xd9, 0xdb] {
        for kind in [1, 2, 3, 4, 5, 10, 11, 12] {
            assert!(matches!(store.apply(2, &[1, kind, length, 0xff, 0xff, 0xff, 0xff]), Outcome::Error(_)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_apply_panic(kind in 0_u8..20, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut store = Store::new();
        let _any = store.apply(1, &[vec![1, kind], body].concat());
        store.publish();
    }

    #[test]
    fn no_damage_makes_apply_panic(which in 0_usize..samples().len(), damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6)) {
        let (_, command) = samples().swap_remove(which);
        let mut bytes = command.encode();
        for (at, byte) in damage {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        let mut store = Store::new();
        let _any = store.apply(1, &bytes);
        let _again = store.apply(2, &bytes);
        store.publish();
        assert_eq!(store.reader().view().index(), 2);
    }
}
