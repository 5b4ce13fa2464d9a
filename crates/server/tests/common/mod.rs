//! A store with its readers, and a way to wait for futures without a runtime.

#![allow(dead_code, reason = "each test program uses a part of this")]

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use model::{Key, KvChange, KvVerb, Registration, Timestamp, Token};
use server::acl::{Caller, Guard, Settings};
use server::blocking::{Reading, Who, read};
use server::endpoint::{Leading, Prepared, finish_write, prepare_write};
use server::leader::lock_delays::LockClock;
use server::limits::SESSION_TTL_MIN;
use server::request::{Answer, Body, Form, Query, ReadOptions, RequestError, Response, Write};
use server::{Shared, endpoint};
use state::{Reader, Store};

/// Everybody, where there is no access control.
pub fn who() -> Who<'static> {
    static GUARD: LazyLock<Guard> = LazyLock::new(|| Guard::new(Settings::off()));
    static TOKEN: LazyLock<Token> = LazyLock::new(Token::default);
    Who { guard: &GUARD, token: &TOKEN, now: Timestamp::default }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// What a future gives without waiting.
pub fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// One server's state, written to directly.
pub struct Fixture {
    pub store: Store,
    pub reader: Reader,
    pub shared: Arc<Shared>,
    pub index: u64,
    pub locks: LockClock,
    pub now: Duration,
    pub time: Timestamp,
}

impl Fixture {
    pub fn new() -> Self {
        let store = Store::new();
        let reader = store.reader();
        Self {
            store,
            reader,
            shared: Arc::new(Shared::new("dc1")),
            index: 0,
            locks: LockClock::new(),
            now: Duration::ZERO,
            time: Timestamp(1_700_000_000_000_000_000),
        }
    }

    pub fn write(&mut self, write: &Write) -> Result<bool, RequestError> {
        match self.answer(write)? {
            Response::Written(done) => Ok(done),
            Response::Locked { .. } => Ok(true),
            other => panic!("not the answer of a write: {other:?}"),
        }
    }

    pub fn answer(&mut self, write: &Write) -> Result<Response, RequestError> {
        let leading = Leading {
            datacenter: "dc1",
            session_ttl_min: SESSION_TTL_MIN,
            locks: &self.locks,
            now: self.now,
            time: self.time,
        };
        let command = match prepare_write(&self.reader.load(), write, &leading)? {
            Prepared::Propose(command) => command,
            Prepared::Answer(response) => return Ok(response),
        };
        self.index += 1;
        let outcome = self.store.apply(self.index, &command);
        self.store.publish();
        self.locks.observe(self.now, &self.reader.load());
        finish_write(outcome)
    }

    pub fn put(&mut self, key: &str, value: &str) -> bool {
        let value = model::Blob::new(value.as_bytes().to_vec());
        self.write(&kv(KvVerb::Set, key, value, 0)).expect("a put is accepted")
    }

    pub fn register(&mut self, json: serde_json::Value) -> Result<bool, RequestError> {
        let registration: Registration = serde_json::from_value(json).expect("a registration");
        self.write(&Write::Register(registration))
    }

    /// Reads without waiting.
    pub fn read(&self, options: &ReadOptions, query: Query) -> Result<Reading, RequestError> {
        let never = |_| std::future::pending::<()>();
        poll_once(read(&self.reader, &self.shared, who(), options, query, 0, never)).expect("the read does not wait")
    }

    /// Index and JSON of a query.
    pub fn json(&self, query: Query) -> (u64, bool, String) {
        let options = ReadOptions { form: Form::Json, ..ReadOptions::default() };
        let reading = self.read(&options, query).expect("the query is right");
        match reading.body {
            Body::Json { found, json } => (reading.index, found, String::from_utf8(json.to_vec()).expect("UTF-8")),
            Body::Rows(_) => panic!("JSON was asked for"),
        }
    }

    pub fn rows(&self, query: &Query) -> Answer {
        let view = self.reader.load();
        endpoint::evaluate(&view, &Caller::everything(), query, None, "dc1").expect("everything is allowed")
    }

    pub fn index_of(&self, query: Query) -> u64 {
        self.json(query).0
    }
}

pub fn kv(verb: KvVerb, key: &str, value: model::Blob, index: u64) -> Write {
    Write::Kv(KvChange { verb, key: Key::from(key), value, index, ..KvChange::default() })
}

pub fn get(key: &str) -> Query {
    Query::KvGet { key: Key::from(key), times: false }
}

pub fn list(prefix: &str) -> Query {
    Query::KvList { prefix: Key::from(prefix), times: false }
}

pub fn keys(prefix: &str, separator: &str) -> Query {
    Query::KvKeys { prefix: Key::from(prefix), separator: separator.as_bytes().to_vec() }
}

pub fn health(service: &str, passing: bool) -> Query {
    Query::ServiceHealth {
        service: service.into(),
        tags: Vec::new(),
        passing,
        near: "".into(),
        meta: model::TextMap::new(),
    }
}

pub fn waiting(min_index: u64, form: Form) -> ReadOptions {
    ReadOptions { min_index, form, ..ReadOptions::default() }
}

/// A timer that is over at once.
pub fn at_once(_: Duration) -> std::future::Ready<()> {
    std::future::ready(())
}
