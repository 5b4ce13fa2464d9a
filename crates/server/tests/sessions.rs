//! The leader's clocks: lock-delays that are not shorter than asked for, sessions that live their TTL and not much more.

mod common;

use std::time::Duration;

use common::Fixture;
use model::{Key, Session, SessionId};
use serde_json::json;
use server::leader::session_timers::SessionTimers;
use server::request::{KvChange, KvVerb, Response, Write};
use state::Command;

const A: &str = "11111111-2222-3333-4444-55555555555a";
const B: &str = "11111111-2222-3333-4444-55555555555b";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.register(json!({"Node": "n1", "Address": "1.1.1.1"})).expect("a node");
    fixture
}

fn session(id: &str, ttl: &str) -> Session {
    Session { id: id.into(), node: "n1".into(), lock_delay: 5_000_000_000, ttl: ttl.to_owned(), ..Session::default() }
}

fn lock(key: &str, session: &str) -> Write {
    Write::Kv(KvChange { verb: KvVerb::Lock, key: Key::from(key), session: session.into(), ..KvChange::default() })
}

#[test]
fn a_lock_can_be_taken_again_when_its_delay_is_over() {
    let mut fixture = fixture();
    for id in [A, B] {
        fixture.write(&Write::SessionCreate(session(id, ""))).expect("a session");
    }
    fixture.now = seconds(100);
    assert!(matches!(fixture.answer(&lock("k", A)), Ok(Response::Locked { .. })));
    fixture.write(&Write::SessionDestroy(SessionId::from(A))).expect("it ends");
    for (second, is_free) in [(100, false), (104, false), (105, true)] {
        fixture.now = seconds(second);
        assert_eq!(fixture.write(&lock("k", B)), Ok(is_free), "at {second} s");
    }
    assert_eq!(fixture.write(&lock("other", B)), Ok(true));
}

#[test]
fn a_server_that_was_just_started_waits_the_whole_delay() {
    let mut fixture = fixture();
    for id in [A, B] {
        fixture.write(&Write::SessionCreate(session(id, ""))).expect("a session");
    }
    fixture.write(&lock("k", A)).expect("a lock");
    fixture.write(&Write::SessionDestroy(SessionId::from(A))).expect("it ends");
    fixture.locks = server::leader::lock_delays::LockClock::new();
    fixture.now = seconds(1000);
    assert_eq!(fixture.write(&lock("k", B)), Ok(false), "it has not even seen the delay");
    fixture.locks.observe(fixture.now, &fixture.reader.load());
    fixture.now = seconds(1004);
    assert_eq!(fixture.write(&lock("k", B)), Ok(false));
    fixture.now = seconds(1005);
    assert_eq!(fixture.write(&lock("k", B)), Ok(true));
}

#[test]
fn delays_are_forgotten_when_no_delay_can_be_that_long() {
    let mut fixture = fixture();
    fixture.write(&Write::SessionCreate(session(A, ""))).expect("a session");
    fixture.write(&lock("k", A)).expect("a lock");
    fixture.write(&Write::SessionDestroy(SessionId::from(A))).expect("it ends");
    let ended = fixture.index;
    assert_eq!(fixture.locks.reap(seconds(60), &fixture.reader.load()), None);
    assert_eq!(fixture.locks.reap(seconds(62), &fixture.reader.load()), Some(Command::ReapLockDelays { index: ended }));
}

#[test]
fn sessions_expire_a_second_after_their_ttl_unless_they_are_renewed() {
    let mut fixture = fixture();
    for (id, ttl) in [(A, "10s"), (B, "1m"), ("11111111-2222-3333-4444-55555555555c", "")] {
        fixture.write(&Write::SessionCreate(session(id, ttl))).expect("a session");
    }
    let view = fixture.reader.view();
    let timers = SessionTimers::new();
    timers.begin(1, seconds(100), &view);
    assert_eq!((timers.len(), timers.next()), (2, Some(seconds(111))));
    assert_eq!(timers.expired(1, seconds(110), &view), []);
    let a = view.session(A).expect("it is there");
    assert!(timers.renew(1, seconds(110), a));
    assert_eq!(timers.remaining(1, seconds(115), A), Some(seconds(5)));
    assert_eq!(timers.remaining(2, seconds(115), A), None, "the time of another leadership says nothing");
    assert_eq!(timers.expired(1, seconds(120), &view), []);
    assert_eq!(timers.expired(1, seconds(121), &view), [SessionId::from(A)]);
    assert!(!timers.renew(1, seconds(121), a), "what is about to be destroyed cannot be renewed");
    assert_eq!(timers.expired(1, seconds(122), &view), [SessionId::from(A)], "until it is destroyed");
    fixture.write(&Write::SessionDestroy(SessionId::from(A))).expect("it ends");
    assert_eq!(timers.expired(1, seconds(123), &fixture.reader.view()), []);
    // A new leader does not know of renewals: all get their whole time.
    timers.begin(2, seconds(130), &fixture.reader.view());
    assert_eq!(timers.next(), Some(seconds(191)));
    assert!(timers.renew(1, seconds(190), view.session(B).expect("it is there")));
    assert_eq!(timers.next(), Some(seconds(191)), "a renewal of before the leadership changes nothing");
}

#[test]
fn timers_follow_what_comes_and_goes() {
    let mut fixture = fixture();
    let timers = SessionTimers::new();
    timers.begin(1, seconds(0), &fixture.reader.view());
    fixture.write(&Write::SessionCreate(session(A, "10s"))).expect("a session");
    timers.compare(seconds(5), &fixture.reader.view());
    assert_eq!(timers.next(), Some(seconds(16)));
    fixture.write(&Write::SessionDestroy(SessionId::from(A))).expect("it ends");
    timers.compare(seconds(6), &fixture.reader.view());
    assert!(timers.is_empty());
}
