//! The settings of autopilot: one object, or none before the first leader has written what it was configured with.

use std::sync::Arc;

use model::{AutopilotChange, AutopilotConfig};

use super::Draft;

impl Draft {
    /// Replaces the settings; false when the condition of the change does not hold.
    pub(crate) fn put_autopilot(&mut self, index: u64, change: AutopilotChange) -> bool {
        let AutopilotChange { config, cas, is_initial } = change;
        let existing = self.tables.autopilot.as_ref();
        let modified = existing.map_or(0, |existing| existing.modify_index);
        if cas.is_some_and(|cas| cas != modified) || (is_initial && existing.is_some()) {
            return false;
        }
        let create_index = existing.map_or(index, |existing| existing.create_index);
        self.tables.autopilot = Some(Arc::new(AutopilotConfig { create_index, modify_index: index, ..config }));
        true
    }
}
