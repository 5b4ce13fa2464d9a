//! The tokens of this agent: from the configuration, or set over HTTP and, if wanted, kept in the data directory.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use config::AclTokens;
use model::{Timestamp, Token};
use serde::{Deserialize, Serialize};

/// Which token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of requests that bring none.
    Default,
    /// Of what the agent does by itself.
    Agent,
    /// May use this agent when no server can be asked.
    Recovery,
    /// To copy from the primary datacenter with.
    Replication,
}

impl Kind {
    /// The kind of a name in `/v1/agent/token/:kind`, old names included.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "default" | "acl_token" => Some(Self::Default),
            "agent" | "acl_agent_token" => Some(Self::Agent),
            "agent_master" | "agent_recovery" | "acl_agent_master_token" => Some(Self::Recovery),
            "replication" | "acl_replication_token" => Some(Self::Replication),
            _ => None,
        }
    }
}

/// The tokens that were set over HTTP, in Consul's own file format; a missing one was not set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    replication: Option<Token>,
    #[serde(rename = "agent_master", skip_serializing_if = "Option::is_none")]
    recovery: Option<Token>,
    #[serde(rename = "default", skip_serializing_if = "Option::is_none")]
    default: Option<Token>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Token>,
}

impl Kept {
    fn slot(&mut self, kind: Kind) -> &mut Option<Token> {
        match kind {
            Kind::Default => &mut self.default,
            Kind::Agent => &mut self.agent,
            Kind::Recovery => &mut self.recovery,
            Kind::Replication => &mut self.replication,
        }
    }
}

/// Why a token could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("failed to persist tokens - {path}: {cause}")]
pub struct KeepError {
    path: String,
    cause: std::io::Error,
}

#[derive(Debug, Default)]
struct Inner {
    configured: AclTokens,
    set: Kept,
}

/// All tokens of this agent.
#[derive(Debug, Default)]
pub struct Tokens {
    inner: RwLock<Inner>,
    file: Option<PathBuf>,
}

impl Tokens {
    /// The configured ones, and over them what an earlier run was given over HTTP. `folder` is where they are kept.
    #[must_use]
    pub fn open(configured: AclTokens, folder: Option<&Path>) -> Self {
        let file = folder.map(|folder| folder.join("acl-tokens.json"));
        let read = |path: &Path| match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(error.to_string()),
        };
        let set = match file.as_deref().map(read) {
            Some(Ok(kept)) => kept,
            Some(Err(error)) => {
                tracing::warn!(target: "agent::acl", %error, "the tokens kept in acl-tokens.json cannot be read; those of the configuration hold");
                Kept::default()
            }
            None => Kept::default(),
        };
        Self { inner: RwLock::new(Inner { configured, set }), file }
    }

    fn get(&self, kind: Kind) -> Token {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let (set, configured) = match kind {
            Kind::Default => (&inner.set.default, &inner.configured.default),
            Kind::Agent => (&inner.set.agent, &inner.configured.agent),
            Kind::Recovery => (&inner.set.recovery, &inner.configured.agent_recovery),
            Kind::Replication => (&inner.set.replication, &inner.configured.replication),
        };
        set.as_ref().unwrap_or(configured).clone()
    }

    /// Token of requests that bring none.
    #[must_use]
    pub fn of_requests(&self) -> Token {
        self.get(Kind::Default)
    }

    /// Token of what the agent does by itself.
    #[must_use]
    pub fn agent(&self) -> Token {
        let agent = self.get(Kind::Agent);
        if agent == Token::default() { self.of_requests() } else { agent }
    }

    /// Whether this is the token that may use this agent when no server can be asked.
    #[must_use]
    pub fn is_recovery(&self, token: &Token) -> bool {
        *token != Token::default() && self.get(Kind::Recovery) == *token
    }

    /// Sets one over what is configured, and keeps it if that is wanted.
    ///
    /// # Errors
    /// When it cannot be kept; then it is not set either.
    pub fn set(&self, kind: Kind, token: Token) -> Result<(), KeepError> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let mut set = inner.set.clone();
        *set.slot(kind) = Some(token);
        if let Some(file) = &self.file {
            write(file, &set).map_err(|cause| KeepError { path: file.display().to_string(), cause })?;
        }
        inner.set = set;
        Ok(())
    }

    /// Takes over what the configuration says now. What was set over HTTP stays over it.
    pub fn configure(&self, configured: AclTokens) {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).configured = configured;
    }
}

fn write(file: &Path, kept: &Kept) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let beside = file.with_extension("tmp");
    let mut open = std::fs::OpenOptions::new();
    let mut out = open.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    out.write_all(&serde_json::to_vec(kept)?)?;
    out.sync_all()?;
    std::fs::rename(beside, file)
}

/// The clock of tokens.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_kept_and_stays_over_the_configuration() {
        let folder = tempfile::tempdir().expect("a folder");
        let configured = AclTokens { default: Token::new("d"), ..AclTokens::default() };
        let tokens = Tokens::open(configured.clone(), Some(folder.path()));
        assert_eq!((tokens.of_requests(), tokens.agent()), (Token::new("d"), Token::new("d")));
        tokens.set(Kind::Agent, Token::new("a")).expect("kept");
        tokens.set(Kind::Recovery, Token::new("r")).expect("kept");
        let again = Tokens::open(configured, Some(folder.path()));
        assert_eq!((again.of_requests(), again.agent()), (Token::new("d"), Token::new("a")));
        assert!(again.is_recovery(&Token::new("r")) && !again.is_recovery(&Token::default()));
        again.configure(AclTokens { agent: Token::new("x"), default: Token::new("y"), ..AclTokens::default() });
        assert_eq!((again.of_requests(), again.agent()), (Token::new("y"), Token::new("a")));
        assert!(!Tokens::default().is_recovery(&Token::default()));
    }
}
