//! Checks of this agent: listing, register, deregister, and the results of TTL checks.

use filter::{Filter, JsonRow, Schema};
use model::{CheckId, Json};

use server::acl::rows::sees;

use super::shapes::{CheckBody, STANDALONE_CHECK, UPDATE, Update};
use super::{registered, tail_text, vet};
use crate::http::extract::Call;
use crate::http::reply::{Answer, Failure, Reply};
use crate::local::{Source, StandaloneCheckSpec};

/// A `?filter` over rows in JSON.
pub struct RowFilter {
    filter: Filter,
    schema: &'static Schema,
}

impl RowFilter {
    /// Whether the row matches.
    #[must_use]
    pub fn takes(&self, row: &Json) -> bool {
        self.filter.matches(&JsonRow { value: row, schema: self.schema })
    }
}

/// The `?filter` of a listing, if there is one.
pub fn filter_of(call: &Call<'_>, schema: &'static Schema, prefix: &str) -> Result<Option<RowFilter>, Failure> {
    match call.query.text("filter") {
        "" => Ok(None),
        text => match Filter::parse(text, schema) {
            Ok(filter) => Ok(Some(RowFilter { filter, schema })),
            Err(error) => Err(Failure::internal(format!("{prefix}{error}"))),
        },
    }
}

/// `GET /v1/agent/checks`
pub async fn checks(call: &Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let caller = call.caller().await?;
    let filter = filter_of(call, &filter::CHECK, "")?;
    call.state.agent.local.with_registry(|registry| {
        let mut shown = serde_json::Map::new();
        for (id, entry) in registry.checks() {
            if !sees(&caller, &entry.check.node, &entry.check.service_name) {
                continue;
            }
            let row = serde_json::to_value(&*entry.check).map_err(|error| Failure::internal(error.to_string()))?;
            if filter.as_ref().is_none_or(|filter| filter.takes(&row)) {
                shown.insert(id.to_string(), row);
            }
        }
        Reply::json_of(&shown)
    })
}

/// `PUT /v1/agent/check/register`
pub async fn register_check(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let body: CheckBody = call.take_json(&STANDALONE_CHECK).await?;
    let mut spec = StandaloneCheckSpec::from(body);
    if spec.token.secret().is_empty() {
        spec.token = call.token();
    }
    vet::check_register(call, &spec).await?;
    call.state.agent.local.register_check(&spec, Source::Remote).await?;
    registered(call).await
}

/// `PUT /v1/agent/check/deregister/:id`
pub async fn deregister_check(call: &Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let id = CheckId::from(tail_text(call));
    if !id.is_empty() {
        vet::check(call, &id).await?;
    }
    call.state.agent.local.deregister_check(&id).await?;
    registered(call).await
}

/// `PUT /v1/agent/check/{pass,warn,fail}/:id`
pub async fn set_check(call: &Call<'_>, status: &'static str) -> Answer {
    call.refuse_namespace()?;
    let id = CheckId::from(tail_text(call));
    vet::check(call, &id).await?;
    call.state.agent.local.update_ttl(&id, status, call.query.text("note")).await?;
    registered(call).await
}

/// `PUT /v1/agent/check/update/:id`
pub async fn update_check(call: &mut Call<'_>) -> Answer {
    call.refuse_namespace()?;
    let update: Update = call.take_json(&UPDATE).await?;
    let id = CheckId::from(tail_text(call));
    vet::check(call, &id).await?;
    call.state.agent.local.update_ttl(&id, &update.status, &update.output).await?;
    registered(call).await
}
