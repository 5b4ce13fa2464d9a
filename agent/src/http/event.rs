//! `/v1/event`: user events, which live in gossip and in the memory of each agent.

use std::sync::Arc;
use std::time::Duration;

use acl::{Level, Resource};
use base64::Engine as _;
use serde_json::json;
use server::request::ErrorKind;

use super::extract::Call;
use super::reply::{Answer, Failure, Reply};
use crate::events::{Filters, UserEvent};

/// How long a query waits that does not say it.
const WAIT_DEFAULT: Duration = Duration::from_secs(300);
/// How long a query waits at most.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Index where there is no event: not 0, or clients would ask again at once.
const INDEX_OF_NOTHING: u64 = 1;

/// `PUT /v1/event/fire/:name`
pub async fn fire(call: &mut Call<'_>) -> Answer {
    let name = call.name("Missing name")?.into_owned();
    call.caller().await?.require(Resource::Event, &name, Level::Write)?;
    let text = |key: &str| call.query.text(key).to_owned();
    let filters = Filters { node: text("node"), service: text("service"), tag: text("tag") };
    let datacenter = text("dc");
    let payload = call.take_body().await?.to_vec();
    let event = UserEvent::new(name, payload, filters);
    if !datacenter.is_empty() && datacenter != call.state.datacenter {
        return Err(server::request::RequestError::new(ErrorKind::Failed, "No path to datacenter").into());
    }
    let fired = call.state.agent.events.fire(&event).await;
    fired.map_err(|error| Failure::internal(error.to_string()))?;
    Reply::json_of(&shape(&event))
}

/// `GET /v1/event/list`
pub async fn list(call: &Call<'_>) -> Answer {
    let (min_index, wait_ms) = call.blocking()?;
    let caller = call.caller().await?;
    let wait = match Duration::from_millis(wait_ms) {
        Duration::ZERO => WAIT_DEFAULT,
        wait => wait.min(WAIT_MAX),
    };
    let deadline = tokio::time::Instant::now() + wait;
    let events = &call.state.agent.events;
    let mut changes = events.watch();
    loop {
        changes.mark_unchanged();
        let mut found = events.list(call.query.text("name"));
        found.retain(|event| caller.allows(Resource::Event, &event.name, Level::Read));
        let index = found.last().map_or(INDEX_OF_NOTHING, |event| event.index());
        let is_known = min_index > 0 && index == min_index;
        if !is_known || !matches!(tokio::time::timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
            let rows: Vec<_> = found.iter().map(Arc::as_ref).map(shape).collect();
            return Ok(Reply::json_of(&rows)?.with_index(index));
        }
    }
}

fn shape(event: &UserEvent) -> serde_json::Value {
    let payload = (!event.payload.is_empty()).then(|| base64::engine::general_purpose::STANDARD.encode(&event.payload));
    json!({
        "ID": event.id,
        "Name": event.name,
        "Payload": payload,
        "NodeFilter": event.filters.node,
        "ServiceFilter": event.filters.service,
        "TagFilter": event.filters.tag,
        "Version": event.version,
        "LTime": event.ltime,
    })
}
