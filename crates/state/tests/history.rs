//! The past of keys: what is kept, within which limits, and that it is never wrong about what it still knows.

use std::collections::BTreeMap;

use model::{Blob, Key, KvChange, KvCopy, KvHistoryLimits, KvVerb, Session, SessionBehavior, Timestamp, TxnOp};
use proptest::prelude::*;
use state::{Command, HistoryError, Outcome, Store, View};

const SESSION: &str = "11111111-2222-3333-4444-555555555556";

fn change(verb: KvVerb, key: &str, value: &str, time: u64) -> KvChange {
    let (key, value) = (Key::from(key), Blob::new(value.as_bytes().to_vec()));
    KvChange { verb, key, value, time: Timestamp(time), ..KvChange::default() }
}

struct Story {
    store: Store,
    index: u64,
}

impl Story {
    fn new(versions: u32, bytes: u64) -> Self {
        let mut story = Self { store: Store::new(), index: 0 };
        story.limit(versions, bytes);
        story
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        self.index += 1;
        let outcome = self.store.apply(self.index, &command.encode());
        self.store.publish();
        outcome
    }

    fn limit(&mut self, versions: u32, bytes: u64) {
        self.apply(&Command::KvHistory(KvHistoryLimits { versions, bytes }));
    }

    fn change(&mut self, verb: KvVerb, key: &str, value: &str) -> Outcome {
        self.apply(&Command::KvChange(change(verb, key, value, 100 + self.index)))
    }

    /// `index:value`, the newest first; a deletion has no value.
    fn versions(&self, key: &str) -> String {
        let view = self.store.reader().view();
        let versions = view.kv_history(&Key::from(key)).expect("it is kept");
        let text = |entry: &model::KvEntry| String::from_utf8_lossy(&entry.value.0).into_owned();
        let lines = versions.iter().map(|version| {
            format!("{}:{}", version.index, version.entry.as_ref().map_or(String::new(), |entry| text(entry)))
        });
        lines.collect::<Vec<_>>().join(" ")
    }

    fn at(&self, key: &str, index: u64) -> Result<Option<String>, HistoryError> {
        let found = self.store.reader().view().kv_at(&Key::from(key), index)?;
        Ok(found.map(|entry| String::from_utf8_lossy(&entry.value.0).into_owned()))
    }

    fn reread(&self) -> Self {
        let mut bytes = Vec::new();
        self.store.snapshot().write_to(&mut bytes).expect("memory takes it");
        let mut store = Store::new();
        store.restore(&*bytes).expect("the snapshot is whole");
        Self { store, index: self.index }
    }
}

#[test]
fn nothing_is_kept_and_nothing_told_while_it_is_off() {
    let mut story = Story::new(0, 1 << 20);
    story.change(KvVerb::Set, "k", "1");
    story.change(KvVerb::Set, "k", "2");
    let view = story.store.reader().view();
    assert_eq!(view.kv_history(&Key::from("k")).err(), Some(HistoryError::Off));
    assert_eq!(view.kv_at(&Key::from("k"), 2).err(), Some(HistoryError::Off));
    assert_eq!(view.kv_under_at(&Key::default(), 2).err(), Some(HistoryError::Off));
    story.limit(5, 0);
    assert_eq!(story.at("k", 2), Err(HistoryError::Off));
}

#[test]
fn every_way_to_change_a_key_is_in_its_history() {
    let mut story = Story::new(10, 1 << 20);
    story.change(KvVerb::Set, "k", "2");
    story.change(KvVerb::Set, "k", "2");
    story.change(KvVerb::Set, "k", "4");
    story.change(KvVerb::Delete, "k", "");
    story.change(KvVerb::Set, "k", "6");
    story.change(KvVerb::DeleteTree, "", "");
    assert_eq!(story.versions("k"), "7: 6:6 5: 4:4 2:2");
    let operations = ["8a", "8b"].map(|value| TxnOp::Kv(change(KvVerb::Set, "k", value, 1)));
    story.apply(&Command::Txn(operations.to_vec()));
    let copy = KvCopy { from: Key::from("k"), to: Key::from("moved"), is_move: true, time: Timestamp(9) };
    story.apply(&Command::KvCopy(copy));
    assert_eq!(story.versions("k"), "9: 8:8b 7: 6:6 5: 4:4 2:2");
    assert_eq!(story.versions("moved"), "9:8b");
    story.apply(&Command::KvChange(KvChange { ttl: 1, ..change(KvVerb::Set, "moved", "ends", 7) }));
    story.apply(&Command::KvExpire { until: Timestamp(8), max: 9 });
    assert_eq!(story.versions("moved"), "11: 10:ends 9:8b");
    let times: Vec<u64> = story
        .store
        .reader()
        .view()
        .kv_history(&Key::from("moved"))
        .expect("it is kept")
        .iter()
        .map(|version| version.time.0)
        .collect();
    assert_eq!(times, [8, 7, 9]);
}

#[test]
fn locks_that_a_session_loses_are_in_the_history() {
    let mut story = Story::new(10, 1 << 20);
    story.apply(&Command::Register(model::Registration {
        node: "n".into(),
        address: "10.0.0.1".to_owned(),
        ..model::Registration::default()
    }));
    for (behavior, end) in [(SessionBehavior::Release, "6:v 5:v"), (SessionBehavior::Delete, "9: 8:v")] {
        story.apply(&Command::SessionCreate(Session {
            id: SESSION.into(),
            node: "n".into(),
            behavior,
            node_checks: Some(Vec::new()),
            ..Session::default()
        }));
        let lock = KvChange { session: SESSION.into(), index: u64::MAX, ..change(KvVerb::Lock, "l", "v", 1) };
        let taken = story.apply(&Command::KvChange(lock));
        assert!(matches!(taken, Outcome::Locked { .. }), "{taken:?}");
        story.apply(&Command::SessionDestroy { id: SESSION.into() });
        let versions = story.versions("l");
        let [first, second] = [versions.split(' ').next(), versions.split(' ').nth(1)].map(Option::unwrap_or_default);
        let (deleted, held) = (end.starts_with("9"), format!("{}:v", story.index - 1));
        assert_eq!(first, if deleted { format!("{}:", story.index) } else { format!("{}:v", story.index) });
        assert_eq!(second, held);
    }
}

