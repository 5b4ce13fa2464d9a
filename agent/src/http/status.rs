//! `/v1/status`, and the readiness of this agent.

use http::StatusCode;
use server::request::{Action, Cluster, Response};

use super::extract::{Call, unexpected};
use super::reply::{Answer, Reply};

/// Address of the leader, empty when there is none.
pub async fn leader(call: &mut Call<'_>) -> Answer {
    call.read_options()?;
    match call.cluster(Cluster::Leader).await? {
        Response::Leader(address) => Reply::json_of(&address),
        other => Err(unexpected(&other)),
    }
}

/// Addresses of the voters.
pub async fn peers(call: &mut Call<'_>) -> Answer {
    call.read_options()?;
    match call.cluster(Cluster::Peers).await? {
        Response::Names(addresses) => Reply::json_of(&addresses),
        other => Err(unexpected(&other)),
    }
}

/// Whether this agent can serve: 200 when it knows a leader, else 503 with the reason. For probes; not in Consul.
pub async fn ready(call: &mut Call<'_>) -> Answer {
    let unready = |why: String| Reply::text(StatusCode::SERVICE_UNAVAILABLE, why);
    Ok(match call.ask_in("", Action::Cluster(Cluster::Leader)).await {
        Ok(Response::Leader(address)) if !address.is_empty() => Reply::text(StatusCode::OK, "ready"),
        Ok(_) => unready("no leader is known".to_owned()),
        Err(failure) => unready(format!("no server answers: {}", failure.message())),
    })
}
