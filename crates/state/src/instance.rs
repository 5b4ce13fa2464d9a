//! A service instance joined with its node and its checks: the row that health answers are made of.
//!
//! The join is kept, not made per query: a query over thousands of instances only walks them. Each row also keeps its
//! JSON once someone has asked for it, so that after a change of one instance only that one is encoded again.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use model::{CheckServiceNode, HealthCheck, Node, NodeService};

use crate::radix::Stamp;

/// One instance of a service.
#[derive(Debug)]
pub struct Instance {
    /// Its node.
    pub node: Arc<Node>,
    /// The instance itself.
    pub service: Arc<NodeService>,
    /// Checks of the node, then of the instance, each in the order of their ids.
    pub checks: Arc<[Arc<HealthCheck>]>,
    json: OnceLock<Bytes>,
}

impl Instance {
    pub(crate) fn new(node: Arc<Node>, service: Arc<NodeService>, checks: Arc<[Arc<HealthCheck>]>) -> Self {
        Self { node, service, checks, json: OnceLock::new() }
    }

    /// Whether every check passes.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.checks.iter().all(|check| check.is_passing())
    }

    /// The row of a health answer.
    #[must_use]
    pub fn row(&self) -> CheckServiceNode {
        CheckServiceNode {
            node: Arc::clone(&self.node),
            service: Arc::clone(&self.service),
            checks: self.checks.to_vec(),
        }
    }

    /// The row of a health answer as minified JSON; encoded at the first call.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        self.json.get_or_init(|| {
            let json = model::to_json(&self.row()).expect("the model serializes into memory without failing");
            Bytes::from(json)
        })
    }
}

impl Stamp for Arc<Instance> {
    fn stamp(&self) -> u64 {
        self.service.modify_index
    }
}
