//! `/v1/operator/keyring`: the gossip keys of the WAN pool and of the datacenter's LAN pool.

use http::StatusCode;
use serde::Deserialize;

use super::decode::{Shape, Struct, Unknown, decode, field};
use super::extract::{Call, parse_bool};
use super::reply::{Answer, Failure, Reply};
use crate::keyring::{KeyOperation, KeyReport, RELAY_FACTOR_MAX, errors, run};
use crate::local::multi_error;

static REQUEST: Struct = Struct {
    type_name: "agent.keyringArgs",
    fields: &[field("Key", Shape::TEXT)],
    unknown: Unknown::RefusePlainly,
    opaque: false,
    finish: None,
};

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "Key", default)]
    key: String,
}

/// `GET`: who has which keys.
pub async fn list(call: &Call<'_>) -> Answer {
    let (relay_factor, local_only) = options(call)?;
    Reply::json_of(&all_pools(call, KeyOperation::List, "", relay_factor, local_only).await?)
}

/// `POST`, `PUT` and `DELETE`: installs a key everywhere, encrypts with it, or removes it.
pub async fn change(call: &mut Call<'_>, operation: KeyOperation) -> Answer {
    let (relay_factor, local_only) = options(call)?;
    let body = call.take_body().await?;
    let decoded: Result<Body, _> = decode(&body, &REQUEST);
    let key = decoded.map_err(|error| bad(format!("Request decode failed: {error}")))?.key;
    if local_only {
        return Err(bad("Invalid use of local-only: local-only can only be set for list requests"));
    }
    all_pools(call, operation, &key, relay_factor, false).await?;
    Ok(Reply::empty(StatusCode::OK))
}

fn bad(text: impl std::fmt::Display) -> Failure {
    Failure::bad_request(format!("Bad request: {text}"))
}

/// Relay factor, and whether only the LAN is asked.
fn options(call: &Call<'_>) -> Result<(u8, bool), Failure> {
    let relay_factor = match call.query.text("relay-factor") {
        "" => 0,
        text => {
            let number: i64 = text.parse().map_err(|_| {
                bad(format!("Error parsing relay factor: strconv.Atoi: parsing {text:?}: invalid syntax"))
            })?;
            let range = format!("Invalid relay-factor: Relay factor must be in range: [0, {RELAY_FACTOR_MAX}]");
            u8::try_from(number).ok().filter(|factor| *factor <= RELAY_FACTOR_MAX).ok_or_else(|| bad(range))?
        }
    };
    let local_only = match call.query.text("local-only") {
        "" => false,
        text => parse_bool(text).ok_or_else(|| {
            bad(format!("Error parsing local-only: strconv.ParseBool: parsing {text:?}: invalid syntax"))
        })?,
    };
    Ok((relay_factor, local_only))
}

/// Both pools at the same time; an error when a member of either failed.
async fn all_pools(
    call: &Call<'_>,
    operation: KeyOperation,
    key: &str,
    relay_factor: u8,
    local_only: bool,
) -> Result<Vec<KeyReport>, Failure> {
    let facts = &call.state.agent;
    if !facts.identity.server {
        return Err(Failure::internal("keyring operations must run against a server node"));
    }
    let datacenter = || call.state.datacenter.clone();
    let in_wan = async {
        match facts.wan.as_ref().filter(|_| !local_only) {
            Some(wan) => {
                let report = run(wan, operation, key, relay_factor).await;
                Some(KeyReport { wan: true, datacenter: datacenter(), ..report })
            }
            None => None,
        }
    };
    let (wan, lan) = tokio::join!(in_wan, run(&facts.lan, operation, key, relay_factor));
    let lan = KeyReport { datacenter: datacenter(), ..lan };
    let reports: Vec<KeyReport> = wan.into_iter().chain([lan]).collect();
    match errors(&reports).as_slice() {
        [] => Ok(reports),
        lines => Err(Failure::internal(multi_error(lines))),
    }
}
