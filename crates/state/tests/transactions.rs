//! Transactions on a store: all or nothing, seen or not seen, and what watches hear of them.

use model::{
    Blob, HealthCheck, Key, KvChange, KvCopy, KvVerb, Node, NodeService, ObjectVerb, TxnAnswer, TxnLook, TxnOp,
};
use state::{Command, Outcome, Source, Store};

fn key(verb: KvVerb, key: &str, value: &str, index: u64) -> TxnOp {
    TxnOp::Kv(KvChange {
        verb,
        key: Key::from(key),
        value: Blob::new(value.as_bytes().to_vec()),
        index,
        ..KvChange::default()
    })
}

fn apply(store: &mut Store, index: u64, operations: Vec<TxnOp>) -> TxnAnswer {
    let outcome = store.apply(index, &Command::Txn(operations).encode());
    store.publish();
    match outcome {
        Outcome::Txn(answer) => answer,
        other => panic!("no answer to a transaction: {other:?}"),
    }
}

fn value(store: &Store, key: &str) -> Option<Vec<u8>> {
    store.reader().view().kv(&Key::from(key)).map(|entry| entry.value.0.to_vec())
}

#[test]
fn a_failure_undoes_everything_and_wakes_nobody() {
    let mut store = Store::new();
    apply(&mut store, 1, vec![key(KvVerb::Set, "a/1", "one", 0), key(KvVerb::Set, "a/2", "two", 0)]);
    let (prefix, one) = (Key::from("a/"), Key::from("a/1"));
    let view = store.reader().view();
    let watches = [Source::Prefix(&prefix), Source::Key(&one)].map(|source| view.watches(source));
    let node = Node { node: "n".into(), address: "x".into(), ..Node::default() };
    let failing = vec![
        key(KvVerb::Set, "a/1", "changed", 0),
        key(KvVerb::DeleteTree, "a/", "", 0),
        TxnOp::Node { verb: ObjectVerb::Set, node },
        key(KvVerb::Cas, "a/2", "late", 7),
        TxnOp::Look(TxnLook::KvGet { key: one }),
    ];
    let answer = apply(&mut store, 2, failing);
    let places: Vec<usize> = answer.errors.iter().map(|error| error.op_index).collect();
    assert_eq!((places, answer.results.len()), (vec![3, 4], 0));
    assert_eq!(value(&store, "a/1").as_deref(), Some(&b"one"[..]));
    assert!(store.reader().view().node("n").is_none());
    assert!(watches.iter().all(|watches| watches.are_fresh()), "what was undone must not wake anybody");
    assert_eq!(store.reader().view().index_of(Source::Prefix(&prefix)), 1);

    // The watches still work: they were not used up by what was undone.
    apply(&mut store, 3, vec![key(KvVerb::Cas, "a/1", "three", 1)]);
    assert!(watches.iter().all(|watches| watches.any_fired()));
}

#[test]
fn operations_see_what_came_before_them() {
    let mut store = Store::new();
    let answer = apply(
        &mut store,
        5,
        vec![
            key(KvVerb::Cas, "k", "first", 0),
            TxnOp::Look(TxnLook::KvIndex { key: Key::from("k"), index: 5 }),
            key(KvVerb::Cas, "k", "second", 5),
            key(KvVerb::Delete, "k", "", 0),
            TxnOp::Look(TxnLook::KvAbsent { key: Key::from("k") }),
        ],
    );
    assert_eq!((answer.errors.len(), answer.results.len()), (0, 3));
    assert_eq!(value(&store, "k"), None);
}

#[test]
fn checks_of_indexes_name_the_current_one() {
    let mut store = Store::new();
    apply(&mut store, 4, vec![key(KvVerb::Set, "k", "v", 0)]);
    let answer = store.reader().view().look(&[TxnLook::KvIndex { key: Key::from("k"), index: 9 }]);
    assert_eq!(answer.errors[0].what, "failed index check for key \"k\", current modify index 4 != 9");
}

#[test]
fn a_node_its_service_and_its_check_come_together() {
    let mut store = Store::new();
    let node = Node { node: "n".into(), address: "x".into(), ..Node::default() };
    let service = NodeService { id: "w".into(), service: "web".into(), ..NodeService::default() };
    let check = HealthCheck {
        node: "n".into(),
        check_id: "c".into(),
        service_id: "w".into(),
        status: "passing".into(),
        ..HealthCheck::default()
    };
    let verb = ObjectVerb::Cas;
    let operations = vec![
        TxnOp::Node { verb, node },
        TxnOp::Service { verb, node: "n".into(), service: service.clone() },
        TxnOp::Check { verb, check },
    ];
    assert_eq!(apply(&mut store, 1, operations).errors, []);
    let view = store.reader().view();
    assert!(view.instances_of("web").all(|instance| instance.checks.len() == 1 && instance.is_passing()));
    let again = apply(&mut store, 2, vec![TxnOp::Service { verb, node: "n".into(), service }]);
    assert_eq!(again.errors[0].what, "failed to set service \"w\" on node \"n\", index is stale");
}

#[test]
fn trees_are_copied_and_moved_as_one_change() {
    let mut store = Store::new();
    apply(&mut store, 1, vec![key(KvVerb::Set, "a/1", "one", 0), key(KvVerb::Set, "a/b/2", "two", 0)]);
    let mut copy = |index: u64, from: &str, to: &str, is_move: bool| {
        let copy = KvCopy { from: Key::from(from), to: Key::from(to), is_move, ..KvCopy::default() };
        let outcome = store.apply(index, &Command::KvCopy(copy).encode());
        store.publish();
        let view = store.reader().view();
        let keys: Vec<String> = view.kv_under(&Key::default()).map(|entry| entry.key.to_string()).collect();
        (outcome, keys.join(" "))
    };
    assert_eq!(copy(2, "a/", "c/", false), (Outcome::Bool(true), "a/1 a/b/2 c/1 c/b/2".to_owned()));
    assert_eq!(copy(3, "c/b/", "a/", true), (Outcome::Bool(true), "a/1 a/2 a/b/2 c/1".to_owned()));
    assert_eq!(copy(4, "a/b/", "a/b/c/", false), (Outcome::Bool(true), "a/1 a/2 a/b/2 a/b/c/2 c/1".to_owned()));
    assert_eq!(copy(5, "none/", "x/", true).0, Outcome::Bool(false));
    let (refused, keys) = copy(6, "a/", "a/b/", true);
    assert_eq!(refused, Outcome::Error("cannot move \"a/\" to \"a/b/\", which is a part of it".to_owned()));
    assert_eq!(keys, "a/1 a/2 a/b/2 a/b/c/2 c/1");
    assert_eq!(copy(7, "c/1", "", true).0, Outcome::Error("the key \"c/1\" would have no name".to_owned()));
}
