//! `/v1/connect/ca` and `/v1/agent/connect/ca`.

use model::Json;
use server::request::MeshQuery;

use super::{ask, look};
use crate::http::extract::Call;
use crate::http::reply::{Answer, Failure};

const DISABLED: &str = "Connect must be enabled in order to use this endpoint";

/// Whether the servers have an authority; until then it depends on this agent's settings what that means.
async fn require(call: &Call<'_>) -> Result<(), Failure> {
    let roots = look(call, MeshQuery::CaRoots).await?;
    let active = roots.as_ref().and_then(|roots| roots.get("ActiveRootID")).and_then(Json::as_str);
    if active.is_none_or(str::is_empty) { Err(Failure::internal(DISABLED)) } else { Ok(()) }
}

/// The roots of the mesh.
pub async fn roots(call: &mut Call<'_>) -> Answer {
    require(call).await?;
    let (meta, reply) = ask(call, MeshQuery::CaRoots).await?;
    let reply = reply.ok_or_else(|| Failure::internal(DISABLED))?;
    Ok(reply.with_read(&meta))
}

/// The settings of the authority.
pub async fn configuration(call: &mut Call<'_>) -> Answer {
    require(call).await?;
    let (_, reply) = ask(call, MeshQuery::CaConfiguration).await?;
    reply.ok_or_else(|| Failure::internal(DISABLED))
}