#[test]
fn one_key_keeps_so_many_versions_and_all_so_many_bytes() {
    let mut story = Story::new(2, 1 << 20);
    for value in ["2", "3", "4", "5"] {
        story.change(KvVerb::Set, "k", value);
    }
    assert_eq!(story.versions("k"), "5:5 4:4 3:3");
    assert_eq!(story.at("k", 3), Ok(Some("3".to_owned())));
    assert_eq!(story.at("k", 2), Err(HistoryError::Forgotten { index: 2, oldest: 3 }));
    assert_eq!(story.at("k", 6), Err(HistoryError::Future { index: 6, newest: 5 }));
    assert_eq!(story.at("other", 2), Ok(None));
    let big = "x".repeat(1000);
    story.limit(2, 2500);
    for key in ["a", "b", "c"] {
        story.change(KvVerb::Set, key, &big);
        story.change(KvVerb::Set, key, "small");
    }
    assert_eq!(story.versions("k"), "5:5", "the oldest had to go");
    assert_eq!(story.versions("a"), "8:small", "and the second oldest");
    assert_eq!(story.versions("c"), format!("12:small 11:{big}"));
    assert_eq!(story.at("a", 7), Err(HistoryError::Forgotten { index: 7, oldest: 8 }));
    assert_eq!(story.at("k", 5), Ok(Some("5".to_owned())), "what is there now is known since it is there");
    let again = story.reread();
    assert_eq!(again.at("a", 7), Err(HistoryError::Forgotten { index: 7, oldest: 8 }));
    story.limit(0, 0);
    story.limit(2, 2500);
    assert_eq!(story.versions("c"), "12:small");
    assert_eq!(story.at("gone", 13), Err(HistoryError::Forgotten { index: 13, oldest: 14 }));
}

#[derive(Clone, Debug)]
enum Act {
    Set(usize, u8),
    Delete(usize),
    DeleteTree(usize),
    Twice(usize),
    Limit(u32, u64),
    Reread,
}

const KEYS: [&str; 5] = ["a", "a/b", "a/c", "b", "b/a"];

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..KEYS.len(), 0..3_u8).prop_map(|(key, value)| Act::Set(key, value)),
        3 => (0..KEYS.len()).prop_map(Act::Delete),
        1 => (0..KEYS.len()).prop_map(Act::DeleteTree),
        1 => (0..KEYS.len()).prop_map(Act::Twice),
        1 => (1..5_u32, 200..3000_u64).prop_map(|(versions, bytes)| Act::Limit(versions, bytes)),
        1 => Just(Act::Reread),
    ]
}

fn run(story: &mut Story, act: &Act) {
    match act {
        Act::Set(key, value) => drop(story.change(KvVerb::Set, KEYS[*key], &value.to_string())),
        Act::Delete(key) => drop(story.change(KvVerb::Delete, KEYS[*key], "")),
        Act::DeleteTree(key) => drop(story.change(KvVerb::DeleteTree, KEYS[*key], "")),
        Act::Twice(key) => {
            let operations = [(KvVerb::Set, "t"), (KvVerb::Delete, ""), (KvVerb::Set, "u")];
            let operations = operations.map(|(verb, value)| TxnOp::Kv(change(verb, KEYS[*key], value, 1)));
            drop(story.apply(&Command::Txn(operations.to_vec())));
        }
        Act::Limit(versions, bytes) => story.limit(*versions, *bytes),
        Act::Reread => *story = story.reread(),
    }
}

fn everything(view: &View) -> BTreeMap<String, String> {
    let text = |entry: &model::KvEntry| String::from_utf8_lossy(&entry.value.0).into_owned();
    view.kv_under(&Key::default()).map(|entry| (entry.key.to_string(), text(entry))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_history_tells_is_what_was(acts in proptest::collection::vec(act(), 1..60)) {
        let mut story = Story::new(3, 2000);
        let mut was = BTreeMap::from([(story.index, BTreeMap::new())]);
        for act in &acts {
            run(&mut story, act);
            was.insert(story.index, everything(&story.store.reader().view()));
        }
        let view = story.store.reader().view();
        let mut is_known = false;
        for (index, state) in &was {
            for key in KEYS {
                match story.at(key, *index) {
                    Ok(value) => prop_assert_eq!(value.as_ref(), state.get(key), "{} at {}", key, index),
                    Err(HistoryError::Forgotten { oldest, .. }) => prop_assert!(oldest > *index),
                    Err(error) => prop_assert!(false, "{}", error),
                }
            }
            if let Ok(entries) = view.kv_under_at(&Key::default(), *index) {
                is_known = true;
                let found: Vec<String> = entries.iter().map(|entry| entry.key.to_string()).collect();
                prop_assert_eq!(found, state.keys().cloned().collect::<Vec<_>>());
            } else {
                prop_assert!(!is_known, "once known, everything after is known too");
            }
        }
        prop_assert!(view.kv_under_at(&Key::default(), story.index).is_ok());
    }
}
