//! `/v1/internal/ui`: what an overview of the catalog asks for.

use http::StatusCode;
use model::NodeName;
use server::request::{Body, Query, UiQuery};

use super::extract::Call;
use super::reply::{Answer, Failure, Reply};

/// Services with their sums.
pub async fn services(call: &mut Call<'_>) -> Answer {
    let options = call.read_options()?;
    call.catalog_read(options, Query::Ui(UiQuery::Services)).await
}

/// Nodes with all that is on them.
pub async fn nodes(call: &mut Call<'_>) -> Answer {
    let options = call.read_options()?;
    call.catalog_read(options, Query::Ui(UiQuery::Nodes)).await
}

/// One node with all that is on it.
pub async fn node(call: &mut Call<'_>) -> Answer {
    let options = call.read_options()?;
    let node = NodeName::new(call.name("Missing node name")?);
    let (meta, body) = call.read(options, Query::Ui(UiQuery::Node { node })).await?;
    match body {
        Body::Json { found: true, json } => Ok(Reply::json(json).with_read(&meta)),
        Body::Json { .. } => Ok(Reply::empty(StatusCode::NOT_FOUND)),
        Body::Rows(_) => Err(Failure::internal("unexpected rows from the server in place of JSON")),
    }
}
