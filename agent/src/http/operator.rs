//! `/v1/operator`.

use http::StatusCode;
use model::ServerId;
use server::request::{Cluster, Consistency, Response};

use super::extract::{Call, unexpected};
use super::reply::{Answer, Failure, Reply};

/// The servers of the Raft configuration.
pub async fn raft_configuration(call: &mut Call<'_>) -> Answer {
    let (consistency, _) = call.consistency()?;
    match call.cluster(Cluster::RaftConfiguration { stale: consistency == Consistency::Stale }).await? {
        Response::RaftConfiguration(configuration) => Reply::json_of(&configuration),
        other => Err(unexpected(&other)),
    }
}

/// Removes a server that is gone for good.
pub async fn remove_peer(call: &mut Call<'_>) -> Answer {
    if call.query.has("id") && call.query.has("address") {
        return Err(Failure::bad_request("Bad request: Must specify only one of ?id or ?address"));
    }
    let question = match (call.query.text("id"), call.query.text("address")) {
        ("", "") => {
            return Err(Failure::bad_request(
                "Bad request: Must specify either ?id with the server's ID or ?address with IP:port of peer to remove",
            ));
        }
        (id, "") => Cluster::RemovePeer { id: ServerId::new(id), address: String::new() },
        (_, address) => Cluster::RemovePeer { id: ServerId::default(), address: address.to_owned() },
    };
    match call.cluster(question).await? {
        Response::Done => Ok(Reply::empty(StatusCode::OK)),
        other => Err(unexpected(&other)),
    }
}

/// Hands leadership over, to `?id` or to the best server.
pub async fn transfer_leader(call: &mut Call<'_>) -> Answer {
    let id = ServerId::new(call.query.text("id"));
    match call.cluster(Cluster::TransferLeader { id }).await? {
        Response::Done => Reply::json_of(&serde_json::json!({"Success": true})),
        other => Err(unexpected(&other)),
    }
}
