//! The vocabulary of requests: what HTTP, DNS and other agents may ask of a server, and what it answers.
//!
//! One `Request` goes through one door (`Backend::call` in the agent), is carried by RPC as a MessagePack map, and is
//! answered by one `Response`. Variants are only ever added.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::mesh::{CaChange, IntentionCheck, MeshQuery, MeshWrite, Overrides};
use bytes::Bytes;
use model::{
    AutopilotChange, AutopilotConfig, AutopilotHealth, AutopilotState, CheckServiceNode, DatacenterCoordinates,
    Deregistration, HealthCheck, Key, KvEntry, KvSince, KvVersion, Node, NodeCoordinate, NodeName, NodeServices,
    PreparedQuery, QueryExecution, RaftConfiguration, Registration, ServerId, ServiceInstance, ServiceName,
    ServiceUsage, Session, SessionId, TextMap, Token, TxnAnswer, TxnLook, TxnOp,
};
pub use model::{KvChange, KvCopy, KvVerb};
use serde::{Deserialize, Serialize};

use crate::acl::{AclAnswer, AclQuery, AclWrite};

/// One request of a client, an agent or another server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Datacenter it is for; empty means the one of the server that gets it.
    pub datacenter: String,
    /// Secret of the caller.
    pub token: Token,
    /// What is asked.
    pub action: Action,
}

/// The kinds of request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "one value per request; boxing would cost more than the copy")]
pub enum Action {
    /// A question to the replicated state.
    Read(ReadOptions, Query),
    /// A change of the replicated state; goes to the leader.
    Write(Write),
    /// A question to, or change of, the cluster itself.
    Cluster(Cluster),
}

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Consistency {
    /// The leader's view under its lease.
    #[default]
    Default,
    /// Any server's view.
    Stale,
    /// The leader's view after a majority confirmed that it still leads (ReadIndex).
    Consistent,
}

/// In which form the answer is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Form {
    /// [`Answer`]: rows to work with (DNS, `?raw`).
    #[default]
    Rows,
    /// The JSON body of the HTTP API, encoded once by the server and passed through by everyone else.
    Json,
}

/// Options common to all reads.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// How fresh.
    pub consistency: Consistency,
    /// `?max_stale`, milliseconds: a stale answer older than this is asked of the leader instead.
    pub max_stale_ms: Option<u64>,
    /// `?index`: wait until the answer's index is above this; 0 does not wait.
    pub min_index: u64,
    /// `?wait`, milliseconds; 0 means the default of five minutes. Capped at ten minutes.
    pub wait_ms: u64,
    /// `?filter`: expression that the rows must match; empty for all.
    pub filter: String,
    /// Form of the answer.
    pub form: Form,
    /// Which part of a list; everything by default.
    pub page: Page,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// `?limit`: most rows.
    pub limit: Option<u64>,
    /// `?after`: only rows whose names follow this; empty for all.
    pub after: String,
    /// `?depth`: of keys, only so many folders below the prefix; 0 for all.
    pub depth: Option<u32>,
}

