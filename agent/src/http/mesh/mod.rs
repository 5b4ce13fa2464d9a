//! The mesh's endpoints: config entries, intentions, discovery chains, and the certificate authority.

mod authority;
mod chain;
mod config;
mod intentions;

use model::Json;
use server::request::{Answer as Rows, Body, Form, MeshQuery, Query, ReadMeta};

use super::extract::Call;
use super::reply::{Answer, Failure, Reply};
use super::routes::Endpoint;

/// Answers one request of the family.
pub async fn dispatch(endpoint: Endpoint, call: &mut Call<'_>) -> Answer {
    match endpoint {
        Endpoint::ConfigPut => config::put(call).await,
        Endpoint::ConfigGet => config::get(call).await,
        Endpoint::ConfigDelete => config::delete(call).await,
        Endpoint::Intentions => intentions::list(call).await,
        Endpoint::IntentionCreate => intentions::create(call).await,
        Endpoint::Intention => intentions::get(call).await,
        Endpoint::IntentionUpdate => intentions::update(call).await,
        Endpoint::IntentionDelete => intentions::delete(call).await,
        Endpoint::IntentionMatch => intentions::matching(call).await,
        Endpoint::IntentionCheck => intentions::check(call).await,
        Endpoint::Authorize => intentions::authorize(call).await,
        Endpoint::Chain | Endpoint::ChainWithOverrides => chain::compile(call).await,
        Endpoint::CaRoots => authority::roots(call).await,
        Endpoint::AgentCaRoots => authority::agent_roots(call).await,
        Endpoint::CaLeaf => authority::leaf(call).await,
        Endpoint::CaConfigure => authority::configure(call).await,
        Endpoint::CaConfiguration => authority::configuration(call).await,
        other => Err(Failure::internal(format!("no handler has the route of {other:?}"))),
    }
}

/// Asks for a document; `None` when there is nothing of the name.
async fn ask(call: &Call<'_>, query: MeshQuery) -> Result<(ReadMeta, Option<Reply>), Failure> {
    call.document(Query::Mesh(query)).await
}

/// Asks for a document to look into.
async fn look(call: &Call<'_>, query: MeshQuery) -> Result<Option<Json>, Failure> {
    let mut options = call.read_options()?;
    options.form = Form::Rows;
    match call.read(options, Query::Mesh(query)).await?.1 {
        Body::Rows(Rows::Document(document)) => Ok(document),
        _ => Err(Failure::internal("unexpected answer from the server in place of a document")),
    }
}
