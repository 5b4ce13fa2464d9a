//! Services of this agent: listing, one, health, register, deregister, maintenance.

use std::time::Duration;

use acl::{Level, Resource};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use model::{HealthCheck, NodeService, ServiceId, Token};
use tokio::time::Instant;

use super::shapes::SERVICE;
use super::vet;
use super::views::{HealthView, ServiceView, aggregate, check_of_health};
use super::{enable_of, registered, tail_text};
use crate::http::extract::Call;
use crate::http::reply::{Answer, Failure, Reply};
use crate::local::{Registry, ServiceSpec, Source};

const REASON: HeaderName = HeaderName::from_static("x-consul-reason");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-consul-contenthash");

/// Wait of a hash query that gives none.
const WAIT_DEFAULT: Duration = Duration::from_secs(300);
/// Longest wait of a hash query.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// `GET /v1/agent/services`
pub async fn services(call: &Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let caller = call.caller().await?;
    let filter =
        super::checks::filter_of(call, &filter::NODE_SERVICE, "Failed to create boolean expression evaluator: ")?;
    call.state.agent.local.with_registry(|registry| {
        let mut shown = serde_json::Map::new();
        for (id, entry) in registry.services() {
            if !caller.allows(Resource::Service, &*entry.service.service, Level::Read) {
                continue;
            }
            let view = serde_json::to_value(ServiceView::new(&entry.service))
                .map_err(|error| Failure::internal(error.to_string()))?;
            if filter.as_ref().is_none_or(|filter| filter.takes(&view)) {
                shown.insert(id.to_string(), view);
            }
        }
        Reply::json_of(&shown)
    })
}

/// `GET /v1/agent/service/:id`: with `?hash` it waits until the service is another.
pub async fn service(call: &Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let id = tail_text(call);
    let wanted = call.query.text("hash");
    let wait = match call.query.text("wait") {
        "" => WAIT_DEFAULT,
        text => model::parse_duration(text).map_err(|_| Failure::bad_request("Invalid wait time"))?.min(WAIT_MAX),
    };
    let deadline = Instant::now() + wait;
    let caller = call.caller().await?;
    let local = &call.state.agent.local;
    let mut changes = local.watch();
    loop {
        changes.borrow_and_update();
        let found = local.with_registry(|registry| {
            let entry = registry.services().get(id.as_str())?;
            let (view, hash) = ServiceView::new(&entry.service).with_hash(&entry.service);
            let allowed = caller.require(Resource::Service, &*entry.service.service, Level::Read);
            Some((allowed.map_err(Failure::from).and_then(|()| Reply::json_of(&view)), hash))
        });
        let Some((reply, hash)) = found else {
            return Err(Failure::new(StatusCode::NOT_FOUND, format!("unknown service ID: {id}")));
        };
        let reply = reply?;
        let timed_out = Instant::now() >= deadline;
        if wanted.is_empty() || wanted != hash || timed_out {
            let value = HeaderValue::try_from(hash).map_err(|error| Failure::internal(error.to_string()))?;
            return Ok(reply.with_header(CONTENT_HASH, value));
        }
        // Woken by a change or by the time; either way the answer is made anew.
        let _ = tokio::time::timeout_at(deadline, changes.changed()).await;
    }
}

/// `PUT /v1/agent/service/register`
pub async fn register_service(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let mut spec: ServiceSpec = call.take_json(&SERVICE).await?;
    if spec.token == Token::default() {
        spec.token = call.token();
    }
    vet::service_register(call, &spec).await?;
    let replace = call.query.has("replace-existing-checks");
    call.state.agent.local.register_service(&spec, Source::Remote, replace).await?;
    registered(call).await
}

/// `PUT /v1/agent/service/deregister/:id`
pub async fn deregister_service(call: &Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let id = ServiceId::from(tail_text(call));
    if !id.is_empty() {
        vet::service(call, &id).await?;
    }
    call.state.agent.local.deregister_service(&id).await?;
    registered(call).await
}

