//! Changes of the ACL system on the leader: prepared with what only the leader decides, proposed, and shown.

use model::{Json, Token};
use server::acl::{self, AclWrite, Login, Subject, table};
use server::endpoint;
use server::request::{Consistency, ErrorKind, RequestError, Response};
use state::{AclCommand, Command, View};
use uuid::Uuid;

use super::local::{LocalServer, Try};
use crate::login::Found;
use crate::tokens::now;

/// A request that was checked.
enum Ready {
    /// What to propose, if anything, and what to show then.
    Propose(Option<AclCommand>, Subject),
    /// There is nothing to propose.
    Answer(Json),
}

fn encode(shown: &Json) -> Result<Response, RequestError> {
    let wrong = |error| RequestError::new(ErrorKind::Failed, format!("the answer cannot be encoded: {error}"));
    Ok(Response::Json(model::to_json(shown).map_err(wrong)?.into()))
}

impl LocalServer {
    pub(super) async fn try_acl_write(&self, token: &Token, write: &AclWrite) -> Try {
        if let Err(not_done) = self.raft.ready_to_read(Consistency::Default).await {
            return not_done.into();
        }
        let new_id = || Uuid::new_v4().to_string();
        let (reset_index, datacenter) = (self.reset_index(write), self.datacenter.as_str());
        let context = acl::Context { now: now(), new_id: &new_id, reset_index, datacenter };
        let prepared = match write {
            AclWrite::Login(login) => self.prepare_login(login, &context).await,
            _ => self.prepare_acl_write(token, write, &context).await,
        };
        let (command, subject) = match prepared {
            Ok(Ready::Propose(command, subject)) => (command, subject),
            Ok(Ready::Answer(shown)) => return Try::Done(encode(&shown)),
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
        Try::Done(shown.and_then(|shown| encode(&shown)))
    }

    async fn prepare_acl_write(
        &self,
        token: &Token,
        write: &AclWrite,
        context: &acl::Context<'_>,
    ) -> Result<Ready, RequestError> {
        let prepare = |view: &View| {
            // A token of before is of no matter to who begins.
            let nobody = Token::default();
            let token = if matches!(write, AclWrite::Bootstrap { .. }) { &nobody } else { token };
            let caller = self.guard.caller(view, token, context.now)?;
            table::check_acl_write(&caller, write)?;
            acl::write::prepare(view, &caller, write, context)
        };
        let (command, subject) = prepare(&self.raft.reader().load())?;
        if let Some(AclCommand::PutAuthMethod(method)) = &command {
            self.logins.check(method).await?;
        }
        Ok(Ready::Propose(command, subject))
    }

    /// Who has no token yet shows none, or one that is of no matter.
    async fn prepare_login(&self, login: &Login, context: &acl::Context<'_>) -> Result<Ready, RequestError> {
        let (method, secret) = {
            let view = self.raft.reader().load();
            let method = view.acl_auth_method(login.auth_method()).cloned().ok_or_else(acl::not_found)?;
            (method, view.server_secret().cloned())
        };
        let secret = secret.ok_or_else(RequestError::no_leader)?;
        let seconds = i64::try_from(context.now.0 / 1_000_000_000).unwrap_or(i64::MAX);
        match self.logins.find(&method, login, &secret, seconds).await? {
            Found::Answer(shown) => Ok(Ready::Answer(shown)),
            Found::Identity(identity, meta) => {
                let view = self.raft.reader().load();
                let (command, subject) = acl::login::token(&view, &method, &identity, &meta, context)?;
                Ok(Ready::Propose(command, subject))
            }
        }
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
