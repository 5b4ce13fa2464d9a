//! The tables of the state. Cloning them is O(1); a clone is a consistent version.
//!
//! Rows are shared between the trees that find them in different ways. What is derived (every tree that is not listed
//! in the snapshot) is kept right by the functions of the files below, which are the only ones that change trees.

mod acl;
mod autopilot;
mod checks;
mod config_entries;
mod coordinates;
mod indexes;
mod intentions;
mod kv;
mod kv_history;
mod mesh_ca;
mod nodes;
mod prepared_queries;
mod services;
mod sessions;

use std::collections::VecDeque;
use std::sync::Arc;

use model::{
    AutopilotConfig, ConfigEntry, HealthCheck, HeldLock, Intention, Key, KvEntry, LockDelay, MeshCa, Node,
    NodeCoordinate, PreparedQuery, Session, Timestamp,
};

use crate::instance::Instance;
use crate::radix::{Stamp, Tree};
use crate::restore::{Restored, Staged};
use crate::watch::Changes;

pub(crate) use acl::{AclTables, BOOTSTRAP};
pub(crate) use indexes::{EXTINCTION, FORGOTTEN, MESH_EXTINCTION, mesh_key, service_key};
pub(crate) use kv_history::{HistoryState, KeyHistory, Ledger, Past};
pub(crate) use nodes::NodePlan;

/// One version of everything that readers see.
#[derive(Clone, Default)]
pub(crate) struct Tables {
    /// Index of the last applied command.
    pub(crate) index: u64,
    /// Settings of autopilot.
    pub(crate) autopilot: Option<Arc<AutopilotConfig>>,
    /// What restores did to the indexes.
    pub(crate) restored: Restored,
    /// The chunks of a restore that is under way.
    pub(crate) staged: Option<Arc<Staged>>,
    /// By name.
    pub(crate) nodes: Tree<Arc<Node>>,
    /// By id; only nodes that have one.
    pub(crate) node_ids: Tree<Arc<Node>>,
    /// By node and id.
    pub(crate) services: Tree<Arc<Instance>>,
    /// By service name, node and id.
    pub(crate) instances: Tree<Arc<Instance>>,
    /// Instances that the mesh reaches a service through, by that service, node and id.
    pub(crate) mesh_instances: Tree<Arc<Instance>>,
    /// By node and check id.
    pub(crate) checks: Tree<Arc<HealthCheck>>,
    /// By node, service id (empty for node checks) and check id.
    pub(crate) attached_checks: Tree<Arc<HealthCheck>>,
    /// By service name, node and check id; only checks of services.
    pub(crate) service_checks: Tree<Arc<HealthCheck>>,
    /// By status, node and check id.
    pub(crate) status_checks: Tree<Arc<HealthCheck>>,
    /// By key.
    pub(crate) kv: Tree<Arc<KvEntry>>,
    /// Keys that expire, by the time of that.
    pub(crate) expiries: Tree<Arc<KvEntry>>,
    /// How much of the past of keys is kept.
    pub(crate) history: HistoryState,
    /// By key; only those that have a past, and none when it is not kept.
    pub(crate) key_history: Tree<Arc<KeyHistory>>,
    /// Index of the deletion, by deleted key or prefix.
    pub(crate) tombstones: Tree<u64>,
    /// By id.
    pub(crate) sessions: Tree<Arc<Session>>,
    /// By node and id.
    pub(crate) node_sessions: Tree<Arc<Session>>,
    /// By node, check id and session id; a session is found by each check that it is bound to.
    pub(crate) session_checks: Tree<Arc<Session>>,
    /// By session and key.
    pub(crate) held_locks: Tree<Arc<HeldLock>>,
    /// By key; only the last one of each.
    pub(crate) lock_delays: Tree<Arc<LockDelay>>,
    /// Tokens, policies and the like.
    pub(crate) acl: AclTables,
    /// By kind and name.
    pub(crate) config_entries: Tree<Arc<ConfigEntry>>,
    /// By id.
    pub(crate) intentions: Tree<Arc<Intention>>,
    /// The one certificate authority, under the empty key.
    pub(crate) mesh_ca: Tree<Arc<MeshCa>>,
    /// By node and segment.
    pub(crate) coordinates: Tree<Arc<NodeCoordinate>>,
    /// By id.
    pub(crate) prepared_queries: Tree<Arc<PreparedQuery>>,
    /// By name; only those that have one.
    pub(crate) prepared_query_names: Tree<Arc<PreparedQuery>>,
    /// By session and id; only those that end with a session.
    pub(crate) session_queries: Tree<Arc<PreparedQuery>>,
    /// Templates by name in small letters, without an end mark; one may be empty.
    pub(crate) query_templates: Tree<Arc<PreparedQuery>>,
    /// Indexes by name of table or service.
    pub(crate) indexes: Tree<u64>,
}

