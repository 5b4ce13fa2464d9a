//! Transactions: several operations on keys, nodes, services and checks that are done all together or not at all.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{CheckId, HealthCheck, Key, KvChange, KvEntry, Node, NodeId, NodeName, NodeService, ServiceId, SessionId};

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TxnOp {
    /// Look at something, or demand something of it.
    Look(TxnLook),
    /// Change keys.
    Kv(KvChange),
    /// Change a node.
    Node {
        /// What to do.
        verb: ObjectVerb,
        /// The node; its `ModifyIndex` is what the compare-and-set verbs compare with.
        node: Node,
    },
    /// Change a service instance.
    Service {
        /// What to do.
        verb: ObjectVerb,
        /// Its node.
        node: NodeName,
        /// The instance; its `ModifyIndex` is what the compare-and-set verbs compare with.
        service: NodeService,
    },
    /// Change a check.
    Check {
        /// What to do.
        verb: ObjectVerb,
        /// The check; its `ModifyIndex` is what the compare-and-set verbs compare with.
        check: HealthCheck,
    },
}

/// What can be done to an object of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ObjectVerb {
    /// Write.
    Set,
    /// Write if `ModifyIndex` matches; 0 for "must not exist".
    Cas,
    /// Delete; an unknown one is fine.
    Delete,
    /// Delete if `ModifyIndex` matches.
    DeleteCas,
}

/// An operation that changes nothing. A transaction of only these is a read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the sentence of a variant explains its fields")]
pub enum TxnLook {
    /// The entry of a key, which must exist.
    KvGet { key: Key },
    /// All entries under a prefix; there may be none.
    KvTree { prefix: Key },
    /// The key must exist with this `ModifyIndex`.
    KvIndex { key: Key, index: u64 },
    /// The key must exist and be held by this session; empty for by none.
    KvSession { key: Key, session: SessionId },
    /// The key must not exist.
    KvAbsent { key: Key },
    /// A node by its id, else by its name; it must exist.
    Node { id: NodeId, node: NodeName },
    /// An instance, which must exist.
    Service { node: NodeName, id: ServiceId },
    /// A check, which must exist.
    Check { node: NodeName, id: CheckId },
    /// Nothing that can be done, such as a verb that does not exist: fails with this text.
    Refused { what: String },
}

/// What an operation gives back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TxnResult {
    /// An entry; without its value unless it was asked for.
    #[serde(rename = "KV")]
    Kv(Arc<KvEntry>),
    /// A node.
    Node(Arc<Node>),
    /// An instance.
    Service(Arc<NodeService>),
    /// A check.
    Check(Arc<HealthCheck>),
}

/// Why an operation, and with it the transaction, failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TxnError {
    /// Place of the operation in the transaction, from 0.
    pub op_index: usize,
    /// The text for the client.
    pub what: String,
}

/// The answer to a transaction: results if all operations succeeded, else every failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TxnAnswer {
    /// What the operations give back, in their order; deletions give nothing, trees any number.
    pub results: Vec<TxnResult>,
    /// Failures in the order of the operations; then nothing was changed.
    pub errors: Vec<TxnError>,
}

impl TxnAnswer {
    /// Notes what the operation at a place came to.
    pub fn note(&mut self, op_index: usize, result: Result<Vec<TxnResult>, String>) {
        match result {
            Ok(results) => self.results.extend(results),
            Err(what) => self.errors.push(TxnError { op_index, what }),
        }
    }

    /// The answer as clients may see it: no results of a transaction that failed.
    #[must_use]
    pub fn settled(mut self) -> Self {
        if !self.errors.is_empty() {
            self.results.clear();
        }
        self
    }
}
