//! Snapshots: there and back, damaged ones refused, and everyone who waits woken by a restore.

use std::io::{self, Read, Write};

use model::{
    Blob, Coordinate, HealthCheck, Key, KvChange, KvVerb, NodeCoordinate, NodeService, PreparedQuery, QueryTemplate,
    Registration, Session, SessionId,
};
use proptest::prelude::*;
use state::{Command, SnapshotError, Source, Store, Table, View};

fn put(store: &mut Store, index: u64, key: &str, value: &[u8]) {
    let change = KvChange {
        verb: KvVerb::Set,
        key: Key::from(key),
        value: Blob::new(value.to_vec()),
        flags: 1,
        ..KvChange::default()
    };
    store.apply(index, &Command::KvChange(change).encode());
}

fn delete(store: &mut Store, index: u64, key: &str) {
    let change = KvChange { verb: KvVerb::DeleteTree, key: Key::from(key), ..KvChange::default() };
    store.apply(index, &Command::KvChange(change).encode());
}

fn register(store: &mut Store, index: u64, node: &str, service: &str) {
    let check = |id: &str, service: &str| HealthCheck {
        node: node.into(),
        check_id: id.into(),
        status: "passing".to_owned(),
        service_id: service.into(),
        ..HealthCheck::default()
    };
    let service_of = NodeService { id: service.into(), service: service.into(), ..NodeService::default() };
    let registration = Registration {
        node: node.into(),
        address: "10.0.0.1".to_owned(),
        service: Some(service_of),
        checks: vec![check("node", ""), check("own", service)],
        ..Registration::default()
    };
    store.apply(index, &Command::Register(registration).encode());
}

fn lock(store: &mut Store, index: u64, session: &str, key: &str) {
    let session = SessionId::new(format!("11111111-2222-3333-4444-55555555555{session}"));
    let checks = Some(vec!["node".into()]);
    let create =
        Session { id: session.clone(), node: "n1".into(), node_checks: checks, lock_delay: 7, ..Session::default() };
    store.apply(index, &Command::SessionCreate(create).encode());
    let change = KvChange { verb: KvVerb::Lock, key: Key::from(key), session, index, ..KvChange::default() };
    store.apply(index + 1, &Command::KvChange(change).encode());
}

fn destroy(store: &mut Store, index: u64, session: &str) {
    let id = SessionId::new(format!("11111111-2222-3333-4444-55555555555{session}"));
    store.apply(index, &Command::SessionDestroy { id }.encode());
}

/// Everything that a view shows, as text.
fn dump(view: &View) -> String {
    let tables = [Table::Nodes, Table::Services, Table::Checks, Table::Kv, Table::Sessions, Table::LockDelays];
    let sources =
        [Source::Service(&"web".into()), Source::Service(&"none".into()), Source::Prefix(&Key::from("gone/"))]
            .map(|source| view.index_of(source));
    format!(
        "{} {:?} {sources:?} {:?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
        view.index(),
        tables.map(|table| view.index_of(Source::Tables(&[table]))),
        view.oldest_tombstone(),
        view.nodes().collect::<Vec<_>>(),
        view.instances().map(|instance| instance.row()).collect::<Vec<_>>(),
        view.instances_on("n1").map(|instance| instance.row()).collect::<Vec<_>>(),
        view.checks().collect::<Vec<_>>(),
        (view.checks_of("web").collect::<Vec<_>>(), view.checks_in("passing").collect::<Vec<_>>()),
        (
            view.kv_under(&Key::from("")).map(|entry| (entry, view.fencing_token(entry))).collect::<Vec<_>>(),
            view.sessions().collect::<Vec<_>>(),
            view.sessions_on("n1").collect::<Vec<_>>(),
            view.lock_delays().collect::<Vec<_>>(),
            view.coordinates().collect::<Vec<_>>(),
            (
                view.prepared_queries().collect::<Vec<_>>(),
                view.prepared_query_named("GEO-"),
                view.template_for("geo-x")
            ),
        ),
    )
}

fn full_store() -> Store {
    let mut store = Store::new();
    register(&mut store, 1, "n1", "web");
    register(&mut store, 2, "n2", "web");
    register(&mut store, 3, "n2", "api");
    put(&mut store, 4, "a/b", b"\0\xff");
    put(&mut store, 5, "gone/x", b"x");
    delete(&mut store, 6, "gone/");
    let coord = Coordinate { height: 0.25, ..Coordinate::default() };
    let coordinate = |node: &str| NodeCoordinate { node: node.into(), segment: String::new(), coord: coord.clone() };
    store.apply(7, &Command::Coordinates(vec![coordinate("n1"), coordinate("unknown")]).encode());
    let template = QueryTemplate { kind: "name_prefix_match".to_owned(), ..QueryTemplate::default() };
    let query = PreparedQuery { id: "q".to_owned(), name: "geo-".to_owned(), template, ..PreparedQuery::default() };
    store.apply(8, &Command::PreparedQuery(query).encode());
    store.advance(9);
    store.publish();
    store
}

fn written(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = store.snapshot().write_to(&mut bytes).expect("memory takes it");
    assert_eq!(length, bytes.len() as u64);
    bytes
}

