//! The commands of the ACL system: types 36 to 47 of the log.

use model::{AclAuthMethod, AclBindingRule, AclPolicy, AclRole, AclToken, Token};
use serde::{Deserialize, Serialize};

use crate::command::{decode, encode};

const PUT_TOKEN: u8 = 36;
const DELETE_TOKENS: u8 = 37;
const PUT_POLICY: u8 = 38;
const DELETE_POLICY: u8 = 39;
const PUT_ROLE: u8 = 40;
const DELETE_ROLE: u8 = 41;
const PUT_BINDING_RULE: u8 = 42;
const DELETE_BINDING_RULE: u8 = 43;
const PUT_AUTH_METHOD: u8 = 44;
const DELETE_AUTH_METHOD: u8 = 45;
const BOOTSTRAP: u8 = 46;
const SERVER_SECRET: u8 = 47;

/// A change of the ACL system. Ids, secrets and times were decided before.
#[derive(Clone, Debug, PartialEq)]
pub enum AclCommand {
    /// Make or replace a token.
    PutToken(Box<AclToken>),
    /// Delete tokens by accessor.
    DeleteTokens(Vec<String>),
    /// Make or replace a policy.
    PutPolicy(Box<AclPolicy>),
    /// Delete a policy by id.
    DeletePolicy(String),
    /// Make or replace a role.
    PutRole(Box<AclRole>),
    /// Delete a role by id.
    DeleteRole(String),
    /// Make or replace a binding rule.
    PutBindingRule(Box<AclBindingRule>),
    /// Delete a binding rule by id.
    DeleteBindingRule(String),
    /// Make or replace an auth method.
    PutAuthMethod(Box<AclAuthMethod>),
    /// Delete an auth method by name, with its binding rules and tokens.
    DeleteAuthMethod(String),
    /// Make the first token of all rights, once.
    Bootstrap {
        /// The token.
        token: Box<AclToken>,
        /// The index of an earlier bootstrap that an operator has taken back; 0 for none.
        reset_index: u64,
    },
    /// Set what servers show each other, unless it is set.
    ServerSecret(Token),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Names {
    names: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct BootstrapBody {
    token: AclToken,
    reset_index: u64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct SecretBody {
    secret: Token,
}

impl AclCommand {
    /// Whether a type is one of these.
    pub(crate) fn is_kind(kind: u8) -> bool {
        (PUT_TOKEN..=SERVER_SECRET).contains(&kind)
    }

    /// The bytes for the log.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let name = |kind, name: &String| encode(kind, &Names { names: vec![name.clone()] });
        match self {
            Self::PutToken(token) => encode(PUT_TOKEN, token),
            Self::DeleteTokens(accessors) => encode(DELETE_TOKENS, &Names { names: accessors.clone() }),
            Self::PutPolicy(policy) => encode(PUT_POLICY, policy),
            Self::DeletePolicy(id) => name(DELETE_POLICY, id),
            Self::PutRole(role) => encode(PUT_ROLE, role),
            Self::DeleteRole(id) => name(DELETE_ROLE, id),
            Self::PutBindingRule(rule) => encode(PUT_BINDING_RULE, rule),
            Self::DeleteBindingRule(id) => name(DELETE_BINDING_RULE, id),
            Self::PutAuthMethod(method) => encode(PUT_AUTH_METHOD, method),
            Self::DeleteAuthMethod(id) => name(DELETE_AUTH_METHOD, id),
            Self::Bootstrap { token, reset_index } => {
                encode(BOOTSTRAP, &BootstrapBody { token: (**token).clone(), reset_index: *reset_index })
            }
            Self::ServerSecret(secret) => encode(SERVER_SECRET, &SecretBody { secret: secret.clone() }),
        }
    }

    /// Reads a command of one of these types.
    pub(crate) fn decode(kind: u8, body: &[u8]) -> Result<Self, rmp_serde::decode::Error> {
        let name = |body| decode::<Names>(body).map(|body| body.names.into_iter().next().unwrap_or_default());
        match kind {
            PUT_TOKEN => decode(body).map(Self::PutToken),
            DELETE_TOKENS => decode::<Names>(body).map(|body| Self::DeleteTokens(body.names)),
            PUT_POLICY => decode(body).map(Self::PutPolicy),
            DELETE_POLICY => name(body).map(Self::DeletePolicy),
            PUT_ROLE => decode(body).map(Self::PutRole),
            DELETE_ROLE => name(body).map(Self::DeleteRole),
            PUT_BINDING_RULE => decode(body).map(Self::PutBindingRule),
            DELETE_BINDING_RULE => name(body).map(Self::DeleteBindingRule),
            PUT_AUTH_METHOD => decode(body).map(Self::PutAuthMethod),
            DELETE_AUTH_METHOD => name(body).map(Self::DeleteAuthMethod),
            BOOTSTRAP => decode::<BootstrapBody>(body)
                .map(|body| Self::Bootstrap { token: Box::new(body.token), reset_index: body.reset_index }),
            _ => decode::<SecretBody>(body).map(|body| Self::ServerSecret(body.secret)),
        }
    }
}
