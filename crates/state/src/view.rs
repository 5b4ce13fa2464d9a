//! A view: one immutable, complete version of the state. Everything a query can ask.

mod acl;
mod kv_history;

use std::sync::Arc;

use model::{
    AutopilotConfig, ConfigEntry, EntryKind, HealthCheck, Intention, Key, KvEntry, KvSince, LockDelay, MeshCa, Node,
    NodeCoordinate, NodeId, PreparedQuery, Session, Timestamp, TxnAnswer, TxnLook,
};

use crate::apply::look_all;
use crate::instance::Instance;
use crate::key::key;
use crate::snapshot::Snapshot;
use crate::source::{Source, Table};
use crate::tables::{EXTINCTION, FORGOTTEN, MESH_EXTINCTION, Tables, mesh_key, service_key};
use crate::watch::Watches;

pub use kv_history::HistoryError;

/// One version of the state. Holding one keeps its memory, not the writer: let go of it before waiting.
pub struct View {
    pub(crate) tables: Tables,
}

const SERVICE_TABLES: &[Table] = &[Table::Nodes, Table::Services, Table::Checks];
const GATEWAY_TABLES: &[Table] = &[Table::ConfigEntries, Table::ServiceNames];
const NODE_TABLES: &[Table] = &[Table::Nodes, Table::Services];

