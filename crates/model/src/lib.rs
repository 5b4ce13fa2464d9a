//! The nouns of Concord, declared once for the store, the RPC and the HTTP API.
//!
//! JSON (`is_human_readable`) follows Consul's HTTP field names and casing; the binary form (MessagePack maps) uses the
//! same names, with bytes as bytes. Every struct fills missing fields with defaults, so that fields may be added.
//! It knows no store, no network and no clock.

mod acl;
mod autopilot;
mod base64;
mod check;
mod config_entry;
mod coordinate;
mod duration;
mod gateway;
mod ids;
mod intention;
mod json;
mod kv;
mod kv_history;
mod member;
mod mesh_ca;
mod meta;
mod node;
mod operator;
mod prepared_query;
mod proxy;
mod quote;
mod register;
mod service;
mod session;
mod time;
mod txn;
mod views;

pub use acl::{
    ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET, AclAuthMethod, AclBindingRule, AclLink, AclPolicy, AclRole, AclToken,
    MANAGEMENT_POLICY_ID, MANAGEMENT_POLICY_NAME, NodeIdentity, ServiceIdentity,
};
pub use autopilot::{
    AutopilotChange, AutopilotConfig, AutopilotHealth, AutopilotState, ServerHealth, ServerState, ServiceUsage,
};
pub use base64::{decode_base64, encode_base64};
pub use check::{CheckDefinition, HealthCheck, SERF_CHECK_ID, SERF_CHECK_NAME, Status, UnknownStatus};
pub use config_entry::{ConfigEntry, EntryKind, UnknownEntryKind};
pub use coordinate::{Coordinate, DatacenterCoordinates, NodeCoordinate};
pub use duration::{InvalidDuration, format_duration, parse_duration, parse_nanos};
pub use gateway::{
    GatewayLink, IngressFields, IngressListener, IngressService, Named, TerminatingFields, TerminatingService,
};
pub use ids::{CheckId, Key, NodeId, NodeName, ServerId, ServiceId, ServiceName, SessionId, Token};
pub use intention::{DEFAULT_NAMESPACE, Intention, IntentionSide, WILDCARD};
pub use json::{Blob, Json, to_json};
pub use kv::{KvChange, KvCopy, KvEntry, KvSince, KvVerb, TimedKvEntry};
pub use kv_history::{KvHistoryLimits, KvVersion};
pub use member::{AgentMember, MemberStatus};
pub use mesh_ca::{CaRoot, MeshCa};
pub use meta::{InvalidMeta, validate_meta};
pub use node::Node;
pub use operator::{RaftConfiguration, RaftServer};
pub use prepared_query::{
    NAME_PREFIX_MATCH, PreparedQuery, QueryDns, QueryExecution, QueryFailover, QueryTemplate, ServiceQuery,
};
pub use proxy::{
    CONNECT_PROXY, Expose, ExposedPath, INGRESS_GATEWAY, MESH_GATEWAY, ProxySettings, TERMINATING_GATEWAY, Upstream,
    shown_expose, shown_proxy,
};
pub use quote::quoted;
pub use register::{Deregistration, Registration};
pub use service::{NodeService, ServiceAddress, Weights};
pub use session::{HeldLock, LockDelay, ServiceCheck, Session, SessionBehavior};
pub use time::Timestamp;
pub use txn::{ObjectVerb, TxnAnswer, TxnError, TxnLook, TxnOp, TxnResult};
pub use views::{CheckServiceNode, NodeServices, ServiceInstance};

/// A map of text to text, ordered by key as Consul's JSON is.
pub type TextMap = std::collections::BTreeMap<String, String>;
