//! Shape of the body of `/v1/txn`. Its objects are those of the client library, not those of the catalog's bodies:
//! stricter in their names, and lists that were not given are `null`.

use model::{HealthCheck, Key, Node, NodeName, NodeService, SessionId};
use serde::Deserialize;
use serde_json::Map;

use super::catalog_shapes::{CONNECT, DEFINITION, PROXY, TAGGED_ADDRESSES, WEIGHTS};
use super::decode::{Field, Shape, Struct, Unknown, field};

/// One operation as it comes: at most one of the fields counts, in this order.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Operation {
    /// On a key.
    #[serde(rename = "KV")]
    pub kv: Option<KvOperation>,
    /// On a node.
    pub node: Option<NodeOperation>,
    /// On a service instance.
    pub service: Option<ServiceOperation>,
    /// On a check.
    pub check: Option<CheckOperation>,
}

/// An operation on a key.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct KvOperation {
    /// What to do.
    pub verb: String,
    /// Key or prefix.
    pub key: Key,
    /// Base64.
    pub value: String,
    /// Flags to set.
    pub flags: u64,
    /// Index to compare with.
    pub index: u64,
    /// How long the entry lives, for `set` and `cas`; empty for ever. Not in Consul.
    #[serde(rename = "TTL")]
    pub ttl: String,
    /// Session that locks, unlocks or is compared with.
    pub session: SessionId,
}

/// An operation on a node.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeOperation {
    /// What to do.
    pub verb: String,
    /// The node.
    pub node: Node,
}

/// An operation on a service instance.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceOperation {
    /// What to do.
    pub verb: String,
    /// Its node.
    pub node: NodeName,
    /// The instance.
    pub service: NodeService,
}

/// An operation on a check.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckOperation {
    /// What to do.
    pub verb: String,
    /// The check.
    pub check: HealthCheck,
}

/// `/v1/txn`
pub static OPERATIONS: Shape = Shape::List("api.TxnOps", &Shape::Struct(&OPERATION));

static OPERATION: Struct = object(
    "api.TxnOp",
    &[
        field("KV", Shape::Struct(&KV)),
        field("Node", Shape::Struct(&NODE_OPERATION)),
        field("Service", Shape::Struct(&SERVICE_OPERATION)),
        field("Check", Shape::Struct(&CHECK_OPERATION)),
    ],
);

static KV: Struct = object(
    "api.KVTxnOp",
    &[
        field("Verb", Shape::Text("api.KVOp")),
        field("Key", Shape::TEXT),
        field("Value", Shape::Text("[]uint8")),
        field("Flags", Shape::Uint("uint64")),
        field("Index", Shape::Uint("uint64")),
        field("Session", Shape::TEXT),
        field("Namespace", Shape::TEXT),
        field("TTL", Shape::TEXT),
    ],
);

static NODE_OPERATION: Struct =
    object("api.NodeTxnOp", &[field("Verb", Shape::Text("api.NodeOp")), field("Node", Shape::Struct(&NODE))]);

static NODE: Struct = object(
    "api.Node",
    &[
        field("ID", Shape::TEXT),
        field("Node", Shape::TEXT),
        field("Address", Shape::TEXT),
        field("Datacenter", Shape::TEXT),
        field("TaggedAddresses", Shape::TEXT_MAP),
        field("Meta", Shape::TEXT_MAP),
        field("CreateIndex", Shape::Uint("uint64")),
        field("ModifyIndex", Shape::Uint("uint64")),
    ],
);

static SERVICE_OPERATION: Struct = object(
    "api.ServiceTxnOp",
    &[
        field("Verb", Shape::Text("api.ServiceOp")),
        field("Node", Shape::TEXT),
        field("Service", Shape::Struct(&SERVICE)),
    ],
);

static SERVICE: Struct = object(
    "api.AgentService",
    &[
        field("Kind", Shape::Text("api.ServiceKind")),
        field("ID", Shape::TEXT),
        field("Service", Shape::TEXT),
        field("Tags", Shape::TEXTS),
        field("Meta", Shape::TEXT_MAP),
        field("Port", Shape::INT),
        field("Address", Shape::TEXT),
        field("TaggedAddresses", TAGGED_ADDRESSES),
        field("Weights", Shape::Struct(&WEIGHTS)),
        field("EnableTagOverride", Shape::Bool),
        field("CreateIndex", Shape::Uint("uint64")),
        field("ModifyIndex", Shape::Uint("uint64")),
        field("ContentHash", Shape::TEXT),
        field("Proxy", Shape::Struct(&PROXY)),
        field("Connect", Shape::Struct(&CONNECT)),
        field("Namespace", Shape::TEXT),
    ],
);

static CHECK_OPERATION: Struct =
    object("api.CheckTxnOp", &[field("Verb", Shape::Text("api.CheckOp")), field("Check", Shape::Struct(&CHECK))]);

static CHECK: Struct = Struct {
    // A kind that is sent along is not kept.
    finish: Some(|check: &mut Map<_, _>| drop(check.remove("Type"))),
    ..object(
        "api.HealthCheck",
        &[
            field("Node", Shape::TEXT),
            field("CheckID", Shape::TEXT),
            field("Name", Shape::TEXT),
            field("Status", Shape::TEXT),
            field("Notes", Shape::TEXT),
            field("Output", Shape::TEXT),
            field("ServiceID", Shape::TEXT),
            field("ServiceName", Shape::TEXT),
            field("ServiceTags", Shape::TEXTS),
            field("Type", Shape::TEXT),
            field("Namespace", Shape::TEXT),
            field("Definition", Shape::Struct(&DEFINITION)),
            field("CreateIndex", Shape::Uint("uint64")),
            field("ModifyIndex", Shape::Uint("uint64")),
        ],
    )
};

const fn object(type_name: &'static str, fields: &'static [Field]) -> Struct {
    Struct { type_name, fields, unknown: Unknown::RefusePlainly, opaque: false, finish: None }
}
