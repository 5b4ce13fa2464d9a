//! Snapshots of states that random commands have made: restored, every table is the same, derived ones too, and goes on
//! in the same way. A new table does not compile here until it is looked at, and fails until a command here fills it.

use std::fmt::Debug;

use model::{
    AclAuthMethod, AclBindingRule, AclLink, AclPolicy, AclRole, AclToken, AutopilotChange, AutopilotConfig, Blob,
    CaRoot, ConfigEntry, Coordinate, Deregistration, EntryKind, HealthCheck, Intention, Key, KvChange, KvCopy,
    KvHistoryLimits, KvVerb, MeshCa, NodeCoordinate, NodeService, ObjectVerb, PreparedQuery, QueryTemplate,
    Registration, SERF_CHECK_ID, Session, SessionBehavior, SessionId, Timestamp, Token, TxnOp,
};
use proptest::prelude::*;
use serde_json::json;

use crate::acl_command::AclCommand;
use crate::command::{Command, DeleteConfigEntry, DeleteIntention, PutConfigEntry, PutMeshCa};
use crate::radix::{Stamp, Tree};
use crate::restore::{RestoreChange, RestoreStep};
use crate::store::Store;
use crate::tables::{AclTables, HistoryState, Tables};

/// How many kinds of commands [`command`] makes.
const KINDS: u8 = 34;