/// `PUT /v1/agent/service/maintenance/:id`
pub async fn service_maintenance(call: &Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let id = ServiceId::from(tail_text(call));
    if id.is_empty() {
        return Err(Failure::bad_request("Missing service ID"));
    }
    let enable = enable_of(call)?;
    vet::service(call, &id).await?;
    let local = &call.state.agent.local;
    local.set_service_maintenance(&id, enable, call.query.text("reason"), call.token()).await?;
    registered(call).await
}

/// `PUT /v1/agent/maintenance`
pub async fn maintenance(call: &Call<'_>) -> Answer {
    let enable = enable_of(call)?;
    call.state.agent.local.set_node_maintenance(enable, call.query.text("reason"), call.token()).await?;
    registered(call).await
}

/// `GET /v1/agent/health/service/id/:id`
pub async fn service_health_by_id(call: &Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let id = tail_text(call);
    if id.is_empty() {
        return Err(Failure::internal("Bad request: Missing serviceID"));
    }
    let caller = call.caller().await?;
    call.state.agent.local.with_registry(|registry| {
        let Some(entry) = registry.services().get(id.as_str()) else {
            let reason = format!("ServiceId {id} not found");
            let body = if is_text(call) {
                Reply::json_of(&reason)?
            } else {
                let none = HealthView { aggregated_status: "critical", service: None, checks: None };
                Reply::json_of(&none)?
            };
            return reasoned(body.with_status(StatusCode::NOT_FOUND), &reason);
        };
        caller.require(Resource::Service, &*entry.service.service, Level::Read)?;
        let health = health_of(registry, &entry.service);
        let status = health.aggregated_status;
        answer_health(call, status, Reply::json_of(&health)?)
    })
}

/// `GET /v1/agent/health/service/name/:name`
pub async fn service_health_by_name(call: &Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let name = tail_text(call);
    if name.is_empty() {
        return Err(Failure::internal("Bad request: Missing service Name"));
    }
    call.caller().await?.require(Resource::Service, &name, Level::Read)?;
    call.state.agent.local.with_registry(|registry| {
        let named = registry.services().values().filter(|entry| *entry.service.service == *name);
        let all: Vec<HealthView<'_>> = named.map(|entry| health_of(registry, &entry.service)).collect();
        if all.is_empty() {
            let reason = format!("ServiceName {name} Not Found");
            let body = if is_text(call) { plain_text(reason.clone()) } else { Reply::json_of(&all)? };
            return reasoned(body.with_status(StatusCode::NOT_FOUND), &reason);
        }
        let worst = all.iter().map(|health| health.aggregated_status).max_by_key(|status| severity(status));
        answer_health(call, worst.unwrap_or("passing"), Reply::json_of(&all)?)
    })
}

fn is_text(call: &Call<'_>) -> bool {
    call.query.text("format") == "text"
}

/// Text without the character set, as this endpoint has it.
fn plain_text(text: String) -> Reply {
    Reply::text(StatusCode::OK, text).with_header(CONTENT_TYPE, HeaderValue::from_static("text/plain"))
}

fn reasoned(reply: Reply, reason: &str) -> Answer {
    // A name with characters that no header may hold has no reason; the body says it anyway.
    Ok(match HeaderValue::try_from(reason) {
        Ok(value) => reply.with_header(REASON, value),
        Err(_) => reply,
    })
}

fn severity(status: &str) -> u8 {
    match status {
        "maintenance" => 3,
        "critical" => 2,
        "warning" => 1,
        _ => 0,
    }
}

fn answer_health(call: &Call<'_>, status: &'static str, json: Reply) -> Answer {
    let code = match status {
        "passing" => StatusCode::OK,
        "warning" => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let reply = if is_text(call) { plain_text(status.to_owned()) } else { json };
    reasoned(reply.with_status(code), status)
}

/// The health of an instance: its own checks, then those of the node.
fn health_of<'a>(registry: &'a Registry, service: &'a NodeService) -> HealthView<'a> {
    let of = |id: &str| -> Vec<&HealthCheck> {
        registry.checks().values().map(|entry| &*entry.check).filter(|check| *check.service_id == *id).collect()
    };
    let mut checks = of(&service.id);
    checks.extend(of(""));
    HealthView {
        aggregated_status: aggregate(checks.iter().copied()),
        service: Some(ServiceView::new(service)),
        checks: Some(checks.into_iter().map(check_of_health).collect()),
    }
}
