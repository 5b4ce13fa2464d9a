//! The tree against `BTreeMap`, with snapshots and watches.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::Tree;
use crate::watch::{Changes, Watch};

#[derive(Clone, Debug)]
enum Step {
    Insert(Vec<u8>, u64),
    Remove(Vec<u8>),
    RemovePrefix(Vec<u8>),
    Snapshot,
    WatchKey(Vec<u8>),
    WatchPrefix(Vec<u8>),
    /// Watches through the oldest snapshot that is kept.
    WatchOld(Vec<u8>),
    Publish,
}

fn some_key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0_u8), Just(255_u8)], 0..6)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (some_key(), 1_u64..50).prop_map(|(key, value)| Step::Insert(key, value)),
        4 => some_key().prop_map(Step::Remove),
        1 => some_key().prop_map(Step::RemovePrefix),
        2 => Just(Step::Snapshot),
        3 => some_key().prop_map(Step::WatchKey),
        3 => some_key().prop_map(Step::WatchPrefix),
        3 => some_key().prop_map(Step::WatchOld),
        2 => Just(Step::Publish),
    ]
}

type Model = BTreeMap<Vec<u8>, u64>;

fn under(model: &Model, prefix: &[u8]) -> Vec<(Vec<u8>, u64)> {
    model.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.clone(), *value)).collect()
}

fn assert_same(tree: &Tree<u64>, model: &Model) {
    assert_eq!(tree.len(), model.len());
    assert_eq!(tree.iter().copied().collect::<Vec<_>>(), model.values().copied().collect::<Vec<_>>());
    assert_eq!(
        tree.pairs().map(|(key, value)| (key, *value)).collect::<Vec<_>>(),
        model.clone().into_iter().collect::<Vec<_>>()
    );
    for key in model.keys() {
        let above = model.iter().filter(|(each, _)| key.starts_with(each)).map(|(_, value)| *value).max();
        assert_eq!(tree.max_stamp_above(key), above.unwrap_or(0));
        assert_eq!(tree.get(key), model.get(key));
        for length in 0..=key.len() {
            let prefix = &key[..length];
            let expected = under(model, prefix);
            assert_eq!(
                tree.prefix(prefix).copied().collect::<Vec<_>>(),
                expected.iter().map(|pair| pair.1).collect::<Vec<_>>()
            );
            assert_eq!(tree.max_stamp(prefix), expected.iter().map(|pair| pair.1).max().unwrap_or(0));
        }
    }
}

/// A watch with what it saw under its key or prefix when it was made.
struct Watching {
    watch: Arc<Watch>,
    prefix: Vec<u8>,
    is_prefix: bool,
    seen: Vec<(Vec<u8>, u64)>,
}

impl Watching {
    fn sees(model: &Model, key: &[u8], is_prefix: bool) -> Vec<(Vec<u8>, u64)> {
        if is_prefix {
            under(model, key)
        } else {
            model.get(key).map(|value| (key.to_vec(), *value)).into_iter().collect()
        }
    }

    fn new(tree: &Tree<u64>, model: &Model, key: &[u8], is_prefix: bool) -> Self {
        let watch = if is_prefix { tree.watch_prefix(key) } else { tree.watch_key(key) };
        Self { watch, prefix: key.to_vec(), is_prefix, seen: Self::sees(model, key, is_prefix) }
    }

