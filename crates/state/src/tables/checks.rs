//! Health checks: one per node and check id, found also by what they are attached to and by status.

use std::sync::Arc;

use model::{HealthCheck, Status};

use super::{Draft, Tables};
use crate::key::key;
use crate::source::Table;

impl Tables {
    pub(crate) fn check(&self, node: &str, id: &str) -> Option<&Arc<HealthCheck>> {
        self.checks.get(&key([node, id]))
    }
}

impl Draft {
    /// Adds or changes a check of a node that exists, attached to the node or to an instance that exists. The same again
    /// changes nothing.
    pub(crate) fn put_check(&mut self, index: u64, mut check: HealthCheck) {
        if check.status.is_empty() {
            check.status = Status::Critical.as_str().to_owned();
        }
        if let Some(node) = self.tables.node(&check.node) {
            check.node = node.node.clone();
        }
        if let Some(instance) = self.tables.instance(&check.node, &check.service_id) {
            check.service_name = instance.service.service.clone();
            check.service_tags = instance.service.tags.clone();
        }
        let existing = self.tables.checks.get(&key([&check.node, &check.check_id])).cloned();
        if existing.as_ref().is_some_and(|existing| existing.is_same_definition(&check)) {
            return;
        }
        check.create_index = existing.as_ref().map_or(index, |existing| existing.create_index);
        check.modify_index = index;
        if let Some(existing) = existing {
            self.displace_check(&existing);
            if existing.service_id != check.service_id {
                self.refresh_owner(index, &existing);
            }
        }
        let check = Arc::new(check);
        self.place_check(&check);
        self.refresh_owner(index, &check);
        self.bump(Table::Checks, index);
        if check.is_critical() {
            self.invalidate_sessions_bound_to(index, &check.node, &check.check_id);
        }
    }

    /// Puts a check into its trees; instances and indexes are left alone.
    pub(crate) fn place_check(&mut self, check: &Arc<HealthCheck>) {
        let (node, id) = (&check.node, &check.check_id);
        let (tables, changes) = (&mut self.tables, &mut self.changes);
        tables.checks.insert(&key([node, id]), Arc::clone(check), changes);
        tables.attached_checks.insert(&key([node, &check.service_id, id]), Arc::clone(check), changes);
        tables.status_checks.insert(&key([&check.status, node, id]), Arc::clone(check), changes);
        if !check.service_name.is_empty() {
            tables.service_checks.insert(&key([&check.service_name, node, id]), Arc::clone(check), changes);
        }
    }

    /// Puts a check into its trees and joins what shows it; indexes are left alone.
    pub(crate) fn place_check_joined(&mut self, check: &Arc<HealthCheck>) {
        self.place_check(check);
        self.join_owner(check);
    }

    /// Takes a check out of the trees whose keys may change with it.
    fn displace_check(&mut self, check: &HealthCheck) {
        let (node, id) = (&check.node, &check.check_id);
        let (tables, changes) = (&mut self.tables, &mut self.changes);
        tables.attached_checks.remove(&key([node, &check.service_id, id]), changes);
        tables.status_checks.remove(&key([&check.status, node, id]), changes);
        tables.service_checks.remove(&key([&check.service_name, node, id]), changes);
    }

    /// Removes a check. Unknown ones are fine.
    pub(crate) fn delete_check(&mut self, index: u64, node: &str, check_id: &str) {
        let Some(check) = self.tables.checks.remove(&key([node, check_id]), &mut self.changes) else { return };
        self.displace_check(&check);
        self.refresh_owner(index, &check);
        self.bump(Table::Checks, index);
        self.invalidate_sessions_bound_to(index, node, &check.check_id);
    }

    /// Joins and bumps what shows the check: its instance, or every instance of its node.
    fn refresh_owner(&mut self, index: u64, check: &HealthCheck) {
        self.join_owner(check);
        if check.service_id.is_empty() {
            self.bump_services_of_node(&check.node, index);
        } else if let Some(instance) = self.tables.instance(&check.node, &check.service_id) {
            let service = Arc::clone(&instance.service);
            self.bump_instance(&service, index);
        }
    }

    fn join_owner(&mut self, check: &HealthCheck) {
        if check.service_id.is_empty() {
            self.join_node(&check.node);
        } else {
            self.join_instance(&check.node, &check.service_id);
        }
    }
}
