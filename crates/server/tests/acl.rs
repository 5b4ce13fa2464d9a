//! Who may do what: tokens, policies and what they make of questions and changes.

mod common;

use std::time::Duration;

use acl::{Default as Policy, Level, Resource};
use common::{Fixture, at_once, block_on, get, health, list};
use model::{AclLink, AclPolicy, AclToken, PreparedQuery, ServiceIdentity, ServiceQuery, Timestamp, Token};
use serde_json::json;
use server::acl::write::{finish, initialize, prepare, reap};
use server::acl::{AclQuery, AclWrite, Caller, Context, Guard, Settings, Subject, table};
use server::blocking::{Who, read};
use server::request::{Body, ExecuteQuery, Form, Query, ReadOptions, RequestError};
use state::Command;

const ROOT: &str = "11111111-0000-4000-8000-000000000001";
const NOW: Timestamp = Timestamp(1_800_000_000_000_000_000);

struct World {
    fixture: Fixture,
    guard: Guard,
    ids: std::sync::atomic::AtomicU64,
}

impl World {
    fn new() -> Self {
        let settings =
            Settings { enabled: true, default: Policy::Deny, datacenter: "dc1".to_owned(), ..Settings::off() };
        let mut world = Self { fixture: Fixture::new(), guard: Guard::new(settings), ids: 1.into() };
        let register = |node: &str, service: &str| json!({"Node": node, "Address": "1.1.1.1", "Service": {"Service": service, "ID": service}});
        for (node, service) in [("n1", "web"), ("n2", "db")] {
            world.fixture.register(register(node, service)).expect("registered");
        }
        world.fixture.put("web/a", "1");
        world.fixture.put("secret", "2");
        let commands =
            world.with_context(|world, context| initialize(&world.fixture.reader.load(), &Token::new(ROOT), context));
        commands.into_iter().for_each(|command| world.apply(&Command::Acl(command)));
        world
    }

