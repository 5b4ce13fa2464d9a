//! What an agent does when it is told by `consul exec` to run a command, in Consul's protocol: the event names a session,
//! below whose key is the command; what it says and how it ends goes into keys that the session holds. Off by default.

mod program;

use std::sync::Arc;
use std::time::Duration;

use model::{Blob, Key, KvChange, KvVerb, NodeName, SessionId};
use serde::Deserialize;
use server::request::{Action, Answer as Rows, Body, Form, Query, ReadOptions, Request, Response, Write};
use tokio::sync::Semaphore;

use self::program::{Piece, Program};
use crate::backend::Backend;
use crate::tokens::Tokens;

/// Name of the event that tells agents to look.
pub const EVENT_NAME: &str = "_rexec";
/// Commands that run at a time; those that come while so many do are refused.
const RUNNING_MAX: usize = 16;
/// Tries to read the command, which may not have reached the server that is asked.
const READ_TRIES: u32 = 5;
/// Time between those.
const READ_PAUSE: Duration = Duration::from_millis(200);
/// Most output of one command that is kept, bytes.
const OUTPUT_MAX: usize = 16 << 20;
/// Exit code of what could not be run at all.
const EXIT_NOT_RUN: i32 = 255;

/// The payload of the event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Call {
    prefix: String,
    session: String,
}

/// Runs commands for others.
pub struct RemoteExec {
    backend: Backend,
    tokens: Arc<Tokens>,
    node: NodeName,
    running: Arc<Semaphore>,
}

impl RemoteExec {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(backend: Backend, tokens: Arc<Tokens>, node: NodeName) -> Self {
        Self { backend, tokens, node, running: Arc::new(Semaphore::new(RUNNING_MAX)) }
    }

    /// Obeys an event; returns when the command has ended and was told of.
    pub async fn obey(&self, payload: &[u8]) {
        let Ok(call) = serde_json::from_slice::<Call>(payload) else {
            tracing::error!(target: "agent::exec", "unreadable remote execution event");
            return;
        };
        let Ok(_permit) = self.running.try_acquire() else {
            tracing::warn!(target: "agent::exec", "refused a remote execution: {RUNNING_MAX} of them run already");
            return;
        };
        let folder = match call.prefix.as_str() {
            "" => call.session.clone(),
            prefix => format!("{prefix}/{}", call.session),
        };
        let Some(program) = self.read(&format!("{folder}/job")).await else { return };
        let place =
            Place { exec: self, folder: format!("{folder}/{}", self.node), session: SessionId::new(&call.session) };
        if !place.write("ack", Vec::new()).await {
            return;
        }
        tracing::info!(target: "agent::exec", script = program.shown(), "remote exec script");
        let code = place.run(program).await;
        place.write("exit", code.to_string().into_bytes()).await;
    }

    async fn read(&self, key: &str) -> Option<Program> {
        for _ in 0..READ_TRIES {
            let query = Query::KvGet { key: Key::from(key), times: false };
            let action = Action::Read(ReadOptions { form: Form::Rows, ..ReadOptions::default() }, query);
            let request = Request { datacenter: String::new(), token: self.tokens.agent(), action };
            match self.backend.call(request).await {
                Ok(Response::Read(_, Body::Rows(Rows::Kv(entries)))) => {
                    if let Some(entry) = entries.first() {
                        return match Program::parse(&entry.value.0) {
                            Ok(program) => Some(program),
                            Err(error) => {
                                tracing::error!(target: "agent::exec", %error, "unreadable remote execution");
                                None
                            }
                        };
                    }
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(target: "agent::exec", %error, "cannot read a remote execution"),
            }
            tokio::time::sleep(READ_PAUSE).await;
        }
        tracing::error!(target: "agent::exec", key, "there is no such remote execution");
        None
    }
}

/// Where one command tells of itself.
struct Place<'a> {
    exec: &'a RemoteExec,
    folder: String,
    session: SessionId,
}

impl Place<'_> {
    /// Writes a key that the session holds; `false` when that is not possible any more.
    async fn write(&self, name: &str, value: Vec<u8>) -> bool {
        let change = KvChange {
            verb: KvVerb::Lock,
            key: Key::from(format!("{}/{name}", self.folder).as_str()),
            value: Blob(value.into()),
            session: self.session.clone(),
            ..KvChange::default()
        };
        let action = Action::Write(Write::Kv(change));
        let request = Request { datacenter: String::new(), token: self.exec.tokens.agent(), action };
        match self.exec.backend.call(request).await {
            Ok(Response::Written(true) | Response::Locked { .. }) => true,
            Ok(_) => {
                tracing::error!(target: "agent::exec", name, "cannot tell of a remote execution: the key is locked");
                false
            }
            Err(error) => {
                tracing::error!(target: "agent::exec", name, %error, "cannot tell of a remote execution");
                false
            }
        }
    }

    /// Runs the program and writes what it says. When nobody takes that any more it runs on unheard.
    async fn run(&self, program: Program) -> i32 {
        let heartbeat = program.wait();
        let mut running = match program.start() {
            Ok(running) => running,
            Err(error) => {
                self.write("out/00000", format!("{error}\n").into_bytes()).await;
                return EXIT_NOT_RUN;
            }
        };
        let (mut number, mut written, mut is_heard) = (0_u32, 0, true);
        loop {
            let piece = match tokio::time::timeout(heartbeat, running.next()).await {
                Ok(Piece::Ended(code)) => return code,
                Ok(Piece::Output(bytes)) => bytes,
                Err(_) => Vec::new(),
            };
            if !is_heard {
                continue;
            }
            written += piece.len();
            if written > OUTPUT_MAX {
                is_heard =
                    self.write(&format!("out/{number:05x}"), b"(there is more output than is kept)\n".to_vec()).await;
                written = 0;
                continue;
            }
            is_heard = self.write(&format!("out/{number:05x}"), piece).await;
            number = number.saturating_add(1);
        }
    }
}