/// A table: its name, and all that is in it as text; empty when nothing is.
type Dumped = (&'static str, String);

fn tree<T: Clone + Stamp + Debug>(tree: &Tree<T>) -> String {
    let pairs: Vec<String> = tree.pairs().map(|(key, value)| format!("{} {value:?}", key.escape_ascii())).collect();
    assert_eq!(pairs.len(), tree.len());
    if pairs.is_empty() { String::new() } else { format!("{}\nstamp {}", pairs.join("\n"), tree.max_stamp(&[])) }
}

fn some(value: &impl Debug, is_some: bool) -> String {
    if is_some { format!("{value:?}") } else { String::new() }
}

fn dump_acl(acl: &AclTables) -> Vec<Dumped> {
    let AclTables {
        tokens,
        secrets,
        policies,
        policy_names,
        roles,
        role_names,
        binding_rules,
        auth_methods,
        server_secret,
    } = acl;
    vec![
        ("tokens", tree(tokens)),
        ("secrets", tree(secrets)),
        ("policies", tree(policies)),
        ("policy_names", tree(policy_names)),
        ("roles", tree(roles)),
        ("role_names", tree(role_names)),
        ("binding_rules", tree(binding_rules)),
        ("auth_methods", tree(auth_methods)),
        ("server_secret", some(&server_secret.as_ref().map(Token::secret), server_secret.is_some())),
    ]
}

/// Everything. Nothing is left out with `..`, so that a new table has to be added.
fn dump(tables: &Tables) -> Vec<Dumped> {
    let Tables {
        index,
        autopilot,
        restored,
        staged,
        nodes,
        node_ids,
        services,
        instances,
        mesh_instances,
        checks,
        attached_checks,
        service_checks,
        status_checks,
        kv,
        expiries,
        tombstones,
        sessions,
        node_sessions,
        session_checks,
        held_locks,
        lock_delays,
        acl,
        config_entries,
        intentions,
        mesh_ca,
        coordinates,
        prepared_queries,
        prepared_query_names,
        session_queries,
        query_templates,
        indexes,
        history,
        key_history,
    } = tables;
    let own = vec![
        ("index", index.to_string()),
        ("autopilot", some(autopilot, autopilot.is_some())),
        ("restored", some(restored, restored.index > 0)),
        ("staged", some(staged, staged.is_some())),
        ("nodes", tree(nodes)),
        ("node_ids", tree(node_ids)),
        ("services", tree(services)),
        ("instances", tree(instances)),
        ("mesh_instances", tree(mesh_instances)),
        ("checks", tree(checks)),
        ("attached_checks", tree(attached_checks)),
        ("service_checks", tree(service_checks)),
        ("status_checks", tree(status_checks)),
        ("kv", tree(kv)),
        ("expiries", tree(expiries)),
        ("tombstones", tree(tombstones)),
        ("sessions", tree(sessions)),
        ("node_sessions", tree(node_sessions)),
        ("session_checks", tree(session_checks)),
        ("held_locks", tree(held_locks)),
        ("lock_delays", tree(lock_delays)),
        ("config_entries", tree(config_entries)),
        ("intentions", tree(intentions)),
        ("mesh_ca", tree(mesh_ca)),
        ("coordinates", tree(coordinates)),
        ("prepared_queries", tree(prepared_queries)),
        ("prepared_query_names", tree(prepared_query_names)),
        ("session_queries", tree(session_queries)),
        ("query_templates", tree(query_templates)),
        ("indexes", tree(indexes)),
        ("history", some(history, *history != HistoryState::default())),
        ("key_history", tree(key_history)),
    ];
    [own, dump_acl(acl)].concat()
}

/// A change with two small numbers that choose its names, so that changes meet.
type Step = (u8, u8, u8);

fn session(name: u8) -> SessionId {
    SessionId::new(format!("11111111-2222-3333-4444-5555555555{:02x}", name % 4))
}

fn id(name: u8) -> String {
    format!("99999999-2222-3333-4444-5555555555{:02x}", name % 4)
}

fn key(name: u8) -> Key {
    Key::from(["a", "a/b", "a/c", "b", "lock/\u{ff}x", ""][usize::from(name % 6)])
}

fn link(name: u8) -> Vec<AclLink> {
    vec![AclLink { id: id(name), name: String::new() }]
}

fn service(a: u8, b: u8) -> NodeService {
    let name = ["web", "db", "WEB"][usize::from(b % 3)];
    let mut service = NodeService { id: format!("s{}", b % 4).into(), service: name.into(), ..NodeService::default() };
    if a.is_multiple_of(3) {
        service.kind = "connect-proxy".to_owned();
        service.proxy = json!({"DestinationServiceName": name});
    }
    service
}

fn checks(a: u8, b: u8) -> Vec<HealthCheck> {
    let node = format!("n{}", a % 3);
    let check = |check_id: &str, service_id: String| HealthCheck {
        node: node.as_str().into(),
        check_id: check_id.into(),
        status: ["passing", "warning", "critical"][usize::from(b % 3)].to_owned(),
        service_id: service_id.as_str().into(),
        ..HealthCheck::default()
    };
    vec![check(SERF_CHECK_ID, String::new()), check("own", format!("s{}", b % 4))]
}

fn registration(a: u8, b: u8) -> Registration {
    let node_id =
        if a.is_multiple_of(2) { format!("77777777-2222-3333-4444-5555555555{:02x}", a % 3) } else { String::new() };
    Registration {
        id: node_id.as_str().into(),
        node: format!("n{}", a % 3).as_str().into(),
        address: format!("10.0.0.{b}"),
        service: Some(service(a, b)),
        checks: checks(a, b),
        ..Registration::default()
    }
}

fn change(verb: KvVerb, a: u8, b: u8) -> KvChange {
    let time = Timestamp(1_000_000_000 + u64::from(b));
    let ttl = if b.is_multiple_of(2) { u64::from(b) * 1000 } else { 0 };
    let value = Blob::new(vec![a, b, 0xff]);
    KvChange { verb, key: key(a), value, flags: b.into(), session: session(b), time, ttl, ..KvChange::default() }
}

fn acl(kind: u8, a: u8, b: u8) -> AclCommand {
    let text = format!("t{b}");
    match kind {
        0 => AclCommand::PutToken(Box::new(AclToken {
            accessor_id: id(a),
            secret_id: Token::new(format!("secret{a}{b}")),
            policies: link(b),
            auth_method: format!("m{}", a % 3),
            create_time: Timestamp(b.into()),
            ..AclToken::default()
        })),
        1 => AclCommand::PutPolicy(Box::new(AclPolicy { id: id(a), name: text, ..AclPolicy::default() })),
        2 => AclCommand::PutRole(Box::new(AclRole { id: id(a), name: text, policies: link(b), ..AclRole::default() })),
        3 => {
            let rule = AclBindingRule { id: id(a), auth_method: format!("m{}", b % 3), ..AclBindingRule::default() };
            AclCommand::PutBindingRule(Box::new(rule))
        }
        4 => AclCommand::PutAuthMethod(Box::new(AclAuthMethod {
            name: format!("m{}", a % 3),
            config: json!({"Host": text, "b": [1, 2.5]}),
            ..AclAuthMethod::default()
        })),
        5 => AclCommand::ServerSecret(Token::new(text)),
        6 => match b % 5 {
            0 => AclCommand::DeleteTokens(vec![id(a)]),
            1 => AclCommand::DeletePolicy(id(a)),
            2 => AclCommand::DeleteRole(id(a)),
            3 => AclCommand::DeleteBindingRule(id(a)),
            _ => AclCommand::DeleteAuthMethod(format!("m{}", a % 3)),
        },
        _ => {
            let token = AclToken { accessor_id: id(a), secret_id: Token::new(text), ..AclToken::default() };
            AclCommand::Bootstrap { token: Box::new(token), reset_index: b.into() }
        }
    }
}

fn query(a: u8, b: u8) -> PreparedQuery {
    let template = QueryTemplate {
        kind: if a.is_multiple_of(2) { "name_prefix_match" } else { "" }.to_owned(),
        ..QueryTemplate::default()
    };
    let session = if b.is_multiple_of(2) { session(b) } else { SessionId::default() };
    PreparedQuery { id: id(a), name: format!("q{}", a % 4), session, template, ..PreparedQuery::default() }
}

fn mesh(a: u8, b: u8, expected_index: u64) -> Command {
    let root = CaRoot { id: format!("r{}", a % 2), root_cert: format!("c{b}"), active: true, ..CaRoot::default() };
    let ca = MeshCa { cluster_id: id(0), config: json!({"x": b}), roots: vec![root], ..MeshCa::default() };
    Command::PutMeshCa(PutMeshCa { ca, expected_index })
}

fn catalog_step(kind: u8, a: u8, b: u8) -> Command {
    let node = format!("n{}", a % 3);
    match kind {
        0..=2 => Command::Register(registration(a, b)),
        3 => Command::RegisterAll(vec![registration(a, b), registration(b, a)]),
        4 => {
            let service_id = if b.is_multiple_of(2) { format!("s{}", b % 4) } else { String::new() };
            let check_id = if b.is_multiple_of(3) { "own" } else { "" };
            let service_id = service_id.as_str().into();
            Command::Deregister(Deregistration {
                node: node.as_str().into(),
                service_id,
                check_id: check_id.into(),
                ..Deregistration::default()
            })
        }
        _ => {
            let coord = Coordinate { height: f64::from(b) / 8.0, ..Coordinate::default() };
            let segment = if b.is_multiple_of(2) { "x".to_owned() } else { String::new() };
            Command::Coordinates(vec![NodeCoordinate { node: node.as_str().into(), segment, coord }])
        }
    }
}

fn command(store: &Store, (kind, a, b): Step) -> Command {
    match kind % KINDS {
        kind @ 0..=5 => catalog_step(kind, a, b),
        6..=8 => Command::KvChange(change(KvVerb::Set, a, b)),
        9 => Command::KvChange(change(KvVerb::Delete, a, b)),
        10 => Command::KvChange(change(KvVerb::DeleteTree, a, b)),
        11 | 12 => Command::KvChange(KvChange { index: u64::MAX, ..change(KvVerb::Lock, a, b) }),
        13 => Command::KvChange(change(KvVerb::Unlock, a, b)),
        14 => Command::KvCopy(KvCopy {
            from: key(a),
            to: Key::from("copy/"),
            is_move: b.is_multiple_of(2),
            ..KvCopy::default()
        }),
        15 => Command::KvExpire { until: Timestamp(1_000_000_000 + u64::from(b) * 100), max: 2 },
        16 => Command::ReapTombstones { index: store.index() / 2 },
        17 | 18 => Command::SessionCreate(Session {
            id: session(a),
            node: format!("n{}", b % 3).as_str().into(),
            behavior: if a.is_multiple_of(2) { SessionBehavior::Release } else { SessionBehavior::Delete },
            lock_delay: i64::from(b),
            node_checks: Some(if a.is_multiple_of(2) { vec![SERF_CHECK_ID.into()] } else { Vec::new() }),
            ..Session::default()
        }),
        19 => Command::SessionDestroy { id: session(a) },
        20 => Command::ReapLockDelays { index: store.index() / 2 },
        21 => Command::Txn(vec![
            TxnOp::Kv(change(KvVerb::Set, a, b)),
            TxnOp::Service { verb: ObjectVerb::Set, node: "n1".into(), service: service(a, b) },
        ]),
        22 => Command::PreparedQuery(query(a, b)),
        23 => Command::PreparedQueryDeletion { id: id(a) },
        24 => {
            let config = AutopilotConfig { max_trailing_logs: b.into(), ..AutopilotConfig::default() };
            Command::Autopilot(AutopilotChange { config, cas: None, is_initial: false })
        }
        25 => {
            let fields = json!({"Protocol": format!("p{b}")}).as_object().cloned().unwrap_or_default();
            let kind = EntryKind::ALL[usize::from(a) % EntryKind::ALL.len()];
            let entry = ConfigEntry { kind, name: format!("e{}", a % 3), fields, create_index: 0, modify_index: 0 };
            Command::PutConfigEntry(PutConfigEntry { entry, cas: None })
        }
        26 => match b % 2 {
            0 => Command::DeleteIntention(DeleteIntention { id: id(a) }),
            _ => {
                let kind = EntryKind::ALL[usize::from(a) % EntryKind::ALL.len()];
                Command::DeleteConfigEntry(DeleteConfigEntry { kind, name: format!("e{}", a % 3) })
            }
        },
        27 => {
            let ends = (format!("s{}", b % 3), format!("d{}", a % 3));
            let intention =
                Intention { id: id(a), source_name: ends.0, destination_name: ends.1, ..Intention::default() };
            Command::PutIntention(intention)
        }
        28 => mesh(a, b, store.snapshot().tables().mesh_ca().map_or(0, |ca| ca.modify_index)),
        29 => {
            let step = match b % 4 {
                0 | 1 => RestoreStep::Begin,
                2 => RestoreStep::Chunk { number: 0, bytes: vec![a, b].into() },
                _ => RestoreStep::Abort,
            };
            Command::Restore(RestoreChange { id: 7, step })
        }
        30 => Command::KvHistory(KvHistoryLimits { versions: u32::from(a % 4), bytes: u64::from(b) * 40 }),
        _ => Command::Acl(acl(a % 8, b, a)),
    }
}

fn apply_all(store: &mut Store, steps: &[Step]) {
    for step in steps {
        let command = command(store, *step).encode();
        let index = store.index() + 1 - store.snapshot().tables().restored.offset;
        store.apply(index, &command);
    }
    store.publish();
}

fn archive(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.snapshot().write_to(&mut bytes).expect("memory takes it");
    bytes
}

/// A restore through the log, so that its traces are in the state too.
fn restore_by_log(store: &mut Store, bytes: Vec<u8>) {
    let steps = [RestoreStep::Begin, RestoreStep::Chunk { number: 0, bytes: bytes.into() }, RestoreStep::Finish];
    for step in steps {
        let index = store.index() + 1 - store.snapshot().tables().restored.offset;
        let outcome = store.apply(index, &Command::Restore(RestoreChange { id: 9, step }).encode());
        assert_eq!(outcome, crate::Outcome::Bool(true));
    }
}

fn assert_same(one: &Store, other: &Store) {
    let (one, other) = (one.snapshot(), other.snapshot());
    for (one, other) in dump(one.tables()).into_iter().zip(dump(other.tables())) {
        assert_eq!(one, other);
    }
}

#[test]
fn the_commands_here_fill_every_table() {
    let mut store = Store::new();
    let mut other = Store::new();
    apply_all(&mut other, &[(0, 0, 0)]);
    restore_by_log(&mut store, archive(&other));
    let mut filled: Vec<&str> = Vec::new();
    let mut all = Vec::new();
    // Numbers as good as random, the same in every run (Knuth's generator).
    let mut number = 1_u64;
    for _ in 0..4000 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [kind, a, b, ..] = number.to_be_bytes();
        apply_all(&mut store, &[(kind, a, b)]);
        let dumped = dump(store.snapshot().tables());
        filled.extend(dumped.iter().filter(|(_, text)| !text.is_empty()).map(|(name, _)| *name));
        all = dumped.into_iter().map(|(name, _)| name).collect();
        filled.sort_unstable();
        filled.dedup();
    }
    all.retain(|name| !filled.contains(name));
    assert!(all.is_empty(), "never filled: {all:?}; make `command` fill them, so that their round trip is tested");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_table_comes_back_and_goes_on_in_the_same_way(
        before in proptest::collection::vec(any::<Step>(), 0..30),
        steps in proptest::collection::vec(any::<Step>(), 0..120),
        after in proptest::collection::vec(any::<Step>(), 0..40),
    ) {
        let mut store = Store::new();
        if before.len() % 2 == 1 {
            let mut other = Store::new();
            apply_all(&mut other, &before);
            restore_by_log(&mut store, archive(&other));
        }
        apply_all(&mut store, &steps);
        let bytes = archive(&store);
        let mut restored = Store::new();
        apply_all(&mut restored, &before);
        restored.restore(&*bytes).expect("the snapshot is whole");
        assert_same(&store, &restored);
        prop_assert_eq!(archive(&restored), bytes);
        apply_all(&mut store, &after);
        apply_all(&mut restored, &after);
        assert_same(&store, &restored);
    }
}
