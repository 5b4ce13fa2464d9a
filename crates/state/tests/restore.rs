//! Restores through the log: all or nothing, indexes that only grow, waiting readers woken, followers brought up to date
//! in the middle of one.

use model::{Blob, Key, KvChange, KvVerb};
use proptest::prelude::*;
use state::{Command, Outcome, RestoreChange, RestoreStep, Source, Store, Table};

fn put(store: &mut Store, index: u64, key: &str) -> Outcome {
    let value = Blob::new(key.as_bytes().to_vec());
    let change = KvChange { verb: KvVerb::Set, key: Key::from(key), value, ..KvChange::default() };
    store.apply(index, &Command::KvChange(change).encode())
}

fn step(store: &mut Store, index: u64, id: u64, step: RestoreStep) -> Outcome {
    store.apply(index, &Command::Restore(RestoreChange { id, step }).encode())
}

fn chunk(number: u64, bytes: &[u8]) -> RestoreStep {
    RestoreStep::Chunk { number, bytes: bytes.to_vec().into() }
}

fn keys(store: &Store) -> Vec<String> {
    store.reader().view().kv_under(&Key::from("")).map(|entry| entry.key.to_string()).collect()
}

fn written(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.snapshot().write_to(&mut bytes).expect("memory takes it");
    bytes
}

/// A state with the key `old` at a high index.
fn archive(index: u64) -> Vec<u8> {
    let mut store = Store::new();
    put(&mut store, index, "old");
    written(&store)
}

#[test]
fn a_restore_replaces_everything_and_indexes_grow() {
    for foreign in [3, 5000] {
        let bytes = archive(foreign);
        let mut store = Store::new();
        put(&mut store, 10, "new");
        store.publish();
        let view = store.reader().view();
        let watches = [Source::Key(&Key::from("new")), Source::Key(&Key::from("none")), Source::Tables(&[Table::Kv])]
            .map(|source| view.watches(source));
        let (first, rest) = bytes.split_at(7);
        assert_eq!(step(&mut store, 11, 1, RestoreStep::Begin), Outcome::Bool(true));
        assert_eq!(step(&mut store, 12, 1, chunk(0, first)), Outcome::Bool(true));
        put(&mut store, 13, "meanwhile");
        store.publish();
        assert_eq!(keys(&store), ["meanwhile", "new"]);
        assert_eq!(step(&mut store, 14, 1, chunk(1, rest)), Outcome::Bool(true));
        assert_eq!(step(&mut store, 15, 1, RestoreStep::Finish), Outcome::Bool(true));
        store.publish();
        assert_eq!(keys(&store), ["old"]);
        assert!(watches.iter().all(state::Watches::any_fired));
        let view = store.reader().view();
        let now = view.index();
        assert!(now >= 15 && now > foreign, "{now}");
        // What clients compare with keeps its index; what they wait on has a new one.
        assert_eq!(view.kv(&Key::from("old")).expect("restored").modify_index, foreign);
        for source in [Source::Key(&Key::from("old")), Source::Key(&Key::from("none")), Source::Tables(&[Table::Nodes])]
        {
            assert_eq!(view.index_of(source), now);
        }
        put(&mut store, 16, "later");
        store.publish();
        let view = store.reader().view();
        assert_eq!(view.kv(&Key::from("later")).expect("written").modify_index, now + 1);
        assert_eq!(view.index_of(Source::Key(&Key::from("later"))), now + 1);
        // And a server that starts from a snapshot goes on in the same way.
        let mut other = Store::new();
        other.restore(&*written(&store)).expect("it is whole");
        for store in [&mut store, &mut other] {
            put(store, 17, "last");
            store.advance(20);
        }
        assert_eq!(written(&store), written(&other));
    }
}

#[test]
fn what_is_not_whole_changes_nothing() {
    let bytes = archive(3);
    let mut store = Store::new();
    put(&mut store, 1, "kept");
    let refused = |outcome: Outcome| assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
    refused(step(&mut store, 2, 1, chunk(0, &bytes)));
    refused(step(&mut store, 3, 1, RestoreStep::Finish));
    step(&mut store, 4, 1, RestoreStep::Begin);
    refused(step(&mut store, 5, 1, chunk(1, &bytes)));
    refused(step(&mut store, 6, 2, chunk(0, &bytes)));
    refused(step(&mut store, 7, 1, RestoreStep::Finish));
    step(&mut store, 8, 1, chunk(0, &bytes[..bytes.len() - 1]));
    refused(step(&mut store, 9, 1, RestoreStep::Finish));
    assert_eq!(store.snapshot().index(), 9);
    store.publish();
    assert_eq!(store.reader().view().staged_restore(), Some(1));
    step(&mut store, 10, 1, RestoreStep::Abort);
    refused(step(&mut store, 11, 1, RestoreStep::Finish));
    store.publish();
    assert_eq!(store.reader().view().staged_restore(), None);
    assert_eq!(keys(&store), ["kept"]);
}

#[test]
fn a_server_that_gets_a_snapshot_in_the_middle_finishes_with_the_others() {
    let bytes = archive(900);
    for cut in 0..4_u64 {
        let mut leader = Store::new();
        put(&mut leader, 1, "kept");
        step(&mut leader, 2, 9, RestoreStep::Begin);
        let parts: Vec<&[u8]> = bytes.chunks(bytes.len() / 3 + 1).collect();
        let mut follower = Store::new();
        for (number, part) in (0..).zip(&parts) {
            if number == cut {
                follower.restore(&*written(&leader)).expect("it is whole");
            }
            for store in [&mut leader, &mut follower] {
                step(store, 3 + number, 9, chunk(number, part));
            }
        }
        if cut == 3 {
            follower.restore(&*written(&leader)).expect("it is whole");
        }
        for store in [&mut leader, &mut follower] {
            assert_eq!(step(store, 10, 9, RestoreStep::Finish), Outcome::Bool(true));
            store.publish();
        }
        assert_eq!(keys(&follower), ["old"]);
        assert_eq!(written(&leader), written(&follower));
    }
}

fn no_entries(_: &model::Json) -> Result<model::ConfigEntry, String> {
    Err("none here".to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_chunks_change_nothing(bytes: Vec<u8>) {
        let mut store = Store::new();
        put(&mut store, 1, "kept");
        step(&mut store, 2, 1, RestoreStep::Begin);
        step(&mut store, 3, 1, chunk(0, &bytes));
        prop_assert!(matches!(step(&mut store, 4, 1, RestoreStep::Finish), Outcome::Error(_)));
        store.publish();
        prop_assert_eq!(keys(&store), ["kept"]);
    }

    #[test]
    fn any_bytes_as_a_foreign_state_are_no_panic(bytes: Vec<u8>) {
        let _ = state::Snapshot::read(&*bytes, no_entries);
        let header = [&b"\x81\xa9LastIndex\x05"[..], &bytes].concat();
        let _ = state::Snapshot::read(&*header, no_entries);
    }
}
