//! Saving and restoring the whole state: any agent moves the bytes, the server that was asked makes or takes them.

use std::io::Write as _;
use std::time::Duration;

use server::request::{Cluster, Consistency, ErrorKind, ReadMeta, RequestError, Response};
use uuid::Uuid;

use super::directory::Directory;
use super::frame::Lane;
use super::local::LocalServer;
use super::message::{self, Method};
use super::pool::{ConnectionPool, Target};
use super::router::to_request_error;
use super::transfer::{Piece, PieceReader, Pull, Push};
use crate::archive;
use crate::backend::Backend;

/// How long a piece may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the last piece may take: all servers replace their state before it is answered.
const END_TIMEOUT: Duration = Duration::from_secs(1200);

impl LocalServer {
    /// Begins to save the state as this server has it now.
    pub(super) fn begin_save(&self, consistency: Consistency) -> Result<Response, RequestError> {
        let state = self.raft().reader().view().snapshot();
        let facts = self.raft().archive_facts();
        let meta = ReadMeta {
            index: state.index(),
            known_leader: self.raft().leadership().borrow().leader.is_some(),
            last_contact_ms: self.raft().last_contact_ms().unwrap_or(0),
            consistency,
            ..ReadMeta::default()
        };
        let transfer = self.transfers().send(move |mut out| {
            let written = archive::write(&mut out, &facts, &state).and_then(|_| out.flush());
            written.inspect_err(|error| tracing::debug!(%error, "a snapshot was not saved to its end"))
        })?;
        Ok(Response::Transfer { server: self.raft().id(), transfer, meta })
    }

    /// The next piece of a transfer out, for who may save still.
    pub(super) async fn pull(&self, pull: Pull) -> Result<Piece, RequestError> {
        self.check_cluster(&pull.token, &Cluster::SaveSnapshot { stale: true })?;
        self.transfers().pull(pull.transfer).await
    }

    /// Takes a piece of a transfer in, of who may restore still.
    pub(super) async fn push(&self, push: Push) -> Result<(), RequestError> {
        self.check_cluster(&push.token, &Cluster::RestoreSnapshot)?;
        self.transfers().push(push).await
    }

    /// Begins to restore what will come.
    pub(super) fn begin_restore(&self) -> Result<Response, RequestError> {
        let raft = self.raft().clone();
        let transfer = self.transfers().receive(|pieces| async move { restore(&raft, pieces).await })?;
        Ok(Response::Transfer { server: self.raft().id(), transfer, meta: ReadMeta::default() })
    }
}

async fn restore(raft: &crate::raft::RaftNode, pieces: PieceReader) -> Result<(), RequestError> {
    let failed = |text: String| RequestError::new(ErrorKind::Failed, text);
    let opened = tokio::task::spawn_blocking(move || archive::read(pieces)).await;
    let opened = opened.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    for (name, row) in opened.inventory.rows.iter().filter(|(_, row)| row.is_left_out) {
        tracing::warn!(target: "agent::server", records = row.count, kind = name, "not restored: there is no place for it here");
    }
    let size = opened.inventory.rows.values().map(|row| row.bytes).sum();
    let (id, index) = (opened.meta.id, opened.state.index());
    tracing::info!(target: "agent::server", id, index, size, "restoring a snapshot");
    raft.restore(opened.state, size).await?;
    tracing::info!(target: "agent::server", id, "restored a snapshot");
    Ok(())
}

impl Backend {
    /// The next piece of what a server saves.
    ///
    /// # Errors
    /// When the transfer broke.
    pub async fn pull(&self, server: &model::ServerId, pull: Pull) -> Result<Piece, RequestError> {
        match self {
            Self::Local(local) if local.raft().id() == *server => local.pull(pull).await,
            _ => self.call_peer(server, Method::Pull, message::encode(&pull), PIECE_TIMEOUT).await,
        }
    }

    /// Sends a piece of what a server restores; the answer to the last tells what came of it.
    ///
    /// # Errors
    /// When the transfer broke, or the restore failed.
    pub async fn push(&self, server: &model::ServerId, push: Push) -> Result<(), RequestError> {
        let limit = if push.piece == Piece::End { END_TIMEOUT } else { PIECE_TIMEOUT };
        match self {
            Self::Local(local) if local.raft().id() == *server => local.push(push).await,
            _ => self.call_peer(server, Method::Push, message::encode(&push), limit).await,
        }
    }

    async fn call_peer<T: serde::de::DeserializeOwned>(
        &self,
        server: &model::ServerId,
        method: Method,
        payload: bytes::Bytes,
        limit: Duration,
    ) -> Result<T, RequestError> {
        let (pool, directory): (&ConnectionPool, &Directory) = match self {
            Self::Local(local) => (local.pool(), local.directory()),
            Self::Remote(router) => (router.pool(), router.directory()),
        };
        let failed = |text: String| RequestError::new(ErrorKind::Unknown, text);
        let address = directory.address(server).ok_or_else(|| failed(format!("server {server} is not known")))?;
        let target = Target { address, server: Uuid::parse_str(server).ok(), lane: Lane::Requests };
        let answer = pool.call(target, method as u8, payload, limit).await.map_err(|error| to_request_error(&error))?;
        message::decode::<Result<T, RequestError>>(&answer).map_err(|error| failed(error.to_string()))?
    }
}
