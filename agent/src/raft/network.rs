//! Raft's calls to other servers: by id, at the address where the server is now, each kind on its own connection.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::codec::put_append;
use super::snapshot::SnapshotData;
use super::state_machine::Snapshot;
use super::types::{LogId, Peer, PeerId, TypeConfig, Vote};
use crate::rpc::connection::CallError;
use crate::rpc::directory::Directory;
use crate::rpc::frame::Lane;
use crate::rpc::message::{self, Method};
use crate::rpc::pool::{ConnectionPool, Target};

/// Append requests under way to one server: more than one only pays over a real round trip.
const APPENDS_UNDER_WAY: usize = 8;

/// How long a follower may take to store a batch. Its disk may be slow; whether it lives is told by heartbeats, and
/// connections to an address that it left are closed at once.
const APPEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a snapshot in one call, and how long one may take.
const PIECE_BYTES: usize = 1024 * 1024;
const PIECE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long the last piece may take: the follower verifies and installs the snapshot before it answers.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(300);

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;
type StreamResult = Result<Option<LogId>, StreamAppendError<TypeConfig>>;

/// One piece of a snapshot.
#[derive(Serialize, Deserialize)]
pub struct SnapshotPiece {
    /// Vote of the leader that sends it.
    pub vote: Vote,
    /// Number of the transfer; a new one replaces an unfinished one.
    pub transfer: u64,
    /// Where in the snapshot the piece belongs.
    pub offset: u64,
    /// Whether it is the last.
    pub is_last: bool,
    /// The bytes.
    pub bytes: Bytes,
}

/// Makes the clients.
#[derive(Clone)]
pub struct Network {
    pool: ConnectionPool,
    directory: Directory,
}

impl Network {
    /// A network over a pool, with addresses from a directory.
    #[must_use]
    pub fn new(pool: ConnectionPool, directory: Directory) -> Self {
        Self { pool, directory }
    }

    fn client(&self, target: PeerId, peer: &Peer, lane: Lane) -> Client {
        Client { network: self.clone(), target, configured: peer.address, lane }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: PeerId, node: &Peer) -> Client {
        self.client(target, node, Lane::Entries)
    }

    async fn new_heartbeat_client(&mut self, target: PeerId, node: &Peer) -> Client {
        self.client(target, node, Lane::Heartbeats)
    }

    async fn new_snapshot_client(&mut self, target: PeerId, node: &Peer) -> Client {
        self.client(target, node, Lane::Snapshots)
    }
}

/// The way to one server.
#[derive(Clone)]
pub struct Client {
    network: Network,
    target: PeerId,
    configured: SocketAddr,
    lane: Lane,
}

impl Client {
    async fn call_on<T: DeserializeOwned>(
        &self,
        lane: Lane,
        method: Method,
        payload: Bytes,
        limit: Duration,
    ) -> RpcResult<T> {
        let address = self.network.directory.address(&self.target.to_server_id()).unwrap_or(self.configured);
        let target = Target { address, server: Some(self.target.0), lane };
        let answer =
            self.network.pool.call(target, method as u8, payload, limit).await.map_err(|error| match error {
                CallError::NotSent(_) | CallError::Refused => RPCError::Unreachable(Unreachable::new(&error)),
                CallError::Lost(_) => RPCError::Network(NetworkError::new(&error)),
            })?;
        match message::decode::<Result<T, String>>(&answer) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(cause)) => Err(RPCError::Unreachable(Unreachable::from_string(cause))),
            Err(error) => Err(RPCError::Unreachable(Unreachable::new(&error))),
        }
    }

    async fn append(&self, request: AppendEntriesRequest<TypeConfig>, limit: Duration) -> (Ends, RpcResult<Answer>) {
        let last = request.entries.last().map(|entry| entry.log_id).or(request.prev_log_id);
        let ends = Ends { prev: request.prev_log_id, last };
        let answer = self.call_on(self.lane, Method::Append, put_append(&request), limit).await;
        (ends, answer)
    }
}

type Answer = AppendEntriesResponse<TypeConfig>;

/// What an append request covers.
struct Ends {
    prev: Option<LogId>,
    last: Option<LogId>,
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<Answer> {
        self.append(request, option.hard_ttl()).await.1
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<StreamResult>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let client = self.clone();
        let answers = input
            .map(move |request| {
                let client = client.clone();
                async move { client.append(request, APPEND_TIMEOUT).await }
            })
            .buffered(APPENDS_UNDER_WAY);
        // The stream ends with its input, and after the first answer that is not a full success.
        let results = answers.scan(false, |ended, (ends, answer)| {
            if *ended {
                return std::future::ready(None);
            }
            let result = answer.map(|answer| {
                let is_partial = matches!(&answer, Answer::PartialSuccess(upto) if *upto != ends.last);
                let result = match (answer, ends.prev) {
                    // A conflict at the very beginning cannot be: everything follows nothing.
                    (Answer::Conflict, None) => Ok(None),
                    (answer, prev) => answer.into_stream_result(prev, ends.last),
                };
                *ended = is_partial || result.is_err();
                result
            });
            *ended |= result.is_err();
            std::future::ready(Some(result))
        });
        let results: BoxStream<'s, _> = results.boxed();
        Box::pin(std::future::ready(Ok(results)))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.call_on(Lane::Heartbeats, Method::Vote, message::encode(&request), option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.call_on(Lane::Heartbeats, Method::PreVote, message::encode(&request), option.hard_ttl()).await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        self.call_on(Lane::Heartbeats, Method::TransferLeader, message::encode(&request), option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            sent = self.send_snapshot(vote, snapshot.snapshot) => sent,
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }
}

impl Client {
    async fn send_snapshot(
        &self,
        vote: Vote,
        data: SnapshotData,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let unreadable = |error: std::io::Error| StreamingError::Unreachable(Unreachable::new(&error));
        let length = data.length().map_err(unreadable)?;
        let transfer = rand::random();
        let mut offset = 0;
        loop {
            let source = data.clone();
            let bytes = tokio::task::spawn_blocking(move || source.read_at(offset, PIECE_BYTES)).await;
            let bytes = bytes.map_err(std::io::Error::other).and_then(|read| read).map_err(unreadable)?;
            let next = offset + bytes.len() as u64;
            let is_last = next >= length || bytes.is_empty();
            let piece = message::encode(&SnapshotPiece { vote, transfer, offset, is_last, bytes });
            let limit = if is_last { INSTALL_TIMEOUT } else { PIECE_TIMEOUT };
            let answer: Option<SnapshotResponse<TypeConfig>> =
                self.call_on(Lane::Snapshots, Method::SnapshotPiece, piece, limit).await?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
            if is_last {
                let cause = "the follower did not install the snapshot";
                return Err(StreamingError::Unreachable(Unreachable::from_string(cause)));
            }
            offset = next;
        }
    }
}
