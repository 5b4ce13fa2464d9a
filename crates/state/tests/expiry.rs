//! Times of keys, and keys that expire: kept, copied, forgotten and restored with everything else.

use model::{Blob, Key, KvChange, KvCopy, KvEntry, KvVerb, Timestamp};
use state::{Command, Outcome, Store};

const SECOND: u64 = 1_000_000_000;
const SESSION: &str = "11111111-2222-3333-4444-555555555556";

fn at(second: u64) -> Timestamp {
    Timestamp(second * SECOND)
}

/// One command each second.
struct Story(Store);

impl Story {
    fn apply(&mut self, second: u64, command: &Command) -> Outcome {
        let outcome = self.0.apply(second, &command.encode());
        self.0.publish();
        outcome
    }

    fn change(&mut self, second: u64, verb: KvVerb, key: &str, ttl: u64) -> Outcome {
        let (key, value) = (Key::from(key), Blob::new(&b"x"[..]));
        let change = KvChange { verb, key, value, ttl: ttl * SECOND, time: at(second), ..KvChange::default() };
        self.apply(second, &Command::KvChange(change))
    }

    fn put(&mut self, second: u64, key: &str, ttl: u64) {
        assert_eq!(self.change(second, KvVerb::Set, key, ttl), Outcome::Bool(true));
    }

    fn expire(&mut self, second: u64, until: u64, max: u32) -> String {
        assert_eq!(self.apply(second, &Command::KvExpire { until: at(until), max }), Outcome::Bool(true));
        self.keys()
    }

    fn keys(&self) -> String {
        let view = self.0.reader().view();
        view.kv_under(&Key::default()).map(|entry| entry.key.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn next(&self) -> Option<u64> {
        self.0.reader().view().next_expiry().map(|time| time.0 / SECOND)
    }

    /// Seconds of creation, change and expiry.
    fn times(&self, key: &str) -> [u64; 3] {
        let entry = KvEntry::clone(self.0.reader().view().kv(&Key::from(key)).expect("it is there"));
        [entry.create_time, entry.modify_time, entry.expire_time].map(|time| time.0 / SECOND)
    }
}

#[test]
fn keys_expire_in_order_and_only_those_that_are_due() {
    let mut story = Story(Store::new());
    story.put(1, "stays", 0);
    story.put(2, "late", 100);
    story.put(3, "b", 10);
    story.put(4, "a", 9);
    story.put(5, "early", 5);
    assert_eq!(story.next(), Some(10));
    assert_eq!(story.expire(6, 9, 10), "a b early late stays");
    assert_eq!(story.expire(7, 13, 2), "b late stays", "no more than so many, the earliest first");
    assert_eq!(story.expire(8, 13, 2), "late stays");
    assert_eq!(story.next(), Some(102));
    let view = story.0.reader().view();
    assert_eq!(view.index_of(state::Source::Prefix(&Key::from("b"))), 8, "as deleted by hand");
}

#[test]
fn a_later_write_puts_the_expiry_off_or_calls_it_off() {
    let mut story = Story(Store::new());
    story.put(1, "k", 10);
    assert_eq!(story.times("k"), [1, 1, 11]);
    story.put(2, "k", 10);
    assert_eq!((story.times("k"), story.next()), ([1, 2, 12], Some(12)));
    story.put(3, "k", 0);
    assert_eq!((story.times("k"), story.next()), ([1, 3, 0], None));
    story.put(4, "k", 0);
    assert_eq!(story.times("k"), [1, 3, 0], "writing what is there changes nothing");
    story.put(5, "k", 1);
    story.change(6, KvVerb::Delete, "k", 0);
    assert_eq!(story.next(), None);
    story.put(7, "t/k", 1);
    story.change(8, KvVerb::DeleteTree, "t/", 0);
    assert_eq!(story.next(), None);
}

#[test]
fn copies_expire_with_their_originals_and_are_as_old_as_the_copying() {
    let mut story = Story(Store::new());
    story.put(1, "a/k", 10);
    story.put(2, "b/k", 0);
    let copy = |is_move, time| KvCopy { from: "a/".into(), to: "b/".into(), is_move, time };
    story.apply(3, &Command::KvCopy(copy(false, at(3))));
    assert_eq!((story.times("a/k"), story.times("b/k")), ([1, 1, 11], [2, 3, 11]));
    story.apply(4, &Command::KvCopy(copy(true, at(4))));
    assert_eq!(story.expire(5, 10, 9), "b/k");
    assert_eq!(story.expire(6, 11, 9), "");
}

#[test]
fn snapshots_carry_times_and_expiries() {
    let mut story = Story(Store::new());
    story.put(1, "k", 10);
    story.put(2, "stays", 0);
    let mut bytes = Vec::new();
    story.0.snapshot().write_to(&mut bytes).expect("memory takes it");
    let mut other = Story(Store::new());
    other.put(1, "gone", 3);
    other.0.restore(&*bytes).expect("it is whole");
    assert_eq!((other.times("k"), other.times("stays"), other.next()), ([1, 1, 11], [2, 2, 0], Some(11)));
    assert_eq!(other.expire(3, 11, 9), "stays");
}

/// What was written before there were times is read, and what has none is written as it was then.
#[test]
fn entries_without_times_have_their_golden_bytes() {
    let golden =
        b"\x86\xa9LockIndex\x01\xa3Key\xc4\x01k\xa5Flags\x02\xa5Value\xc4\x01v\xabCreateIndex\x03\xabModifyIndex\x04";
    let entry = KvEntry {
        lock_index: 1,
        key: "k".into(),
        flags: 2,
        value: Blob::new(&b"v"[..]),
        create_index: 3,
        modify_index: 4,
        ..KvEntry::default()
    };
    assert_eq!(rmp_serde::to_vec_named(&entry).expect("it encodes"), golden);
    assert_eq!(rmp_serde::from_slice::<KvEntry>(golden).expect("it decodes"), entry);
    let timed =
        KvEntry { create_time: at(5), modify_time: at(6), expire_time: at(7), session: SESSION.into(), ..entry };
    let bytes = rmp_serde::to_vec_named(&timed).expect("it encodes");
    assert_eq!(rmp_serde::from_slice::<KvEntry>(&bytes).expect("it decodes"), timed);
}
