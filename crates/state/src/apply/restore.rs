//! Replacing the whole state: chunks are collected, and read as one when the last has come.

use std::sync::Arc;

use crate::restore::{Chunks, RestoreChange, RestoreStep, Staged};
use crate::snapshot;
use crate::tables::Draft;

/// Applies one step; the error is the text for whoever restores. A step that fails changes nothing.
pub(crate) fn apply_restore(draft: &mut Draft, index: u64, change: RestoreChange) -> Result<bool, String> {
    let RestoreChange { id, step } = change;
    let staged = &mut draft.tables.staged;
    if step == RestoreStep::Begin {
        *staged = Some(Arc::new(Staged { id, chunks: Vec::new() }));
        return Ok(true);
    }
    let Some(current) = staged.as_mut().filter(|staged| staged.id == id) else {
        return Err("the restore was given up meanwhile; start it again".to_owned());
    };
    match step {
        RestoreStep::Begin => {}
        RestoreStep::Chunk { number, bytes } => {
            if number != current.chunks.len() as u64 {
                return Err(format!("chunk {number} of the restore came where {} was due", current.chunks.len()));
            }
            Arc::make_mut(current).chunks.push(bytes);
        }
        RestoreStep::Finish => {
            let chunks = Chunks::new(&current.chunks);
            let mut restored = snapshot::read(chunks).map_err(|error| format!("failed to restore: {error}"))?;
            // What comes after must have higher indexes than everything in the snapshot, and than everything before.
            let next = index.max(restored.tables.index + 1);
            let tables = &mut restored.tables;
            tables.restored = draft.tables.restored;
            tables.restored.offset += next - index;
            tables.restored.index = next;
            tables.index = next;
            tables.staged = None;
            // What servers show each other goes on, unless the snapshot brings it; that of a Consul server does not.
            tables.acl.server_secret = tables.acl.server_secret.take().or(draft.tables.acl.server_secret.take());
            // How much of the past is kept is a setting of this cluster.
            let limits = draft.tables.history.limits;
            draft.replace(restored);
            draft.limit_history(next, limits);
        }
        RestoreStep::Abort => *staged = None,
    }
    Ok(true)
}
