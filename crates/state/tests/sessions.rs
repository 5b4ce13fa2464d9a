//! Sessions and locks in the state: what binds them, what ends them, and what is left of their keys.

use model::{Blob, Deregistration, HealthCheck, Key, KvChange, KvVerb, Registration, Session, SessionBehavior};
use state::{Command, Outcome, Source, Store, Table, View};

const SESSION: &str = "11111111-2222-3333-4444-55555555555a";
const OTHER: &str = "11111111-2222-3333-4444-55555555555b";

struct Fixture {
    store: Store,
    index: u64,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self { store: Store::new(), index: 0 };
        fixture.check("n1", "alive", "passing");
        fixture
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        self.index += 1;
        let outcome = self.store.apply(self.index, &command.encode());
        self.store.publish();
        outcome
    }

    fn check(&mut self, node: &str, id: &str, status: &str) {
        let check =
            HealthCheck { node: node.into(), check_id: id.into(), status: status.to_owned(), ..HealthCheck::default() };
        let registration = Registration {
            node: node.into(),
            address: "10.0.0.1".to_owned(),
            checks: vec![check],
            ..Registration::default()
        };
        assert_eq!(self.apply(&Command::Register(registration)), Outcome::Bool(true));
    }

    fn create(&mut self, session: Session) -> Outcome {
        self.apply(&Command::SessionCreate(session))
    }

    fn kv(&mut self, verb: KvVerb, key: &str, value: &str, session: &str, index: u64) -> Outcome {
        let value = Blob::new(value.as_bytes().to_vec());
        let change =
            KvChange { verb, key: Key::from(key), value, index, session: session.into(), ..KvChange::default() };
        self.apply(&Command::KvChange(change))
    }

    fn lock(&mut self, key: &str, session: &str) -> Outcome {
        let seen = self.index;
        self.kv(KvVerb::Lock, key, "v", session, seen)
    }

    fn view(&self) -> std::sync::Arc<View> {
        self.store.reader().view()
    }

    fn holder(&self, key: &str) -> Option<(String, u64)> {
        let view = self.view();
        view.kv(&Key::from(key)).map(|entry| (entry.session.to_string(), entry.lock_index))
    }
}

fn session(id: &str) -> Session {
    Session {
        id: id.into(),
        node: "n1".into(),
        node_checks: Some(vec!["alive".into()]),
        lock_delay: 5,
        ..Session::default()
    }
}

fn error(text: &str) -> Outcome {
    Outcome::Error(text.to_owned())
}

#[test]
fn sessions_need_a_node_and_checks_that_are_well() {
    let mut fixture = Fixture::new();
    fixture.check("n1", "ill", "critical");
    assert_eq!(fixture.create(Session::default()), error("Missing Session ID"));
    let on = |node: &str| Session { node: node.into(), ..session(SESSION) };
    assert_eq!(fixture.create(on("none")), error("Missing node registration"));
    let bound = |check: &str| Session { checks: vec![check.into()], ..session(SESSION) };
    assert_eq!(fixture.create(bound("none")), error("Missing check 'none' registration"));
    assert_eq!(fixture.create(bound("ill")), error("Check 'ill' is in critical state"));
    assert_eq!(fixture.view().sessions().count(), 0);
    assert_eq!(fixture.create(on("N1")), Outcome::Bool(true));
    let created = fixture.index;
    // The same creation again, as when its answer was lost, changes nothing.
    assert_eq!(fixture.create(on("n1")), Outcome::Bool(true));
    let view = fixture.view();
    assert_eq!(view.session(&SESSION.to_uppercase()).expect("it is there").create_index, created);
    assert_eq!(view.sessions_on("n1").count(), 1);
    assert_eq!(view.index_of(Source::Session(&SESSION.into())), created);
}

#[test]
fn a_lock_has_one_holder_and_a_token_that_rises() {
    let mut fixture = Fixture::new();
    fixture.create(session(SESSION));
    fixture.create(session(OTHER));
    assert_eq!(fixture.lock("k", ""), error("missing session"));
    assert_eq!(fixture.lock("k", "none"), error("invalid session \"none\""));
    let first = fixture.index + 1;
    assert_eq!(fixture.lock("k", SESSION), Outcome::Locked { token: first });
    assert_eq!(fixture.lock("k", OTHER), Outcome::Bool(false));
    assert_eq!(fixture.lock("k", SESSION), Outcome::Locked { token: first });
    assert_eq!(fixture.holder("k"), Some((SESSION.to_owned(), 1)));
    // Who does not care for the lock writes all the same, and the lock stays.
    assert_eq!(fixture.kv(KvVerb::Set, "k", "plain", "", 0), Outcome::Bool(true));
    assert_eq!(fixture.holder("k"), Some((SESSION.to_owned(), 1)));
    assert_eq!(fixture.kv(KvVerb::Unlock, "k", "v", OTHER, 0), Outcome::Bool(false));
    assert_eq!(fixture.kv(KvVerb::Unlock, "k", "v", "", 0), error("missing session"));
    assert_eq!(fixture.kv(KvVerb::Unlock, "none", "v", SESSION, 0), Outcome::Bool(false));
    assert_eq!(fixture.kv(KvVerb::Unlock, "k", "out", SESSION, 0), Outcome::Bool(true));
    assert_eq!(fixture.holder("k"), Some((String::new(), 1)));
    // Even a key that was deleted in between gives a higher token, though its count begins anew.
    fixture.kv(KvVerb::Delete, "k", "", "", 0);
    let second = fixture.index + 1;
    assert_eq!(fixture.lock("k", OTHER), Outcome::Locked { token: second });
    assert_eq!(fixture.holder("k"), Some((OTHER.to_owned(), 1)));
    let view = fixture.view();
    assert_eq!(view.fencing_token(view.kv(&Key::from("k")).expect("it is there")), second);
}