/// Questions to the replicated state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sentence of a variant explains its fields")]
pub enum Query {
    /// One entry; in JSON with its `times`, if wanted.
    KvGet {
        key: Key,
        #[serde(default)]
        times: bool,
    },
    /// All entries whose keys start with the prefix, in key order; in JSON with their `times`, if wanted.
    KvList {
        prefix: Key,
        #[serde(default)]
        times: bool,
    },
    /// The keys below a prefix, cut after the first separator that follows it (empty separator: whole keys).
    KvKeys { prefix: Key, separator: Vec<u8> },
    /// All nodes that have the metadata, sorted by name, or by distance to `near`.
    Nodes { near: NodeName, meta: TextMap },
    /// Names of all services with the union of their tags.
    Services { meta: TextMap },
    /// Instances of a service that have all tags (ignoring case).
    ServiceNodes { service: ServiceName, tags: Vec<String>, near: NodeName, meta: TextMap },
    /// A node with its instances (`/v1/catalog/node`).
    NodeServices { node: NodeName },
    /// Instances of a service with their checks; `passing` leaves out those with any check that does not pass.
    ServiceHealth { service: ServiceName, tags: Vec<String>, passing: bool, near: NodeName, meta: TextMap },
    /// Ways to a service through the mesh (its proxies, itself when native).
    MeshNodes { service: ServiceName, near: NodeName, meta: TextMap },
    /// The same with their checks.
    MeshHealth { service: ServiceName, passing: bool, near: NodeName, meta: TextMap },
    /// Checks of a node and its services.
    NodeChecks { node: NodeName },
    /// Checks of all instances of a service.
    ServiceChecks { service: ServiceName, near: NodeName, meta: TextMap },
    /// Checks in a state, or `any`.
    ChecksInState { state: String, near: NodeName, meta: TextMap },
    /// Everything registered on one node: what anti-entropy compares with. Never blocks.
    NodeDump { node: NodeName },
    /// The nodes whose address is this text (reverse DNS). Never blocks.
    NodesByAddress { address: String },
    /// Instances whose own address is this text (reverse DNS). Never blocks.
    ServicesByAddress { address: String },
    /// One session.
    Session { id: SessionId },
    /// All sessions.
    Sessions,
    /// Sessions of a node.
    NodeSessions { node: NodeName },
    /// A transaction that only looks. Never blocks.
    Txn { operations: Vec<TxnLook> },
    /// Instances of all services with their checks; `passing` as in [`Query::ServiceHealth`].
    AllHealth { tags: Vec<String>, passing: bool, meta: TextMap },
    /// What happened to the keys under a prefix after an index; waits as [`Query::KvList`] does.
    KvSince { prefix: Key, since: u64 },
    /// All that is known of a key, the newest first.
    KvHistory { key: Key },
    /// What a key, or everything under a prefix, was at an index; in JSON with their `times`, if wanted. Never blocks.
    KvAt { key: Key, index: u64, is_recurse: bool, times: bool },
    /// About the ACL system. Never shared between callers.
    Acl(AclQuery),
    /// Instances, with their checks, of the gateways that lead into the mesh to a service.
    IngressHealth { service: ServiceName, passing: bool, near: NodeName, meta: TextMap },
    /// A question about the mesh.
    Mesh(MeshQuery),
    /// Coordinates of all nodes, of one segment if it is given.
    Coordinates { segment: Option<String> },
    /// Coordinates of a node, of one segment if it is given.
    NodeCoordinates { node: NodeName, segment: Option<String> },
    /// All prepared queries by id.
    PreparedQueries,
    /// A prepared query by its id.
    PreparedQuery { id: String },
    /// What a prepared query comes to for a name. Never blocks.
    ExplainQuery { id_or_name: String },
    /// The instances that a prepared query finds. Never blocks.
    ExecuteQuery(ExecuteQuery),
    /// A question of an overview of the catalog.
    Ui(UiQuery),
}

/// What an overview of the catalog asks for (`/v1/internal/ui`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UiQuery {
    /// Services with the sums over their instances.
    Services,
    /// Nodes with all that is on them.
    Nodes,
    /// One node with all that is on it.
    Node {
        /// Its name.
        node: NodeName,
    },
}

/// The execution of a prepared query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecuteQuery {
    /// Which query.
    pub id_or_name: String,
    /// Most instances; 0 for all.
    pub limit: usize,
    /// Ask for instances that take part in the mesh, whatever the query says.
    pub connect: bool,
    /// For whom.
    pub asker: Asker,
    /// Any number: it decides the order of the instances that are not sorted by distance.
    pub seed: u64,
}

/// For whom a prepared query is executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Asker {
    /// Node to sort by distance from, in place of what the query says; `_agent` and `_ip` as there.
    pub near: String,
    /// Node of the agent that was asked.
    pub agent: NodeName,
    /// Address of who asked that agent.
    pub ip: String,
}

/// A change of a prepared query.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum QueryChange {
    /// A new one, with an id of its own.
    Create(PreparedQuery),
    /// Replaces the one of its id.
    Update(PreparedQuery),
    /// Deletes one.
    Delete {
        /// Its id.
        id: String,
    },
}

