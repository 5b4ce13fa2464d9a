//! `/v1/agent`: the agent that answers, its membership, and what is registered on it.

mod checks;
mod content_hash;
mod facts;
mod figures;
mod membership;
mod services;
mod shapes;
#[cfg(test)]
mod tests;
mod vet;
mod views;

pub use checks::{checks, deregister_check, register_check, set_check, update_check};
pub use facts::{AgentFacts, Identity, StatGroups};
pub use figures::{host, metrics, monitor};
pub use membership::{force_leave, join, leave, members, reload, self_view, version};
pub use services::{
    deregister_service, maintenance, register_service, service, service_health_by_id, service_health_by_name,
    service_maintenance, services,
};

use http::StatusCode;

use super::extract::{Call, parse_bool};
use super::reply::{Answer, Failure, Reply};
use crate::local::LocalError;

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.to_string())
    }
}

/// The answer to a change that has nothing to tell.
fn done() -> Answer {
    Ok(Reply::empty(StatusCode::OK))
}

/// The answer to a change of what is registered here: once the catalog was told, as far as it can be reached, so that
/// whoever reads there next finds it.
async fn registered(call: &Call<'_>) -> Answer {
    call.state.agent.local.catalog_told().await;
    done()
}

/// The path after the pattern as text; may be empty.
fn tail_text(call: &Call<'_>) -> String {
    String::from_utf8_lossy(call.tail).into_owned()
}

/// `?enable` of the maintenance endpoints.
fn enable_of(call: &Call<'_>) -> Result<bool, Failure> {
    let text = call.query.get("enable").ok_or_else(|| Failure::bad_request("Missing value for enable"))?;
    parse_bool(text).ok_or_else(|| Failure::bad_request(format!("Invalid value for enable: {text:?}")))
}