    fn with_context<T>(&self, with: impl FnOnce(&Self, &Context<'_>) -> T) -> T {
        let new_id = || {
            let id = self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            format!("22222222-0000-4000-8000-{id:012}")
        };
        with(self, &Context { now: NOW, new_id: &new_id, reset_index: 0, datacenter: "dc1" })
    }

    fn apply(&mut self, command: &Command) {
        self.fixture.index += 1;
        let outcome = self.fixture.store.apply(self.fixture.index, &command.encode());
        assert_eq!(outcome, state::Outcome::Bool(true));
        self.fixture.store.publish();
    }

    fn caller(&self, secret: &str, now: Timestamp) -> Result<Caller, RequestError> {
        self.guard.caller(&self.fixture.reader.load(), &Token::new(secret), now)
    }

    fn change(&mut self, secret: &str, write: &AclWrite) -> Result<Subject, RequestError> {
        let (command, subject) = self.with_context(|world, context| {
            let caller = world.caller(secret, NOW)?;
            table::check_acl_write(&caller, write)?;
            prepare(&world.fixture.reader.load(), &caller, write, context)
        })?;
        if let Some(command) = command {
            self.apply(&Command::Acl(command));
        }
        Ok(subject)
    }

    fn token_with(&mut self, name: &str, rules: &str, ttl: i64) -> String {
        let policy = AclPolicy { name: name.to_owned(), rules: rules.to_owned(), ..AclPolicy::default() };
        self.change(ROOT, &AclWrite::Policy(policy)).expect("a policy");
        let link = AclLink { id: String::new(), name: name.to_owned() };
        let token = AclToken { policies: vec![link], ..AclToken::default() };
        let subject = self.change(ROOT, &AclWrite::CreateToken { token, ttl }).expect("a token");
        let shown = finish(&self.fixture.reader.load(), &subject).expect("it is there");
        assert_eq!(shown["Policies"][0]["Name"], name);
        shown["SecretID"].as_str().expect("a secret").to_owned()
    }

    fn ask(&self, secret: &str, query: Query) -> Result<(bool, String), RequestError> {
        let token = Token::new(secret);
        let who = Who { guard: &self.guard, token: &token, now: || NOW };
        let options = ReadOptions { form: Form::Json, ..ReadOptions::default() };
        let reading = read(&self.fixture.reader, &self.fixture.shared, who, &options, query, 0, at_once);
        match block_on(reading)?.body {
            Body::Json { found, json } => Ok((found, String::from_utf8(json.to_vec()).expect("UTF-8"))),
            Body::Rows(_) => panic!("JSON was asked for"),
        }
    }
}

#[test]
fn equal_questions_of_different_tokens_are_not_mixed_up() {
    let mut world = World::new();
    let web = world.token_with(
        "web",
        r#"key_prefix "web/" { policy = "read" } service "web" { policy = "read" } node_prefix "" { policy = "read" }"#,
        0,
    );
    for _ in 0..2 {
        assert!(world.ask(ROOT, list("")).expect("allowed").1.contains("secret"));
        assert!(!world.ask(&web, list("")).expect("filtered").1.contains("secret"));
        assert_eq!(world.ask("", list("")).expect("filtered").1, "[]");
        assert!(world.ask(ROOT, health("db", false)).expect("allowed").1.contains("\"n2\""));
        assert_eq!(world.ask(&web, health("db", false)).expect("filtered").1, "[]");
        assert!(world.ask(&web, health("web", false)).expect("allowed").1.contains("\"n1\""));
        assert_eq!(world.ask("", health("web", false)).expect("filtered").1, "[]");
    }
    let error = world.ask(&web, get("secret")).expect_err("denied");
    assert_eq!(error.message, "Permission denied");
    let error = world.ask("99999999-0000-4000-8000-000000000001", get("web/a")).expect_err("unknown");
    assert_eq!(error.message, "ACL not found");
    let own = |secret: &str| world.ask(secret, Query::Acl(AclQuery::TokenSelf)).map(|(_, json)| json);
    assert!(own(&web).expect("its own").contains(&web) && own(ROOT).expect("its own").contains(ROOT));
    assert_eq!(own("").expect_err("nobody").message, "ACL not found");
    let all = world.ask(
        ROOT,
        Query::Acl(AclQuery::Tokens { policy: String::new(), role: String::new(), auth_method: String::new() }),
    );
    let all = all.expect("allowed").1;
    assert!(!all.contains(&web) && !all.contains(ROOT), "lists tell no secrets");
}

#[test]
fn a_prepared_query_is_executed_with_its_own_token() {
    let mut world = World::new();
    let rules = r#"service "web" { policy = "read" } node_prefix "" { policy = "read" }"#;
    let web = world.token_with("web", rules, 0);
    let service = ServiceQuery { service: "web".to_owned(), ..ServiceQuery::default() };
    for (id, name, token) in
        [("1", "plain", ""), ("2", "with", &*web), ("3", "gone", "99999999-0000-4000-8000-000000000001")]
    {
        let (id, name) = (format!("{id}1111111-2222-3333-4444-555555555555"), name.to_owned());
        let query =
            PreparedQuery { id, name, token: Token::new(token), service: service.clone(), ..PreparedQuery::default() };
        world.apply(&Command::PreparedQuery(query));
    }
    let execute = |secret: &str, name: &str| {
        let wanted = ExecuteQuery { id_or_name: name.to_owned(), ..ExecuteQuery::default() };
        world.ask(secret, Query::ExecuteQuery(wanted)).map(|(_, json)| json.contains("\"n1\""))
    };
    for (secret, name, sees) in [
        ("", "plain", false),
        (&*web, "plain", true),
        ("", "with", true),
        ("", "21111111-2222-3333-4444-555555555555", true),
        (ROOT, "with", true),
    ] {
        assert_eq!(execute(secret, name), Ok(sees), "{secret} {name}");
    }
    assert_eq!(execute(ROOT, "gone").expect_err("its token is no more").message, "ACL not found");
}

#[test]
fn a_change_of_a_policy_holds_at_once() {
    let mut world = World::new();
    let secret = world.token_with("p", r#"key_prefix "" { policy = "read" }"#, 0);
    assert!(world.caller(&secret, NOW).expect("known").allows(Resource::Key, "x", Level::Read));
    let old = world.fixture.reader.load().acl_policy_by_name("p").expect("it is there").clone();
    let policy = AclPolicy { rules: r#"key "y" { policy = "write" }"#.to_owned(), ..(*old).clone() };
    world.change(ROOT, &AclWrite::Policy(policy)).expect("changed");
    let caller = world.caller(&secret, NOW).expect("known");
    assert!(!caller.allows(Resource::Key, "x", Level::Read) && caller.allows(Resource::Key, "y", Level::Write));
    world.change(ROOT, &AclWrite::DeletePolicy { id: old.id.clone() }).expect("deleted");
    assert!(!world.caller(&secret, NOW).expect("known").allows(Resource::Key, "y", Level::Read));
}

#[test]
fn expired_tokens_are_none_and_go() {
    let mut world = World::new();
    let secret = world.token_with("short", "", 60_000_000_000);
    let before = NOW.plus(Duration::from_secs(59));
    let after = NOW.plus(Duration::from_secs(60));
    assert!(world.caller(&secret, before).is_ok());
    assert_eq!(world.caller(&secret, after).expect_err("expired").message, "ACL not found");
    assert!(reap(&world.fixture.reader.load(), before).is_none());
    let command = reap(&world.fixture.reader.load(), after).expect("one has expired");
    world.apply(&Command::Acl(command));
    assert_eq!(world.caller(&secret, before).expect_err("gone").message, "ACL not found");
    let too_short = AclWrite::CreateToken { token: AclToken::default(), ttl: 1_000_000_000 };
    let error = world.change(ROOT, &too_short).expect_err("too short");
    assert_eq!(error.message, "ExpirationTime cannot be less than 1m0s in the future (was 1s)");
}

#[test]
fn bootstrap_is_done_once_and_can_be_repeated_with_its_secret() {
    let mut world = World::new();
    let again = world.change("", &AclWrite::Bootstrap { secret: Token::default() }).expect_err("done already");
    assert!(again.message.starts_with("Permission denied: ACL bootstrap no longer allowed (reset index: "));
    let same = AclWrite::Bootstrap { secret: Token::new(ROOT) };
    let subject = world.change("", &same).expect("who has the secret may see it");
    let shown = finish(&world.fixture.reader.load(), &subject).expect("it is there");
    assert_eq!((&shown["ID"], &shown["SecretID"]), (&json!(ROOT), &json!(ROOT)));
    let other = AclWrite::Bootstrap { secret: Token::new("33333333-0000-4000-8000-000000000001") };
    assert!(world.change("", &other).is_err());
}

#[test]
fn nobody_gets_more_than_there_is() {
    let mut world = World::new();
    let secret = world.token_with("reader", "acl = \"read\"", 0);
    let token = AclToken { service_identities: vec![ServiceIdentity::default()], ..AclToken::default() };
    let write = AclWrite::CreateToken { token, ttl: 0 };
    assert_eq!(world.change(&secret, &write).expect_err("may not").message, "Permission denied");
    assert_eq!(world.change("", &write).expect_err("may not").message, "Permission denied");
    let unnamed = world.change(ROOT, &write).expect_err("not a name");
    assert_eq!(unnamed.message, "Service identity is missing the service name field on this token");
    let root = world.fixture.reader.load().acl_token_by_secret(&Token::new(ROOT)).expect("it is there").clone();
    let shown =
        world.ask(&secret, Query::Acl(AclQuery::Token { accessor: root.accessor_id.clone() })).expect("may read");
    assert!(shown.1.contains("hidden") && !shown.1.contains(ROOT));
    // What servers show each other opens everything, and nobody is told it.
    let server = world.fixture.reader.load().server_secret().expect("made").secret().to_owned();
    assert_eq!(world.caller(&server, NOW).expect("known").scope(), 0);
    assert!(!world.ask(ROOT, Query::Acl(AclQuery::LegacyList)).expect("may").1.contains(&server));
}

#[test]
fn a_snapshot_brings_everything_back() {
    let mut world = World::new();
    let secret = world.token_with("p", r#"key_prefix "" { policy = "read" }"#, 0);
    let mut bytes = Vec::new();
    world.fixture.store.snapshot().write_to(&mut bytes).expect("written");
    let mut other = World::new();
    other.fixture.store.restore(bytes.as_slice()).expect("restored");
    assert!(other.caller(&secret, NOW).expect("known").allows(Resource::Key, "x", Level::Read));
    let secret_of = |world: &World| world.fixture.reader.load().server_secret().cloned();
    assert_eq!(secret_of(&world), secret_of(&other));
    assert_eq!(world.fixture.reader.load().acl_bootstrap_index(), other.fixture.reader.load().acl_bootstrap_index());
}
