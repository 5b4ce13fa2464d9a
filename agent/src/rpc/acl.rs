//! Changes of the ACL system on the leader: prepared with what only the leader decides, proposed, and shown.

use model::Token;
use server::acl::{self, AclWrite, table};
use server::endpoint;
use server::request::{Consistency, ErrorKind, RequestError, Response};
use state::{Command, View};
use uuid::Uuid;

use super::local::{LocalServer, Try};
use crate::tokens::now;

impl LocalServer {
    pub(super) async fn try_acl_write(&self, token: &Token, write: &AclWrite) -> Try {
        if let Err(not_done) = self.raft.ready_to_read(Consistency::Default).await {
            return not_done.into();
        }
        let new_id = || Uuid::new_v4().to_string();
        let context = acl::Context { now: now(), new_id: &new_id, reset_index: self.reset_index(write) };
        let prepare = |view: &View| {
            // A token of before is of no matter to who begins.
            let nobody = Token::default();
            let token = if matches!(write, AclWrite::Bootstrap { .. }) { &nobody } else { token };
            let caller = self.guard.caller(view, token, context.now)?;
            table::check_acl_write(&caller, write)?;
            acl::write::prepare(view, &caller, write, &context)
        };
        let (command, subject) = match prepare(&self.raft.reader().load()) {
            Ok(prepared) => prepared,
            Err(error) => return Try::Done(Err(error)),
        };
        if let Some(command) = command {
            let outcome = match self.raft.propose(Command::Acl(command).encode().into()).await {
                Ok(outcome) => outcome,
                Err(not_done) => return not_done.into(),
            };
            if let Err(error) = endpoint::finish_write(outcome) {
                return Try::Done(Err(acl::with_kind(error)));
            }
        }
        if context.reset_index != 0 {
            self.forget_reset();
        }
        let shown = acl::write::finish(&self.raft.reader().load(), &subject);
        let encode = |shown| {
            let wrong = |error| RequestError::new(ErrorKind::Failed, format!("the answer cannot be encoded: {error}"));
            Ok(Response::Json(model::to_json(&shown).map_err(wrong)?.into()))
        };
        Try::Done(shown.and_then(encode))
    }

    /// The index of the bootstrap that an operator has taken back; 0 for none.
    fn reset_index(&self, write: &AclWrite) -> u64 {
        let (AclWrite::Bootstrap { .. }, Some(path)) = (write, &self.bootstrap_reset) else { return 0 };
        let Ok(text) = std::fs::read_to_string(path) else { return 0 };
        text.trim().parse().unwrap_or_else(|_| {
            tracing::warn!(target: "agent::acl", path = %path.display(), "the file must hold the reset index alone");
            0
        })
    }

    fn forget_reset(&self) {
        if let Some(Err(error)) = self.bootstrap_reset.as_ref().map(std::fs::remove_file) {
            tracing::warn!(target: "agent::acl", %error, "cannot remove acl-bootstrap-reset: remove it by hand");
        }
    }
}