#[test]
fn the_end_of_a_session_releases_or_deletes_its_keys_only() {
    for behavior in [SessionBehavior::Release, SessionBehavior::Delete] {
        let mut fixture = Fixture::new();
        fixture.create(Session { behavior, ..session(SESSION) });
        fixture.create(session(OTHER));
        for key in ["a", "b/c"] {
            fixture.lock(key, SESSION);
        }
        fixture.lock("other", OTHER);
        fixture.lock("gone", SESSION);
        fixture.kv(KvVerb::DeleteTree, "go", "", "", 0);
        fixture.apply(&Command::SessionDestroy { id: SESSION.into() });
        let left = if behavior == SessionBehavior::Release { Some((String::new(), 1)) } else { None };
        assert_eq!(fixture.holder("a"), left);
        assert_eq!(fixture.holder("b/c"), left);
        assert_eq!(fixture.holder("other"), Some((OTHER.to_owned(), 1)));
        let view = fixture.view();
        assert_eq!(view.index_of(Source::Prefix(&Key::from("b/"))), fixture.index);
        let delayed: Vec<String> = view.lock_delays().map(|delay| delay.key.to_string()).collect();
        assert_eq!(delayed, ["a", "b/c"], "a key that was deleted before is not delayed");
        let before = fixture.index;
        fixture.apply(&Command::SessionDestroy { id: SESSION.into() });
        assert_eq!(fixture.view().index_of(Source::Tables(&[Table::Sessions])), before, "nothing is left to end");
    }
}

#[test]
fn whatever_a_session_depends_on_ends_it() {
    type End = fn(&mut Fixture);
    let critical: End = |fixture| fixture.check("n1", "alive", "critical");
    let no_check: End = |fixture| deregister(fixture, "alive");
    let no_node: End = |fixture| deregister(fixture, "");
    for (end, ends) in
        [(critical, true), (no_check, true), (no_node, true), (|it| it.check("n1", "alive", "warning"), false)]
    {
        let mut fixture = Fixture::new();
        fixture.create(session(SESSION));
        fixture.lock("k", SESSION);
        end(&mut fixture);
        assert_eq!(fixture.view().session(SESSION).is_none(), ends);
        let holder = if ends { String::new() } else { SESSION.to_owned() };
        assert_eq!(fixture.holder("k"), Some((holder, 1)));
    }
}

fn deregister(fixture: &mut Fixture, check: &str) {
    let deregistration = Deregistration { node: "n1".into(), check_id: check.into(), ..Deregistration::default() };
    fixture.apply(&Command::Deregister(deregistration));
}

#[test]
fn a_lock_delay_that_the_leader_has_not_seen_holds() {
    let mut fixture = Fixture::new();
    fixture.create(session(SESSION));
    fixture.create(session(OTHER));
    fixture.lock("k", SESSION);
    let before = fixture.index;
    fixture.apply(&Command::SessionDestroy { id: SESSION.into() });
    let ended = fixture.index;
    assert_eq!(fixture.kv(KvVerb::Lock, "k", "v", OTHER, before), Outcome::Bool(false));
    fixture.apply(&Command::ReapLockDelays { index: before });
    assert_eq!(fixture.kv(KvVerb::Lock, "k", "v", OTHER, before), Outcome::Bool(false));
    assert!(matches!(fixture.kv(KvVerb::Lock, "k", "v", OTHER, ended), Outcome::Locked { .. }));
    assert!(fixture.view().lock_delay(&Key::from("k")).is_none());
    // Without a delay there is nothing to wait for; giving up a lock of one's own will makes none either.
    fixture.kv(KvVerb::Unlock, "k", "v", OTHER, 0);
    let id = "11111111-2222-3333-4444-55555555555c";
    fixture.create(Session { lock_delay: -1, ..session(id) });
    assert!(matches!(fixture.lock("k", id), Outcome::Locked { .. }));
    fixture.apply(&Command::SessionDestroy { id: id.into() });
    assert_eq!(fixture.view().lock_delays().count(), 0);
}