/// The tables with what only the writer needs.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) tables: Tables,
    pub(crate) changes: Changes,
    /// Tombstones in the order of their making.
    pub(crate) graveyard: VecDeque<(u64, Key)>,
    /// The ends of past versions of keys.
    pub(crate) ledger: Ledger,
    /// When the change is made that is being applied; 0 when nobody knows.
    pub(crate) time: Timestamp,
}

impl Draft {
    /// A draft to try changes on that nobody will see.
    pub(crate) fn rehearsal(&self) -> Self {
        Self {
            tables: self.tables.clone(),
            changes: Changes::ignored(),
            graveyard: VecDeque::new(),
            ledger: Ledger::default(),
            time: self.time,
        }
    }
}

impl Stamp for Arc<Node> {
    fn stamp(&self) -> u64 {
        self.modify_index
    }
}

impl Stamp for Arc<ConfigEntry> {
    fn stamp(&self) -> u64 {
        self.modify_index
    }
}

impl Stamp for Arc<Intention> {
    fn stamp(&self) -> u64 {
        self.modify_index
    }
}

impl Stamp for Arc<MeshCa> {
    fn stamp(&self) -> u64 {
        self.modify_index
    }
}

impl Stamp for Arc<HealthCheck> {
    fn stamp(&self) -> u64 {
        self.modify_index
    }
}

impl Stamp for Arc<KvEntry> {
    fn stamp(&self) -> u64 {
        self.modify_index
    }
}

impl Stamp for Arc<Session> {
    fn stamp(&self) -> u64 {
        self.modify_index
    }
}

impl Stamp for Arc<NodeCoordinate> {
    /// Coordinates have no index of their own.
    fn stamp(&self) -> u64 {
        0
    }
}

impl Stamp for Arc<PreparedQuery> {
    fn stamp(&self) -> u64 {
        self.modify_index
    }
}

impl Stamp for Arc<HeldLock> {
    fn stamp(&self) -> u64 {
        self.token
    }
}

impl Stamp for Arc<LockDelay> {
    fn stamp(&self) -> u64 {
        self.index
    }
}

impl Draft {
    /// Replaces everything; every watch on what was there fires.
    pub(crate) fn replace(&mut self, by: Self) {
        let mut changes = std::mem::take(&mut self.changes);
        self.tables.touch_all(&mut changes);
        *self = Self { changes, ..by };
    }
}

impl Tables {
    /// Number of values in all trees that hold data.
    pub(crate) fn len(&self) -> usize {
        let catalog = self.nodes.len() + self.services.len() + self.checks.len() + self.coordinates.len();
        catalog + self.kv.len() + self.tombstones.len() + self.sessions.len() + self.held_locks.len()
    }

    /// Touches everything, for tables that are about to be replaced as a whole.
    pub(crate) fn touch_all(&self, changes: &mut Changes) {
        self.nodes.touch_all(changes);
        self.node_ids.touch_all(changes);
        self.services.touch_all(changes);
        self.instances.touch_all(changes);
        self.mesh_instances.touch_all(changes);
        self.checks.touch_all(changes);
        self.attached_checks.touch_all(changes);
        self.service_checks.touch_all(changes);
        self.status_checks.touch_all(changes);
        self.kv.touch_all(changes);
        self.key_history.touch_all(changes);
        self.expiries.touch_all(changes);
        self.tombstones.touch_all(changes);
        self.sessions.touch_all(changes);
        self.node_sessions.touch_all(changes);
        self.session_checks.touch_all(changes);
        self.held_locks.touch_all(changes);
        self.lock_delays.touch_all(changes);
        self.acl.touch_all(changes);
        self.config_entries.touch_all(changes);
        self.intentions.touch_all(changes);
        self.mesh_ca.touch_all(changes);
        self.coordinates.touch_all(changes);
        self.prepared_queries.touch_all(changes);
        self.prepared_query_names.touch_all(changes);
        self.session_queries.touch_all(changes);
        self.query_templates.touch_all(changes);
        self.indexes.touch_all(changes);
    }
}
