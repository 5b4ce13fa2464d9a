//! Nodes: one per name, ignoring case, and one per id.

use std::sync::Arc;

use model::{Node, NodeId, NodeName, Registration, SERF_CHECK_ID};

use super::{Draft, Tables};
use crate::key::key;
use crate::source::Table;

/// What a registration means for the node table.
pub(crate) enum NodePlan {
    /// The node is registered as it is.
    Keep,
    /// The node is new or changed; `renamed_from` is the name that its id had before.
    Put { renamed_from: Option<NodeName> },
}

impl Tables {
    pub(crate) fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.get(&key([name]))
    }

    pub(crate) fn node_by_id(&self, id: &NodeId) -> Option<&Arc<Node>> {
        if id.is_empty() { None } else { self.node_ids.get(&key([id])) }
    }

    /// Decides whether the node of a registration may be put, and how.
    pub(crate) fn plan_node(&self, registration: &Registration) -> Result<NodePlan, String> {
        let by_name = self.node(&registration.node);
        if by_name.is_some_and(|node| registration.skip_node_update || is_same_node(node, registration)) {
            return Ok(NodePlan::Keep);
        }
        if registration.node.is_empty() {
            return Err("failed inserting node: Must provide node".to_owned());
        }
        if registration.id.is_empty() {
            return Ok(NodePlan::Put { renamed_from: None });
        }
        let by_id = self.node_by_id(&registration.id);
        let is_renamed = by_id.is_some_and(|node| node.node != registration.node);
        if (by_id.is_none() || is_renamed)
            && let Some(holder) = by_name
        {
            self.check_name_is_free(registration, holder, is_renamed)?;
        }
        Ok(NodePlan::Put { renamed_from: by_id.filter(|_| is_renamed).map(|node| node.node.clone()) })
    }

    /// A name is held by a node with another id as long as that node is well; a node that has no id gives its name to a
    /// node that comes with one, but not to one that is being renamed.
    fn check_name_is_free(&self, registration: &Registration, holder: &Node, is_renamed: bool) -> Result<(), String> {
        let may_take_over = holder.id.eq_ignore_ascii_case(&registration.id) || (holder.id.is_empty() && !is_renamed);
        let is_well = self.checks.get(&key([&holder.node, SERF_CHECK_ID])).is_some_and(|check| !check.is_critical());
        if may_take_over || !is_well {
            return Ok(());
        }
        let address = if is_renamed { format!(" ({})", registration.address) } else { String::new() };
        Err(format!(
            "failed inserting node: Error while renaming Node ID: \"{}\"{address}: Node name {} is reserved by node {} \
             with name {} ({})",
            registration.id, registration.node, holder.id, holder.node, holder.address
        ))
    }
}

fn is_same_node(node: &Node, registration: &Registration) -> bool {
    node.id == registration.id
        && node.node == registration.node
        && node.address == registration.address
        && node.datacenter == registration.datacenter
        && node.tagged_addresses == registration.tagged_addresses
        && node.meta == registration.node_meta
}

impl Draft {
    /// Writes the node of a registration, as planned.
    pub(crate) fn put_node(&mut self, index: u64, registration: &Registration, renamed_from: Option<&NodeName>) {
        let mut create_index = index;
        if let Some(existing) = self.tables.node_by_id(&registration.id) {
            create_index = existing.create_index;
        } else if let Some(existing) = self.tables.node(&registration.node) {
            create_index = existing.create_index;
        }
        if let Some(name) = renamed_from {
            self.delete_node(index, name);
        }
        if let Some(replaced) = self.tables.node(&registration.node).cloned() {
            self.tables.node_ids.remove(&key([&replaced.id]), &mut self.changes);
        }
        let node = Arc::new(Node {
            id: registration.id.clone(),
            node: registration.node.clone(),
            address: registration.address.clone(),
            datacenter: registration.datacenter.clone(),
            tagged_addresses: registration.tagged_addresses.clone(),
            meta: registration.node_meta.clone(),
            create_index,
            modify_index: index,
        });
        self.place_node(node);
        self.bump(Table::Nodes, index);
        self.bump_services_of_node(&registration.node, index);
    }

    /// Puts a node into its trees and joins its instances with it anew; indexes are left alone.
    pub(crate) fn place_node(&mut self, node: Arc<Node>) {
        if !node.id.is_empty() {
            self.tables.node_ids.insert(&key([&node.id]), Arc::clone(&node), &mut self.changes);
        }
        let name = node.node.clone();
        self.tables.nodes.insert(&key([&name]), node, &mut self.changes);
        self.join_node(&name);
    }

    /// Removes a node with everything on it. Unknown ones are fine.
    pub(crate) fn delete_node(&mut self, index: u64, name: &str) {
        let Some(node) = self.tables.node(name).cloned() else { return };
        let prefix = key([name]);
        let services: Vec<_> = self.tables.services.prefix(&prefix).cloned().collect();
        for instance in services {
            self.delete_service(index, name, &instance.service.id);
        }
        let checks: Vec<_> = self.tables.checks.prefix(&prefix).cloned().collect();
        for check in checks {
            self.delete_check(index, name, &check.check_id);
        }
        self.delete_coordinates(index, name);
        self.tables.nodes.remove(&prefix, &mut self.changes);
        if !node.id.is_empty() {
            self.tables.node_ids.remove(&key([&node.id]), &mut self.changes);
        }
        self.bump(Table::Nodes, index);
        self.invalidate_sessions_on(index, name);
    }
}
