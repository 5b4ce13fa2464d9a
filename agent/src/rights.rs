//! Who may use this agent's own endpoints. A server looks into its state; a client asks a server and remembers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::acl::Default as Policy;
use config::DownPolicy;
use model::{NodeName, Token};
use server::acl::query::Rights;
use server::acl::{AclAnswer, AclQuery, Caller, denied, not_found};
use server::request::{
    Action, Answer, Body, Consistency, ErrorKind, Query, ReadOptions, Request, RequestError, Response,
};
use tokio::time::Instant;

use crate::backend::Backend;
use crate::tokens::{Tokens, now};

/// Most tokens that a client agent remembers.
const REMEMBERED_MAX: usize = 4096;

/// How this agent decides.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether ACLs are on.
    pub enabled: bool,
    /// What holds where no rule speaks.
    pub default: Policy,
    /// What holds when no server can be asked.
    pub down_policy: DownPolicy,
    /// How long an answer of a server is good.
    pub ttl: Duration,
}

impl From<&config::Acl> for Settings {
    fn from(acl: &config::Acl) -> Self {
        Self {
            enabled: acl.enabled,
            default: if acl.default_allow { Policy::Allow } else { Policy::Deny },
            down_policy: acl.down_policy,
            ttl: acl.token_ttl,
        }
    }
}

#[derive(Clone)]
struct Remembered {
    asked: Instant,
    rights: Result<Rights, RequestError>,
}

/// The deciding part of an agent. Cloning shares it.
#[derive(Clone)]
pub struct AgentRights(Arc<Inner>);

struct Inner {
    settings: Settings,
    node: NodeName,
    tokens: Arc<Tokens>,
    backend: Backend,
    remembered: Mutex<HashMap<Token, Remembered>>,
}

impl AgentRights {
    /// Decides for the agent of this node.
    #[must_use]
    pub fn new(settings: Settings, node: NodeName, tokens: Arc<Tokens>, backend: Backend) -> Self {
        Self(Arc::new(Inner { settings, node, tokens, backend, remembered: Mutex::default() }))
    }

    /// Everything is allowed.
    #[must_use]
    pub fn off(backend: Backend) -> Self {
        let (default, down_policy) = (Policy::Allow, DownPolicy::Allow);
        let settings = Settings { enabled: false, default, down_policy, ttl: Duration::ZERO };
        Self::new(settings, NodeName::default(), Arc::default(), backend)
    }

    /// Whether ACLs are on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.0.settings.enabled
    }

    /// The tokens of this agent.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The same, to keep.
    #[must_use]
    pub fn shared_tokens(&self) -> Arc<Tokens> {
        self.0.tokens.clone()
    }

    /// Name of this agent's node.
    #[must_use]
    pub fn node(&self) -> &NodeName {
        &self.0.node
    }

    /// Who shows this secret.
    ///
    /// # Errors
    /// `ACL not found` when it belongs to no token, `Permission denied` when that cannot be found out and the down
    /// policy says so.
    pub async fn caller(&self, token: &Token) -> Result<Caller, RequestError> {
        let inner = &self.0;
        if !inner.settings.enabled {
            return Ok(Caller::everything());
        }
        if inner.tokens.is_recovery(token) {
            return self.decide(&Rights { rules: vec![::acl::agent_recovery_rules(&inner.node)], ..Rights::default() });
        }
        if let Backend::Local(server) = &inner.backend
            && let Ok(caller) = server.caller(token)
        {
            return Ok(caller);
        }
        let known = inner.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        match known {
            Some(known) if known.asked.elapsed() < inner.settings.ttl => self.decide(&known.rights?),
            Some(known) if inner.settings.down_policy == DownPolicy::AsyncCache => {
                let (this, token) = (self.clone(), token.clone());
                tokio::spawn(async move { this.ask(&token).await });
                self.decide(&known.rights?)
            }
            known => match self.ask(token).await {
                Ok(rights) => self.decide(&rights),
                Err(error) if error.kind == ErrorKind::Denied => Err(error),
                Err(error) => self.decide_alone(known, &error),
            },
        }
    }

    fn decide(&self, rights: &Rights) -> Result<Caller, RequestError> {
        if rights.everything {
            return Ok(Caller::everything());
        }
        if rights.expires.is_some_and(|time| time <= now()) {
            return Err(not_found());
        }
        let unreadable = |error: ::acl::RulesError| RequestError::new(ErrorKind::Failed, error.to_string());
        Caller::with_rules(&rights.rules, self.0.settings.default).map_err(unreadable)
    }

    /// No server can be asked.
    fn decide_alone(&self, known: Option<Remembered>, error: &RequestError) -> Result<Caller, RequestError> {
        tracing::warn!(target: "agent::acl", %error, policy = ?self.0.settings.down_policy, "no server can say what a token may");
        match (self.0.settings.down_policy, known) {
            (DownPolicy::Allow, _) => Ok(Caller::everything()),
            (DownPolicy::ExtendCache | DownPolicy::AsyncCache, Some(known)) => self.decide(&known.rights?),
            (DownPolicy::Deny, _) | (DownPolicy::ExtendCache | DownPolicy::AsyncCache, None) => Err(denied()),
        }
    }

    async fn ask(&self, token: &Token) -> Result<Rights, RequestError> {
        let options = ReadOptions { consistency: Consistency::Stale, ..ReadOptions::default() };
        let action = Action::Read(options, Query::Acl(AclQuery::Rights));
        let request = Request { datacenter: String::new(), token: token.clone(), action };
        let rights = match self.0.backend.call(request).await {
            Ok(Response::Read(_, Body::Rows(Answer::Acl(AclAnswer::Rights(rights))))) => Ok(rights),
            Ok(_) => {
                return Err(RequestError::new(ErrorKind::Failed, "the server answered something else than rights"));
            }
            Err(error) if error.kind == ErrorKind::Denied => Err(not_found()),
            Err(error) => return Err(error),
        };
        let mut remembered = self.0.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(token.clone(), Remembered { asked: Instant::now(), rights: rights.clone() });
        rights
    }
}