/// Changes of the replicated state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "one value per request; boxing would cost more than the copy")]
pub enum Write {
    /// Put a node, service and checks into the catalog.
    Register(Registration),
    /// Take something out of the catalog.
    Deregister(Deregistration),
    /// Change keys.
    Kv(KvChange),
    /// Several registrations as one, applied in order; each as [`Write::Register`].
    RegisterAll(Vec<Registration>),
    /// Begin a session; its id has been made up by the agent that was asked for it.
    SessionCreate(Session),
    /// End a session.
    SessionDestroy(SessionId),
    /// Copy or move the keys under a prefix.
    KvCopy(KvCopy),
    /// Several operations, all or none.
    Txn(Vec<TxnOp>),
    /// Change the ACL system; answered with the object as it is then.
    Acl(AclWrite),
    /// Change the settings of autopilot.
    Autopilot(AutopilotChange),
    /// A change of the mesh.
    Mesh(MeshWrite),
    /// Where a node is in the network. It is answered before it is written: the leader writes many at once.
    Coordinate(NodeCoordinate),
    /// Change a prepared query.
    PreparedQuery(QueryChange),
}

/// Questions about and changes of the cluster itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sentence of a variant explains its fields")]
pub enum Cluster {
    /// RPC address of the leader, empty if none is known. Answered by any server.
    Leader,
    /// RPC addresses of the voters. Answered by any server.
    Peers,
    /// The Raft configuration; `stale` lets any server answer.
    RaftConfiguration { stale: bool },
    /// Remove a server by id or by address (exactly one is given). Goes to the leader.
    RemovePeer { id: ServerId, address: String },
    /// Hand leadership to a server, or to the best one when empty. Goes to the leader.
    TransferLeader { id: ServerId },
    /// Names of the known datacenters, nearest first.
    Datacenters,
    /// Give a session its whole TTL again. Goes to the leader, which alone keeps the time.
    RenewSession {
        /// Which one.
        id: SessionId,
    },
    /// The settings of autopilot; `stale` lets any server answer.
    AutopilotConfig { stale: bool },
    /// How the servers are. Goes to the leader.
    AutopilotHealth,
    /// The same, with more of it. Goes to the leader.
    AutopilotState,
    /// How much is registered; `stale` lets any server answer.
    Usage { stale: bool },
    /// Begin to save the whole state; `stale` lets any server do so.
    SaveSnapshot { stale: bool },
    /// Begin to replace the whole state by what will be sent. Goes to the leader.
    RestoreSnapshot,
    /// The servers of the known datacenters with their coordinates. Answered by any server.
    DatacenterCoordinates,
    /// Have a certificate of a service or an agent signed by the mesh's authority. Goes to the leader.
    SignCertificate {
        /// The request (CSR), PEM.
        request: String,
    },
}

/// What a server answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Response {
    /// To [`Action::Read`].
    Read(ReadMeta, Body),
    /// To [`Action::Write`]: `true`, or `false` where a compare-and-set did not match.
    Written(bool),
    /// To [`Write::Txn`].
    Txn(TxnAnswer),
    /// To [`Cluster::Leader`].
    Leader(String),
    /// To [`Cluster::Peers`] and [`Cluster::Datacenters`].
    Names(Vec<String>),
    /// To [`Cluster::RaftConfiguration`].
    RaftConfiguration(RaftConfiguration),
    /// To the other cluster changes.
    Done,
    /// To a change of a key that took, or kept, its lock.
    Locked {
        /// Raft index at which the session took the lock; rises with each taking.
        fencing_token: u64,
    },
    /// To [`Cluster::RenewSession`]: `None` when there is no such session.
    Renewed(Option<Arc<Session>>),
    /// To [`Cluster::AutopilotConfig`].
    AutopilotConfig(AutopilotConfig),
    /// To [`Cluster::AutopilotHealth`].
    AutopilotHealth(AutopilotHealth),
    /// To [`Cluster::AutopilotState`].
    AutopilotState(AutopilotState),
    /// To [`Cluster::Usage`].
    Usage(ReadMeta, ServiceUsage),
    /// To [`Cluster::SaveSnapshot`] and [`Cluster::RestoreSnapshot`]: which server moves the bytes, under which number,
    /// and what a save is like.
    Transfer {
        /// The server to ask for the pieces, or to send them to.
        server: ServerId,
        /// Number of the transfer on that server.
        transfer: u64,
        /// Facts about what is saved.
        meta: ReadMeta,
    },
    /// To writes that answer with an object, and to [`Cluster::SignCertificate`]: minified JSON.
    Json(Bytes),
    /// To [`Cluster::DatacenterCoordinates`].
    DatacenterCoordinates(Vec<DatacenterCoordinates>),
}

