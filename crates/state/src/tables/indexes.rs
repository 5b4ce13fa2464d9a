//! Indexes of tables and services: what blocking queries compare and wait on.

use std::sync::Arc;

use model::{NodeService, ServiceName};

use super::{Draft, Tables};
use crate::key::{Bytes, key};
use crate::source::Table;

/// Name of the index of the last disappearance of a service name.
pub(crate) const EXTINCTION: &str = "service_last_extinction";

/// Name of the index of the last disappearance of a way to any service through the mesh.
pub(crate) const MESH_EXTINCTION: &str = "mesh_last_extinction";

/// Name of the index up to which deletions of keys have been forgotten.
pub(crate) const FORGOTTEN: &str = "kvs_forgotten";

/// Key of the index of a service.
pub(crate) fn service_key(service: &str) -> Bytes {
    key(["service", service])
}

/// Key of the index of a service as the mesh reaches it.
pub(crate) fn mesh_key(service: &str) -> Bytes {
    key(["mesh", service])
}

impl Tables {
    /// Index of a table; 0 while nothing was ever in it.
    pub(crate) fn table_index(&self, table: Table) -> u64 {
        self.indexes.get(&key([table.name()])).copied().unwrap_or(0)
    }

    /// Highest index of the tables.
    pub(crate) fn tables_index(&self, tables: &[Table]) -> u64 {
        tables.iter().map(|table| self.table_index(*table)).max().unwrap_or(0)
    }
}

impl Draft {
    pub(crate) fn bump(&mut self, table: Table, index: u64) {
        self.tables.indexes.insert(&key([table.name()]), index, &mut self.changes);
    }

    /// Bumps what shows an instance: its service, and the service that the mesh reaches through it.
    pub(crate) fn bump_instance(&mut self, service: &NodeService, index: u64) {
        self.tables.indexes.insert(&service_key(&service.service), index, &mut self.changes);
        if let Some(destination) = service.mesh_destination() {
            self.tables.indexes.insert(&mesh_key(&destination), index, &mut self.changes);
        }
    }

    /// Every instance of the node shows a change of the node or of its own checks.
    pub(crate) fn bump_services_of_node(&mut self, node: &str, index: u64) {
        let prefix = key([node]);
        let services: Vec<_> =
            self.tables.services.prefix(&prefix).map(|instance| Arc::clone(&instance.service)).collect();
        for service in services {
            self.bump_instance(&service, index);
        }
    }

    /// Bumps a service that has lost an instance, or buries its index with the last one.
    pub(crate) fn bump_or_bury_service(&mut self, service: &ServiceName, index: u64) {
        if self.tables.instances.prefix(&key([service])).next().is_some() {
            self.tables.indexes.insert(&service_key(service), index, &mut self.changes);
        } else {
            self.bump(Table::ServiceNames, index);
            self.tables.indexes.remove(&service_key(service), &mut self.changes);
            self.tables.indexes.insert(&key([EXTINCTION]), index, &mut self.changes);
        }
    }

    /// The same for a service as the mesh reaches it.
    pub(crate) fn bump_or_bury_mesh(&mut self, destination: &ServiceName, index: u64) {
        if self.tables.mesh_instances.prefix(&key([destination])).next().is_some() {
            self.tables.indexes.insert(&mesh_key(destination), index, &mut self.changes);
        } else {
            self.tables.indexes.remove(&mesh_key(destination), &mut self.changes);
            self.tables.indexes.insert(&key([MESH_EXTINCTION]), index, &mut self.changes);
        }
    }
}
