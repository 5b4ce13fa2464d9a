//! `/v1/internal/ui`: what an overview of the catalog asks for.

use http::StatusCode;
use model::NodeName;
use server::request::{Query, UiQuery};

use super::extract::Call;
use super::reply::{Answer, Failure, Reply};

/// Services with their sums.
pub async fn services(call: &mut Call<'_>) -> Answer {
    list(call, UiQuery::Services).await
}

/// Nodes with all that is on them.
pub async fn nodes(call: &mut Call<'_>) -> Answer {
    list(call, UiQuery::Nodes).await
}

async fn list(call: &Call<'_>, query: UiQuery) -> Answer {
    let (meta, reply) = call.document(Query::Ui(query)).await.map_err(Failure::with_read_headers)?;
    let reply = reply.ok_or_else(|| Failure::internal("the server has no such list"))?;
    Ok(reply.with_read(&meta))
}

/// One node with all that is on it.
pub async fn node(call: &mut Call<'_>) -> Answer {
    let node = NodeName::new(call.name("Missing node name")?);
    let (meta, reply) = call.document(Query::Ui(UiQuery::Node { node })).await?;
    Ok(reply.map_or_else(|| Reply::empty(StatusCode::NOT_FOUND), |reply| reply.with_read(&meta)))
}
