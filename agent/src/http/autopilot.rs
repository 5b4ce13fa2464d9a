//! `/v1/operator/autopilot` and `/v1/operator/usage`.

use std::collections::BTreeMap;

use http::StatusCode;
use model::{AutopilotChange, AutopilotConfig};
use serde_json::json;
use server::request::{Cluster, Consistency, Response, Write};

use super::decode::{Shape, Struct, Unknown, decode, field};
use super::extract::{Call, parse_u64, unexpected};
use super::reply::{Answer, Failure, Reply};

static CONFIG: Struct = Struct {
    type_name: "api.AutopilotConfiguration",
    fields: &[
        field("CleanupDeadServers", Shape::Bool),
        field("LastContactThreshold", Shape::Duration),
        field("MaxTrailingLogs", Shape::Uint("uint64")),
        field("MinQuorum", Shape::Uint("uint")),
        field("ServerStabilizationTime", Shape::Duration),
        field("RedundancyZoneTag", Shape::TEXT),
        field("DisableUpgradeMigration", Shape::Bool),
        field("UpgradeVersionTag", Shape::TEXT),
        field("CreateIndex", Shape::Uint("uint64")),
        field("ModifyIndex", Shape::Uint("uint64")),
    ],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

async fn is_stale(call: &Call<'_>) -> Result<bool, Failure> {
    Ok(call.consistency()?.0 == Consistency::Stale)
}

/// The settings.
pub async fn config(call: &mut Call<'_>) -> Answer {
    let stale = is_stale(call).await?;
    match call.cluster(Cluster::AutopilotConfig { stale }).await? {
        Response::AutopilotConfig(config) => Reply::json_of(&config),
        other => Err(unexpected(&other)),
    }
}

/// Replaces the settings, always or (`?cas`) if they are still as the client knows them.
pub async fn set_config(call: &mut Call<'_>) -> Answer {
    let body = call.take_body().await?;
    let config: AutopilotConfig = decode(&body, &CONFIG)
        .map_err(|error| Failure::bad_request(format!("Bad request: Error parsing autopilot config: {error}")))?;
    let cas = call.query.get("cas").map(parse_u64).transpose();
    let cas = cas.map_err(|error| Failure::bad_request(format!("Bad request: Error parsing cas value: {error}")))?;
    let change = AutopilotChange { config, cas, is_initial: false };
    Ok(Reply::boolean(call.write_in(call.query.text("dc"), Write::Autopilot(change)).await?))
}

/// How the servers are; 429 when not all are well.
pub async fn health(call: &mut Call<'_>) -> Answer {
    call.consistency()?;
    let health = match call.cluster(Cluster::AutopilotHealth).await? {
        Response::AutopilotHealth(health) => health,
        other => return Err(unexpected(&other)),
    };
    if health.healthy {
        return Reply::json_of(&health);
    }
    let text = model::to_json(&health).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(Reply::text(StatusCode::TOO_MANY_REQUESTS, text))
}

/// The same with more of it, as newer versions of Consul have it.
pub async fn state(call: &mut Call<'_>) -> Answer {
    call.consistency()?;
    match call.cluster(Cluster::AutopilotState).await? {
        Response::AutopilotState(state) => Reply::json_of(&state),
        other => Err(unexpected(&other)),
    }
}

/// How much is registered, as newer versions of Consul have it.
pub async fn usage(call: &mut Call<'_>) -> Answer {
    let stale = is_stale(call).await?;
    let (meta, usage) = match call.cluster(Cluster::Usage { stale }).await? {
        Response::Usage(meta, usage) => (meta, usage),
        other => return Err(unexpected(&other)),
    };
    let datacenter = match call.query.text("dc") {
        "" => call.state.datacenter.clone(),
        datacenter => datacenter.to_owned(),
    };
    let body = json!({
        "Usage": BTreeMap::from([(datacenter, usage)]),
        "Index": meta.index,
        "LastContact": meta.last_contact_ms * 1_000_000,
        "KnownLeader": meta.known_leader,
        "ConsistencyLevel": if stale { "stale" } else { "leader" },
        "NotModified": false,
        "Backend": 0,
        "ResultsFilteredByACLs": false,
    });
    Ok(Reply::json_of(&body)?.with_read(&meta))
}
