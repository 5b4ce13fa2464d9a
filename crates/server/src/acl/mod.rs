//! The ACL system: who asks ([`Guard`]), what it may (`table` for requests, `rows` for what is in answers), and its own
//! questions and changes.
//!
//! Tokens are resolved where the state is, with the view that answers: there is nothing between a change of a policy and
//! its effect on a server.

pub mod check;
mod guard;
mod links;
pub mod login;
pub(crate) mod mesh;
pub mod query;
pub mod rows;
pub mod table;
pub mod write;

pub use guard::{Caller, Guard, Settings};
pub use login::{Identity, Login, Method};
pub use query::{AclAnswer, AclQuery};
pub use write::{AclWrite, Context, Prepared, Subject};

/// In place of secrets that the caller may not see.
const HIDDEN: &str = "<hidden>";

use crate::request::{Action, ErrorKind, Query, RequestError, Write};

/// Consul's `Permission denied`.
#[must_use]
pub fn denied() -> RequestError {
    RequestError::new(ErrorKind::Denied, "Permission denied")
}

/// Consul's `ACL not found`: the secret belongs to no token.
#[must_use]
pub fn not_found() -> RequestError {
    RequestError::new(ErrorKind::Denied, "ACL not found")
}

/// Consul's answer to everything about ACLs where they are off.
#[must_use]
pub fn disabled() -> RequestError {
    RequestError::new(ErrorKind::Unauthorized, "ACL support disabled")
}

/// Refuses what only the ACL system can answer where it is off.
///
/// # Errors
/// `ACL support disabled`.
pub fn check_enabled(settings: &Settings, action: &Action) -> Result<(), RequestError> {
    match action {
        // Agents ask for rights whether there are any or not.
        Action::Read(_, Query::Acl(AclQuery::Rights)) => Ok(()),
        Action::Read(_, Query::Acl(_)) | Action::Write(Write::Acl(_)) if !settings.enabled => Err(disabled()),
        Action::Read(..) | Action::Write(_) | Action::Cluster(_) => Ok(()),
    }
}

/// An error of an applied change, with the kind that its text tells.
#[must_use]
pub fn with_kind(mut error: RequestError) -> RequestError {
    if error.message.starts_with("Permission denied") || error.message.starts_with("ACL not found") {
        error.kind = ErrorKind::Denied;
    }
    error
}

fn failed(text: impl Into<String>) -> RequestError {
    RequestError::new(ErrorKind::Failed, text)
}
