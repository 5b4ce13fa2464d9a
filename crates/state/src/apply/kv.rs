//! Changes of keys.

use model::{KvChange, KvVerb};

use crate::tables::Draft;

/// Applies a change of keys; false when a compare-and-set did not match.
pub(crate) fn apply_kv(draft: &mut Draft, index: u64, change: KvChange) -> bool {
    let current = draft.tables.kv.get(&change.key).map(|entry| entry.modify_index);
    match change.verb {
        KvVerb::Set => draft.put_key(index, change),
        KvVerb::Cas => {
            // 0 is no index of an entry, so it can only mean "must not exist".
            if current.unwrap_or(0) != change.index {
                return false;
            }
            draft.put_key(index, change);
        }
        KvVerb::Delete => draft.delete_key(index, &change.key),
        KvVerb::DeleteCas => {
            if current.is_some_and(|current| current != change.index) {
                return false;
            }
            draft.delete_key(index, &change.key);
        }
        KvVerb::DeleteTree => draft.delete_keys(index, &change.key),
    }
    true
}
