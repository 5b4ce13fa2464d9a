//! Service instances, joined with their nodes and checks.

use std::sync::Arc;

use model::{HealthCheck, NodeService};

use super::{Draft, Tables};
use crate::instance::Instance;
use crate::key::key;
use crate::source::Table;

impl Tables {
    pub(crate) fn instance(&self, node: &str, service_id: &str) -> Option<&Arc<Instance>> {
        self.services.get(&key([node, service_id]))
    }
}

impl Draft {
    /// Adds or changes an instance on a node that exists. The same definition again changes nothing.
    pub(crate) fn put_service(&mut self, index: u64, node: &str, mut service: NodeService) {
        let existing = self.tables.instance(node, &service.id).map(|instance| Arc::clone(&instance.service));
        if existing.as_ref().is_some_and(|existing| existing.is_same_definition(&service)) {
            return;
        }
        service.create_index = existing.as_ref().map_or(index, |existing| existing.create_index);
        service.modify_index = index;
        let name = service.service.clone();
        if let Some(existing) = &existing
            && !existing.service.eq_ignore_ascii_case(&name)
        {
            self.tables.instances.remove(&key([&existing.service, node, &existing.id]), &mut self.changes);
            self.bump_or_bury_service(&existing.service, index);
        }
        let destination = service.mesh_destination();
        if let Some(existing) = &existing
            && let Some(before) = existing.mesh_destination()
            && destination.as_ref().is_none_or(|destination| !destination.eq_ignore_ascii_case(&before))
        {
            self.tables.mesh_instances.remove(&key([&before, node, &existing.id]), &mut self.changes);
            self.bump_or_bury_mesh(&before, index);
        }
        let service = Arc::new(service);
        let is_known_name = existing.as_ref().is_some_and(|existing| existing.kind == service.kind)
            || self.tables.instances.prefix(&key([&name])).any(|instance| instance.service.kind == service.kind);
        self.place_service(node, Arc::clone(&service));
        if !is_known_name {
            self.bump(Table::ServiceNames, index);
        }
        self.bump(Table::Services, index);
        self.bump_instance(&service, index);
    }

    /// Puts an instance into its trees, joined; indexes are left alone. Without the node nothing happens.
    pub(crate) fn place_service(&mut self, node: &str, service: Arc<NodeService>) {
        let Some(node) = self.tables.node(node).cloned() else { return };
        let of_node = self.checks_attached_to(&node.node, "");
        let checks = self.checks_with(&node.node, &service.id, of_node);
        let instance = Arc::new(Instance::new(node, service, checks));
        let (node, service) = (&instance.node.node, &instance.service);
        let (by_node, by_name) = (key([node, &service.id]), key([&service.service, node, &service.id]));
        self.tables.services.insert(&by_node, Arc::clone(&instance), &mut self.changes);
        if let Some(destination) = service.mesh_destination() {
            let by_destination = key([&destination, node, &service.id]);
            self.tables.mesh_instances.insert(&by_destination, Arc::clone(&instance), &mut self.changes);
        }
        self.tables.instances.insert(&by_name, instance, &mut self.changes);
    }

    /// Removes an instance with its checks. Unknown ones are fine.
    pub(crate) fn delete_service(&mut self, index: u64, node: &str, service_id: &str) {
        let Some(instance) = self.tables.instance(node, service_id).cloned() else { return };
        for check in self.checks_attached_to(node, service_id) {
            self.delete_check(index, node, &check.check_id);
        }
        let service = &instance.service;
        self.tables.services.remove(&key([node, service_id]), &mut self.changes);
        self.tables.instances.remove(&key([&service.service, node, service_id]), &mut self.changes);
        self.bump(Table::Checks, index);
        self.bump(Table::Services, index);
        self.bump_or_bury_service(&service.service, index);
        if let Some(destination) = service.mesh_destination() {
            self.tables.mesh_instances.remove(&key([&destination, node, service_id]), &mut self.changes);
            self.bump_or_bury_mesh(&destination, index);
        }
    }

    /// Joins all instances of a node anew, after the node or one of its own checks has changed.
    pub(crate) fn join_node(&mut self, node: &str) {
        let services: Vec<_> =
            self.tables.services.prefix(&key([node])).map(|instance| Arc::clone(&instance.service)).collect();
        for service in services {
            self.place_service(node, service);
        }
    }

    /// Joins one instance anew, after one of its checks has changed.
    pub(crate) fn join_instance(&mut self, node: &str, service_id: &str) {
        if let Some(service) = self.tables.instance(node, service_id).map(|instance| Arc::clone(&instance.service)) {
            self.place_service(node, service);
        }
    }

    pub(crate) fn checks_attached_to(&self, node: &str, service_id: &str) -> Vec<Arc<HealthCheck>> {
        self.tables.attached_checks.prefix(&key([node, service_id])).cloned().collect()
    }

    fn checks_with(&self, node: &str, service_id: &str, mut checks: Vec<Arc<HealthCheck>>) -> Arc<[Arc<HealthCheck>]> {
        if !service_id.is_empty() {
            checks.extend(self.tables.attached_checks.prefix(&key([node, service_id])).cloned());
        }
        checks.into()
    }
}