impl View {
    /// Index of the last command that this view holds; 0 for none.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.tables.index
    }

    /// The state of this view as a snapshot for an archive; O(1).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::for_archive(self.tables.clone())
    }

    /// The settings of autopilot; none before the first leader has written them.
    #[must_use]
    pub fn autopilot(&self) -> Option<&Arc<AutopilotConfig>> {
        self.tables.autopilot.as_ref()
    }

    /// The restore that is under way, if any.
    #[must_use]
    pub fn staged_restore(&self) -> Option<u64> {
        self.tables.staged.as_ref().map(|staged| staged.id)
    }

    /// The index that an answer from this source has; 0 when nothing was ever there. After a restore it is never below
    /// the index of that, whatever the restored objects say, so that indexes do not fall.
    #[must_use]
    pub fn index_of(&self, source: Source<'_>) -> u64 {
        self.index_by_tables(source).max(self.tables.restored.index)
    }

    fn index_by_tables(&self, source: Source<'_>) -> u64 {
        let tables = &self.tables;
        match source {
            Source::Key(key) => tables.key_index(key),
            Source::Prefix(prefix) => tables.prefix_index(prefix),
            Source::Tables(names) => tables.tables_index(names),
            Source::Service(name) => self.named_index(&service_key(name), EXTINCTION),
            Source::Mesh(name) => {
                let ways = self.named_index(&mesh_key(name), MESH_EXTINCTION);
                ways.max(self.gateways_index(EntryKind::TerminatingGateway, name))
            }
            Source::Ingress(name) => self.gateways_index(EntryKind::IngressGateway, name),
            Source::Gateway(_) => tables.tables_index(GATEWAY_TABLES),
            Source::Node(name) if tables.node(name).is_none() => 0,
            Source::Node(_) => tables.tables_index(NODE_TABLES),
            Source::Session(_) | Source::NodeSessions(_) => tables.table_index(Table::Sessions),
        }
    }

    /// The watches that fire when an answer from this source, as of this view, may have changed.
    #[must_use]
    pub fn watches(&self, source: Source<'_>) -> Watches {
        let tables = &self.tables;
        match source {
            Source::Key(key) => Watches::one(tables.kv.watch_key(key)),
            Source::Prefix(prefix) => Watches::one(tables.kv.watch_prefix(prefix)),
            Source::Tables(names) => self.table_watches(names),
            Source::Service(name) => self.named_watches(&service_key(name), EXTINCTION),
            Source::Mesh(name) => {
                let mut watches = self.named_watches(&mesh_key(name), MESH_EXTINCTION);
                self.add_gateway_watches(EntryKind::TerminatingGateway, name, &mut watches);
                watches
            }
            Source::Ingress(name) => {
                let mut watches = Watches::default();
                self.add_gateway_watches(EntryKind::IngressGateway, name, &mut watches);
                watches
            }
            Source::Gateway(_) => self.table_watches(GATEWAY_TABLES),
            Source::Node(_) => self.table_watches(NODE_TABLES),
            Source::Session(id) => Watches::one(tables.sessions.watch_key(&key([id]))),
            Source::NodeSessions(node) => Watches::one(tables.node_sessions.watch_prefix(&key([node]))),
        }
    }

    /// The index of one name, else that of the last disappearance of any.
    fn named_index(&self, name: &[u8], extinction: &str) -> u64 {
        let indexes = &self.tables.indexes;
        let found = indexes.get(name).or_else(|| indexes.get(&key([extinction])));
        found.copied().unwrap_or_else(|| self.tables.tables_index(SERVICE_TABLES))
    }

    fn named_watches(&self, name: &[u8], extinction: &str) -> Watches {
        let indexes = &self.tables.indexes;
        let mut watches = Watches::one(indexes.watch_key(name));
        if indexes.get(name).is_none() {
            watches.push(indexes.watch_key(&key([extinction])));
        }
        watches
    }

    /// The index of the gateways of a kind that lead to a service: of what says so, and of their instances.
    fn gateways_index(&self, kind: EntryKind, service: &str) -> u64 {
        if self.config_entries_of(kind).next().is_none() {
            return 0;
        }
        let instances = self.gateways_to(kind, service).into_iter();
        let instances = instances.map(|gateway| self.named_index(&service_key(&gateway), EXTINCTION)).max();
        self.tables.tables_index(GATEWAY_TABLES).max(instances.unwrap_or(0))
    }

    fn add_gateway_watches(&self, kind: EntryKind, service: &str, watches: &mut Watches) {
        let indexes = &self.tables.indexes;
        watches.push(indexes.watch_key(&key([Table::ConfigEntries.name()])));
        if self.config_entries_of(kind).next().is_none() {
            return;
        }
        watches.push(indexes.watch_key(&key([Table::ServiceNames.name()])));
        for gateway in self.gateways_to(kind, service) {
            watches.push(indexes.watch_key(&service_key(&gateway)));
        }
    }

    fn table_watches(&self, tables: &[Table]) -> Watches {
        let mut watches = Watches::default();
        for table in tables {
            watches.push(self.tables.indexes.watch_key(&key([table.name()])));
        }
        watches
    }

    /// The node of a name, ignoring case.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.tables.node(name)
    }

    /// The node of an id.
    #[must_use]
    pub fn node_by_id(&self, id: &NodeId) -> Option<&Arc<Node>> {
        self.tables.node_by_id(id)
    }

    /// All nodes by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.tables.nodes.iter()
    }

    /// All instances by service name, then node, then id.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.tables.instances.iter()
    }

    /// Instances of a service (ignoring case) by node, then id.
    pub fn instances_of(&self, service: &str) -> impl Iterator<Item = &Arc<Instance>> {
        self.tables.instances.prefix(&key([service]))
    }

    /// Instances that the mesh reaches a service (ignoring case) through, by node, then id.
    pub fn mesh_instances_of(&self, service: &str) -> impl Iterator<Item = &Arc<Instance>> {
        self.tables.mesh_instances.prefix(&key([service]))
    }

    /// Instances of the gateways of a kind that lead to a service.
    pub fn gateway_instances(&self, kind: EntryKind, service: &str) -> impl Iterator<Item = &Arc<Instance>> {
        let gateways = self.gateways_to(kind, service).into_iter();
        gateways.flat_map(|gateway| self.tables.instances.prefix(&key([&gateway])))
    }

    /// A config entry.
    #[must_use]
    pub fn config_entry(&self, kind: EntryKind, name: &str) -> Option<&Arc<ConfigEntry>> {
        self.tables.config_entry(kind, name)
    }

    /// Config entries of a kind by name.
    pub fn config_entries_of(&self, kind: EntryKind) -> impl Iterator<Item = &Arc<ConfigEntry>> {
        self.tables.config_entries.prefix(&key([kind.as_str()]))
    }

    /// All config entries by kind, then name.
    pub fn config_entries(&self) -> impl Iterator<Item = &Arc<ConfigEntry>> {
        self.tables.config_entries.iter()
    }

    /// An intention.
    #[must_use]
    pub fn intention(&self, id: &str) -> Option<&Arc<Intention>> {
        self.tables.intentions.get(&key([id]))
    }

    /// All intentions by id.
    pub fn intentions(&self) -> impl Iterator<Item = &Arc<Intention>> {
        self.tables.intentions.iter()
    }

    /// The mesh's certificate authority, once there is one.
    #[must_use]
    pub fn mesh_ca(&self) -> Option<&Arc<MeshCa>> {
        self.tables.mesh_ca()
    }

    /// Instances on a node by id.
    pub fn instances_on(&self, node: &str) -> impl Iterator<Item = &Arc<Instance>> {
        self.tables.services.prefix(&key([node]))
    }

    /// One instance.
    #[must_use]
    pub fn instance(&self, node: &str, service_id: &str) -> Option<&Arc<Instance>> {
        self.tables.instance(node, service_id)
    }

    /// All checks by node, then id.
    pub fn checks(&self) -> impl Iterator<Item = &Arc<HealthCheck>> {
        self.tables.checks.iter()
    }

    /// One check.
    #[must_use]
    pub fn check(&self, node: &str, check_id: &str) -> Option<&Arc<HealthCheck>> {
        self.tables.checks.get(&key([node, check_id]))
    }

    /// Checks of a node and of its instances by id.
    pub fn checks_on(&self, node: &str) -> impl Iterator<Item = &Arc<HealthCheck>> {
        self.tables.checks.prefix(&key([node]))
    }

    /// Checks of the instances of a service by node, then id.
    pub fn checks_of(&self, service: &str) -> impl Iterator<Item = &Arc<HealthCheck>> {
        self.tables.service_checks.prefix(&key([service]))
    }

    /// Checks with a status by node, then id.
    pub fn checks_in(&self, status: &str) -> impl Iterator<Item = &Arc<HealthCheck>> {
        self.tables.status_checks.prefix(&key([status]))
    }

    /// The entry of a key.
    #[must_use]
    pub fn kv(&self, key: &Key) -> Option<&Arc<KvEntry>> {
        self.tables.kv.get(key)
    }

    /// Entries under a prefix in key order.
    pub fn kv_under(&self, prefix: &Key) -> impl Iterator<Item = &Arc<KvEntry>> {
        self.tables.kv.prefix(prefix)
    }

    /// When the next key expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.tables.expiries.iter().next().map(|entry| entry.expire_time)
    }

    /// The watches that fire when keys that expire come, go or change.
    #[must_use]
    pub fn expiry_watches(&self) -> Watches {
        Watches::one(self.tables.expiries.watch_prefix(&[]))
    }

    /// The token of whoever holds the lock of an entry of this view: the Raft index at which it was taken, 0 for nobody.
    #[must_use]
    pub fn fencing_token(&self, entry: &KvEntry) -> u64 {
        self.tables.fencing_token(entry)
    }

    /// The session of an id, ignoring case.
    #[must_use]
    pub fn session(&self, id: &str) -> Option<&Arc<Session>> {
        self.tables.session(id)
    }

    /// All sessions by id.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.tables.sessions.iter()
    }

    /// Sessions of a node by id.
    pub fn sessions_on(&self, node: &str) -> impl Iterator<Item = &Arc<Session>> {
        self.tables.node_sessions.prefix(&key([node]))
    }

    /// The lock-delay of a key, which may be over already.
    #[must_use]
    pub fn lock_delay(&self, locked: &Key) -> Option<&Arc<LockDelay>> {
        self.tables.lock_delays.get(locked)
    }

    /// All lock-delays by key; those that are over are kept for a while.
    pub fn lock_delays(&self) -> impl Iterator<Item = &Arc<LockDelay>> {
        self.tables.lock_delays.iter()
    }

    /// Answers a transaction that only looks.
    #[must_use]
    pub fn look(&self, operations: &[TxnLook]) -> TxnAnswer {
        look_all(&self.tables, operations)
    }

    /// What happened to the keys under a prefix after an index.
    #[must_use]
    pub fn kv_since(&self, prefix: &Key, since: u64) -> KvSince {
        let tables = &self.tables;
        let forgotten = tables.indexes.get(&key([FORGOTTEN])).copied().unwrap_or(0);
        let above = tables.tombstones.max_stamp_above(prefix);
        let tombstones = tables.tombstones.newer(prefix, since);
        KvSince {
            entries: tables.kv.newer(prefix, since).into_iter().map(|(_, entry)| Arc::clone(entry)).collect(),
            deleted: tombstones.into_iter().map(|(key, index)| (Key::new(key), *index)).collect(),
            is_complete: since >= forgotten && above <= since,
            index: tables.index,
        }
    }

    /// All coordinates by node, then segment.
    pub fn coordinates(&self) -> impl Iterator<Item = &Arc<NodeCoordinate>> {
        self.tables.coordinates.iter()
    }

    /// Coordinates of a node (ignoring case) by segment; agents have one, in the empty segment.
    pub fn coordinates_of(&self, node: &str) -> impl Iterator<Item = &Arc<NodeCoordinate>> {
        self.tables.coordinates.prefix(&key([node]))
    }

    /// All prepared queries by id.
    pub fn prepared_queries(&self) -> impl Iterator<Item = &Arc<PreparedQuery>> {
        self.tables.prepared_queries.iter()
    }

    /// The prepared query of an id.
    #[must_use]
    pub fn prepared_query(&self, id: &str) -> Option<&Arc<PreparedQuery>> {
        self.tables.prepared_queries.get(&key([id]))
    }

    /// The prepared query of a name, ignoring case; a template is found by its whole name here.
    #[must_use]
    pub fn prepared_query_named(&self, name: &str) -> Option<&Arc<PreparedQuery>> {
        self.tables.prepared_query_names.get(&key([name]))
    }

    /// The template with the longest name that the given one starts with, ignoring case.
    #[must_use]
    pub fn template_for(&self, name: &str) -> Option<&Arc<PreparedQuery>> {
        self.tables.template_for(name)
    }

    /// Highest index of a tombstone that is kept, 0 for none.
    #[must_use]
    pub fn tombstones_index(&self) -> u64 {
        self.tables.tombstones.max_stamp(&[])
    }

    /// Lowest index of a tombstone that is kept; walks them all.
    #[must_use]
    pub fn oldest_tombstone(&self) -> Option<u64> {
        self.tables.tombstones.iter().copied().min()
    }
}