#[test]
fn a_restored_store_is_the_same_and_goes_on_in_the_same_way() {
    let mut store = full_store();
    lock(&mut store, 20, "a", "lock/ended");
    lock(&mut store, 22, "b", "lock/held");
    destroy(&mut store, 24, "a");
    store.publish();
    let bytes = written(&store);
    let mut restored = Store::new();
    put(&mut restored, 1, "other", b"1");
    restored.publish();
    restored.restore(&*bytes).expect("the snapshot is whole");
    for store in [&mut store, &mut restored] {
        register(store, 30, "n1", "web");
        store.apply(31, &Command::ReapTombstones { index: 6 }.encode());
        delete(store, 32, "a/");
        destroy(store, 33, "b");
        store.publish();
    }
    assert_eq!(dump(&restored.reader().view()), dump(&store.reader().view()));
    assert_eq!(written(&restored), written(&store));
}

#[test]
fn a_snapshot_is_not_changed_by_what_comes_after_it() {
    let mut store = full_store();
    let before = written(&store);
    let snapshot = store.snapshot();
    put(&mut store, 10, "a/b", b"later");
    register(&mut store, 11, "n3", "web");
    store.publish();
    let mut bytes = Vec::new();
    snapshot.write_to(&mut bytes).expect("memory takes it");
    assert_eq!(bytes, before);
    assert_eq!(snapshot.index(), 9);
}

#[test]
fn a_restore_fires_every_watch_of_before() {
    let mut store = full_store();
    let bytes = written(&store);
    let view = store.reader().view();
    let sources = [
        Source::Key(&Key::from("a/b")),
        Source::Key(&Key::from("none")),
        Source::Prefix(&Key::from("a/")),
        Source::Tables(&[Table::Checks]),
        Source::Service(&"web".into()),
        Source::Service(&"none".into()),
        Source::Node(&"n1".into()),
    ];
    let watches = sources.map(|source| view.watches(source));
    // Unpublished changes must not keep the published nodes from being fired.
    put(&mut store, 10, "a/b", b"unpublished");
    store.restore(&*bytes).expect("the snapshot is whole");
    assert!(watches.iter().all(state::Watches::any_fired));
    assert!(sources.iter().all(|source| view.watches(*source).any_fired()), "late on the old view");
    assert!(sources.iter().all(|source| store.reader().view().watches(*source).are_fresh()));
}

#[test]
fn cut_off_input_is_refused_and_changes_nothing() {
    let bytes = written(&full_store());
    let mut store = Store::new();
    put(&mut store, 1, "kept", b"1");
    store.publish();
    for length in 0..bytes.len() {
        store.restore(&bytes[..length]).err().expect("a part is not a snapshot");
    }
    assert_eq!(store.reader().view().kv_under(&Key::from("")).count(), 1);
    let mut rest = [&bytes[..], b"what follows"].concat();
    let mut input = io::Cursor::new(&mut rest);
    store.restore(&mut input).expect("what follows is not looked at");
    assert_eq!(input.position(), bytes.len() as u64);
}

#[test]
fn other_formats_and_lying_lengths_are_named() {
    let bytes = written(&full_store());
    let mut store = Store::new();
    let mut restore = |bytes: &[u8]| store.restore(bytes).err().expect("it is refused");
    assert!(matches!(restore(b"not a snapshot at all"), SnapshotError::NotASnapshot));
    let newer = [&bytes[..8], &[9], &bytes[9..]].concat();
    assert!(matches!(restore(&newer), SnapshotError::UnknownFormat(9)));
    let lying = [&bytes[..17], &[4], &u32::MAX.to_le_bytes()].concat();
    assert!(matches!(restore(&lying), SnapshotError::TooLong { number: 0, length: u32::MAX }));
    let unknown = [&bytes[..17], &[99, 1, 0, 0, 0, 0xc0]].concat();
    assert!(matches!(restore(&unknown), SnapshotError::UnknownRecord(99)));
    let short = [&bytes[..17], &[4], &(200_u32 << 20).to_le_bytes(), b"little"].concat();
    assert!(matches!(restore(&short), SnapshotError::Io(_)));
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives a byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

#[test]
fn errors_of_the_writer_come_through_and_slow_input_is_fine() {
    let store = full_store();
    assert_eq!(store.snapshot().write_to(&mut Full).expect_err("it is full").kind(), io::ErrorKind::StorageFull);
    let mut restored = Store::new();
    restored.restore(Slow(&written(&store))).expect("the snapshot is whole");
    assert_eq!(dump(&restored.reader().view()), dump(&store.reader().view()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_state_survives_and_any_changed_byte_is_noticed(
        steps in proptest::collection::vec((0_u8..4, "[ab/]{0,4}"), 0..60),
        damage in any::<(u32, u8)>(),
    ) {
        let mut store = Store::new();
        for (index, (kind, name)) in (1..).zip(&steps) {
            match kind {
                0 => delete(&mut store, index, name),
                1 => register(&mut store, index, &format!("n{name}"), &format!("s{}", name.len())),
                _ => put(&mut store, index, name, name.as_bytes()),
            }
        }
        store.publish();
        let mut bytes = written(&store);
        let mut restored = Store::new();
        restored.restore(&*bytes).expect("the snapshot is whole");
        prop_assert_eq!(dump(&restored.reader().view()), dump(&store.reader().view()));
        let at = damage.0 as usize % bytes.len();
        prop_assume!(bytes[at] != damage.1);
        bytes[at] = damage.1;
        prop_assert!(Store::new().restore(&*bytes).is_err());
    }
}