    fn is_due(&self, published: &Model) -> bool {
        Self::sees(published, &self.prefix, self.is_prefix) != self.seen
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_map_with_snapshots_and_loses_no_wake_up(steps in proptest::collection::vec(step(), 1..120)) {
        let mut tree = Tree::<u64>::default();
        let mut model = Model::new();
        let mut changes = Changes::default();
        let mut snapshots = vec![(tree.clone(), model.clone())];
        let mut published = (tree.clone(), model.clone());
        let mut watching: Vec<Watching> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(key, value) => {
                    prop_assert_eq!(tree.insert(&key, value, &mut changes), model.insert(key, value));
                }
                Step::Remove(key) => prop_assert_eq!(tree.remove(&key, &mut changes), model.remove(&key)),
                Step::RemovePrefix(prefix) => {
                    let gone = under(&model, &prefix);
                    prop_assert_eq!(tree.remove_prefix(&prefix, &mut changes), gone.len());
                    gone.iter().for_each(|(key, _)| { model.remove(key); });
                }
                Step::Snapshot => snapshots.push(published.clone()),
                Step::WatchKey(key) => watching.push(Watching::new(&published.0, &published.1, &key, false)),
                Step::WatchPrefix(key) => watching.push(Watching::new(&published.0, &published.1, &key, true)),
                Step::WatchOld(key) => {
                    let (old_tree, old_model) = &snapshots[0];
                    watching.push(Watching::new(old_tree, old_model, &key, true));
                    watching.push(Watching::new(old_tree, old_model, &key, false));
                }
                Step::Publish => {
                    let fired_before: Vec<bool> = watching.iter().map(|each| each.watch.is_fired()).collect();
                    let next = (tree.clone(), model.clone());
                    changes.publish_with(|| {
                        for (each, fired) in watching.iter().zip(&fired_before) {
                            // Stale before anyone can see the change, fired only after.
                            assert!(!each.is_due(&next.1) || !each.watch.is_fresh());
                            assert_eq!(each.watch.is_fired(), *fired);
                        }
                        published = next.clone();
                    });
                    for each in &watching {
                        assert!(!each.is_due(&published.1) || each.watch.is_fired(), "lost a wake-up");
                    }
                    watching.retain(|each| !each.watch.is_fired());
                    if snapshots.len() > 2 {
                        snapshots.remove(0);
                    }
                }
            }
            assert_same(&tree, &model);
        }
        for (tree, model) in &snapshots {
            assert_same(tree, model);
        }
    }
}

#[test]
fn a_watch_of_one_key_is_not_woken_by_its_neighbours() {
    let mut tree = Tree::<u64>::default();
    let mut changes = Changes::default();
    for key in ["web\0", "webster\0", "api\0"] {
        tree.insert(key.as_bytes(), 1, &mut changes);
    }
    let view = tree.clone();
    changes.publish_with(|| ());
    let watch = view.watch_key(b"web\0");
    tree.insert(b"webster\0", 2, &mut changes);
    tree.insert(b"api\0", 2, &mut changes);
    changes.publish_with(|| ());
    assert!(watch.is_fresh());
    tree.insert(b"web\0", 3, &mut changes);
    changes.publish_with(|| ());
    assert!(watch.is_fired());
}

#[test]
fn touching_everything_fires_every_watch() {
    let mut tree = Tree::<u64>::default();
    let mut changes = Changes::default();
    for key in ["a", "ab", "b", "bcd"] {
        tree.insert(key.as_bytes(), 1, &mut changes);
    }
    changes.publish_with(|| ());
    let early: Vec<_> = ["a", "ab", "zz", ""].map(|key| tree.watch_key(key.as_bytes())).into();
    tree.touch_all(&mut changes);
    let late = tree.watch_key(b"bcd");
    changes.publish_with(|| ());
    assert!(early.iter().all(|watch| watch.is_fired()) && late.is_fired());
}

#[test]
fn a_chain_of_keys_deeper_than_the_stack_is_changed_and_dropped() {
    let mut tree = Tree::<u64>::default();
    let mut changes = Changes::default();
    let key = vec![b'x'; 5_000];
    for length in 1..=key.len() {
        tree.insert(&key[..length], 1, &mut changes);
    }
    let worker = std::thread::Builder::new().stack_size(64 << 10);
    let handle = worker.spawn(move || {
        let snapshot = tree.clone();
        assert_eq!(tree.remove(&key, &mut changes), Some(1));
        assert_eq!(tree.remove_prefix(&key[..2_500], &mut changes), 2_500);
        assert_eq!(tree.len(), 2_499);
        drop(tree);
        drop(snapshot);
    });
    handle.expect("the thread starts").join().expect("no overflow");
}
