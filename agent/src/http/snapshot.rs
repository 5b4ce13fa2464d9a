//! `/v1/snapshot`: the whole state as an archive, streamed in both directions.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::stream;
use http::{HeaderValue, StatusCode};
use server::request::{Cluster, ReadMeta, RequestError, Response};

use super::extract::{Call, next_frame, unexpected};
use super::reply::{Answer, Failure, Reply};
use crate::archive::CONTENT_TYPE;
use crate::rpc::transfer::{PIECE_BYTES, Piece, Pull, Push};

/// `GET`: saves the state.
pub async fn save(call: &mut Call<'_>) -> Answer {
    // `?consistent` is passed over, as in Consul: without `?stale` every snapshot is.
    let question = Cluster::SaveSnapshot { stale: call.query.has("stale") };
    let (server, transfer, meta) = open(call, question).await?;
    let backend = call.state.backend.clone();
    let pull = Pull { transfer, token: call.token() };
    let first = backend.pull(&server, pull.clone()).await?;
    let pieces = stream::unfold(Some(first), move |piece| {
        let (backend, server, pull) = (backend.clone(), server.clone(), pull.clone());
        async move {
            let Some(Piece::Bytes(bytes)) = piece else { return None };
            // A body that ends without its last chunk tells the client that it has not got everything.
            Some(match backend.pull(&server, pull).await {
                Ok(next) => (vec![Ok(bytes)], Some(next)),
                Err(error) => (vec![Ok(bytes), Err(error)], None),
            })
        }
    });
    let pieces = futures::StreamExt::flat_map(pieces, |few: Vec<Result<Bytes, RequestError>>| stream::iter(few));
    let reply = Reply::stream(HeaderValue::from_static(CONTENT_TYPE), Body::from_stream(pieces));
    Ok(reply.with_read(&meta))
}

/// `PUT`: replaces the state.
pub async fn restore(call: &mut Call<'_>) -> Answer {
    if call.query.has("stale") {
        return Err(Failure::internal("stale not allowed for restore"));
    }
    let (server, transfer, _) = open(call, Cluster::RestoreSnapshot).await?;
    let backend = call.state.backend.clone();
    let token = call.token();
    let push = |piece| Push { transfer, token: token.clone(), piece };
    let mut body = call.take_stream();
    let mut gathered = BytesMut::new();
    while let Some(frame) = next_frame(&mut body).await? {
        gathered.extend_from_slice(&frame);
        if gathered.len() >= PIECE_BYTES {
            let piece = Piece::Bytes(gathered.split().freeze());
            // What is wrong is told before all has been sent, so the rest is not wanted.
            backend.push(&server, push(piece)).await.map_err(|error| Failure::from(error).closing())?;
        }
    }
    if !gathered.is_empty() {
        backend.push(&server, push(Piece::Bytes(gathered.freeze()))).await?;
    }
    backend.push(&server, push(Piece::End)).await?;
    Ok(Reply::empty(StatusCode::OK))
}

async fn open(call: &Call<'_>, question: Cluster) -> Result<(model::ServerId, u64, ReadMeta), Failure> {
    match call.cluster(question).await? {
        Response::Transfer { server, transfer, meta } => Ok((server, transfer, meta)),
        other => Err(unexpected(&other)),
    }
}
