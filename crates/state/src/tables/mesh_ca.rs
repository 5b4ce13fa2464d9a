//! The mesh's certificate authority: one record.

use std::sync::Arc;

use model::MeshCa;

use super::{Draft, Tables};
use crate::source::Table;

/// The key of the only record.
const KEY: &[u8] = &[];

impl Tables {
    pub(crate) fn mesh_ca(&self) -> Option<&Arc<MeshCa>> {
        self.mesh_ca.get(KEY)
    }
}

impl Draft {
    /// Replaces the authority; false when it was changed since the proposer looked.
    pub(crate) fn put_mesh_ca(&mut self, index: u64, mut ca: MeshCa, expected_index: u64) -> bool {
        let existing = self.tables.mesh_ca().cloned();
        if existing.as_ref().map_or(0, |existing| existing.modify_index) != expected_index {
            return false;
        }
        ca.create_index = existing.as_ref().map_or(index, |existing| existing.create_index);
        ca.modify_index = index;
        ca.roots_index = existing.as_ref().map_or(index, |existing| existing.roots_index);
        for root in &mut ca.roots {
            let before = existing.as_ref().and_then(|existing| existing.roots.iter().find(|other| other.id == root.id));
            root.create_index = before.map_or(index, |before| before.create_index);
            root.modify_index = before.map_or(index, |before| before.modify_index);
            if before != Some(&*root) {
                root.modify_index = index;
            }
        }
        if existing.is_none_or(|existing| existing.roots != ca.roots) {
            ca.roots_index = index;
        }
        self.bump(Table::MeshCa, index);
        self.place_mesh_ca(Arc::new(ca));
        true
    }

    /// Puts the authority into its tree; indexes are left alone.
    pub(crate) fn place_mesh_ca(&mut self, ca: Arc<MeshCa>) {
        self.tables.mesh_ca.insert(KEY, ca, &mut self.changes);
    }
}
