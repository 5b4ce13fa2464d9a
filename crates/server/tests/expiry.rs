//! Keys that expire: what the leader accepts, when it deletes, and what readers see of times.

mod common;

use std::time::Duration;

use common::{Fixture, get, kv};
use model::{Blob, Key, KvChange, KvVerb, TxnOp};
use server::leader::expiry::{Step, step};
use server::limits::EXPIRY_WAIT_MAX;
use server::request::{ErrorKind, Query, Write};
use state::Command;

const SECOND: u64 = 1_000_000_000;

fn put(key: &str, ttl: u64) -> Write {
    Write::Kv(KvChange { key: Key::from(key), value: Blob::new(&b"x"[..]), ttl, ..KvChange::default() })
}

#[test]
fn the_leader_deletes_what_is_due_and_waits_for_what_is_next() {
    let mut fixture = Fixture::new();
    let began = fixture.time;
    let look = |fixture: &Fixture| step(&fixture.reader.load(), fixture.time);
    assert_eq!(look(&fixture), Step::Rest);
    assert!(fixture.write(&put("late", 3600 * SECOND)).expect("it is accepted"));
    assert_eq!(look(&fixture), Step::Wait(EXPIRY_WAIT_MAX));
    assert!(fixture.write(&put("soon", 2 * SECOND)).expect("it is accepted"));
    assert_eq!(look(&fixture), Step::Wait(Duration::from_secs(2)));
    fixture.time = began.plus(Duration::from_secs(2));
    let Step::Delete(command) = look(&fixture) else { panic!("the time has come") };
    assert!(matches!(*command, Command::KvExpire { until, .. } if until == fixture.time));
    fixture.index += 1;
    fixture.store.apply(fixture.index, &command.encode());
    fixture.store.publish();
    assert!(!fixture.json(get("soon")).1);
    assert!(fixture.json(get("late")).1);
    assert_eq!(look(&fixture), Step::Wait(EXPIRY_WAIT_MAX));
}

#[test]
fn a_ttl_has_limits_and_goes_with_plain_writes_only() {
    let mut fixture = Fixture::new();
    for (ttl, message) in [
        (SECOND - 1, "Invalid ttl 999.999999ms: it must be between 1s and 87600h0m0s"),
        (87_600 * 3600 * SECOND + 1, "Invalid ttl 87600h0m0.000000001s: it must be between 1s and 87600h0m0s"),
    ] {
        let error = fixture.write(&put("k", ttl)).expect_err("it is refused");
        assert_eq!((error.kind, &*error.message), (ErrorKind::BadRequest, message));
    }
    for verb in [KvVerb::Lock, KvVerb::Unlock, KvVerb::Delete, KvVerb::DeleteCas, KvVerb::DeleteTree] {
        let change = KvChange { verb, key: Key::from("k"), ttl: SECOND, ..KvChange::default() };
        let error = fixture.write(&Write::Kv(change)).expect_err("it is refused");
        assert_eq!(error.kind, ErrorKind::BadRequest, "{verb:?}");
    }
    assert!(fixture.write(&put("k", SECOND)).expect("it is accepted"));
    assert!(fixture.write(&put("k", 87_600 * 3600 * SECOND)).expect("it is accepted"));
}

#[test]
fn times_are_shown_to_those_who_ask() {
    let mut fixture = Fixture::new();
    fixture.time.0 += 123_456_789;
    fixture.write(&put("k", SECOND)).expect("it is accepted");
    let plain = r#"{"LockIndex":0,"Key":"k","Flags":0,"Value":"eA==","CreateIndex":1,"ModifyIndex":1"#;
    let timed = |key: &str| fixture_json(&fixture, Query::KvGet { key: Key::from(key), times: true });
    assert_eq!(fixture_json(&fixture, get("k")), format!("[{plain}}}]"));
    assert_eq!(
        timed("k"),
        format!(
            "[{plain},\"CreateTime\":\"2023-11-14T22:13:20.123Z\",\"ModifyTime\":\"2023-11-14T22:13:20.123Z\",\
             \"ExpireTime\":\"2023-11-14T22:13:21.123Z\"}}]"
        )
    );
    let list = Query::KvList { prefix: Key::default(), times: true };
    assert_eq!(fixture_json(&fixture, list), timed("k"));
    // The time of whoever asks is not believed, in a transaction neither.
    let forged = KvChange { time: model::Timestamp(1), key: Key::from("t"), ..KvChange::default() };
    fixture.answer(&Write::Txn(vec![TxnOp::Kv(forged)])).expect("it is accepted");
    let json = fixture_json(&fixture, Query::KvGet { key: Key::from("t"), times: true });
    assert!(json.contains("\"CreateTime\":\"2023-11-14T22:13:20.123Z\"") && !json.contains("ExpireTime"), "{json}");
    fixture.write(&kv(KvVerb::Set, "k", Blob::new(&b"x"[..]), 0)).expect("it is accepted");
    assert!(!fixture_json(&fixture, Query::KvGet { key: Key::from("k"), times: true }).contains("ExpireTime"));
}

fn fixture_json(fixture: &Fixture, query: Query) -> String {
    fixture.json(query).2
}
