//! Access rules: what a policy's text says, what several policies come to together, and what they allow.
//!
//! Pure: it knows no tokens, no store and no requests. The server makes an [`Authorizer`] from the policies of a token
//! and asks it.

mod access;
mod authorizer;
mod builtin;
mod legacy;
pub mod limits;
mod rules;

pub use access::{Access, Default, Level, Resource};
pub use authorizer::{Authorizer, Decision, minimal_rule};
pub use builtin::{MANAGEMENT_RULES, agent_recovery_rules, node_identity_rules, service_identity_rules};
pub use legacy::translate;
pub use rules::{NamedRule, Rules, RulesError, Syntax};