/// Facts about a read, which become the `X-Consul-*` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMeta {
    /// Index of the answer, to block on; at least 1.
    pub index: u64,
    /// Whether the server knew a leader.
    pub known_leader: bool,
    /// Milliseconds since the server last heard the leader; 0 on the leader.
    pub last_contact_ms: u64,
    /// What was really done.
    pub consistency: Consistency,
    /// To [`Query::KvGet`]: Raft index at which the holder of the lock took it, 0 when nobody holds it.
    #[serde(default)]
    pub fencing_token: u64,
    /// To [`Query::Session`], from the leader: milliseconds that the session lives if it is not renewed.
    #[serde(default)]
    pub session_ttl_ms: Option<u64>,
}

/// The body of a read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Body {
    /// For [`Form::Rows`].
    Rows(Answer),
    /// For [`Form::Json`]: minified JSON without a trailing line feed. `found` is false where HTTP answers 404
    /// (no such key, no key under the prefix).
    Json {
        /// Whether there is anything.
        found: bool,
        /// The JSON text.
        json: Bytes,
    },
}

/// Rows of an answer; they share the stored objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// KV entries; one or none for [`Query::KvGet`].
    Kv(Vec<Arc<KvEntry>>),
    /// Keys.
    Keys(Vec<Key>),
    /// Nodes.
    Nodes(Vec<Arc<Node>>),
    /// Service names with their tags.
    Services(BTreeMap<String, Vec<String>>),
    /// Instances flattened.
    ServiceNodes(Vec<ServiceInstance>),
    /// A node with its instances, `None` when unknown.
    NodeServices(Option<NodeServices>),
    /// Instances with checks.
    Health(Vec<CheckServiceNode>),
    /// Checks.
    Checks(Vec<Arc<HealthCheck>>),
    /// Sessions.
    Sessions(Vec<Arc<Session>>),
    /// A node with its instances and checks, `None` when unknown.
    NodeDump(Option<(NodeServices, Vec<Arc<HealthCheck>>)>),
    /// What a transaction that only looks has found.
    Txn(TxnAnswer),
    /// Changes of keys.
    KvSince(KvSince),
    /// Versions of a key, the newest first.
    KvHistory(Key, Vec<KvVersion>),
    /// About the ACL system.
    Acl(AclAnswer),
    /// A document about the mesh, `None` when there is nothing of the name.
    Document(Option<model::Json>),
    /// Coordinates of nodes.
    Coordinates(Vec<Arc<NodeCoordinate>>),
    /// Prepared queries; one for [`Query::PreparedQuery`] and [`Query::ExplainQuery`].
    PreparedQueries(Vec<Arc<PreparedQuery>>),
    /// What a prepared query found.
    Execution(QueryExecution),
}

/// Why a request failed. `Display` is the exact text that the client sees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct RequestError {
    /// What kind of failure, for the HTTP status and for retries.
    pub kind: ErrorKind,
    /// The text, in Consul's wording.
    pub message: String,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The request itself is wrong; HTTP 400.
    BadRequest,
    /// The request is understood and cannot be done; HTTP 500 with the text, as Consul answers.
    Failed,
    /// The caller may not; HTTP 403.
    Denied,
    /// There is no access control to ask about; HTTP 401.
    Unauthorized,
    /// Nothing of that name; HTTP 404.
    NotFound,
    /// No leader within the hold time; nothing was changed; HTTP 500.
    NoLeader,
    /// The answer was lost on the way (connection cut, leader changed): a write may or may not have been done. HTTP 500.
    Unknown,
    /// Too much at once; HTTP 429.
    Busy,
}

impl RequestError {
    /// An error of a kind with its text.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Consul's `No cluster leader`.
    #[must_use]
    pub fn no_leader() -> Self {
        Self::new(ErrorKind::NoLeader, "No cluster leader")
    }

    /// The same error as seen one RPC hop further: Consul prefixes the text at each hop.
    #[must_use]
    pub fn over_rpc(mut self) -> Self {
        self.message.insert_str(0, "rpc error making call: ");
        self
    }
}
