//! Changes of keys.

use std::sync::Arc;

use model::{HeldLock, Key, KvChange, KvCopy, KvEntry, KvVerb, SessionId};

use crate::limits::COPIED_KEYS_MAX;
use crate::outcome::Outcome;
use crate::tables::Draft;

/// Applies a change of keys; false when a compare-and-set did not match or a lock is held by another session.
pub(crate) fn apply_kv(draft: &mut Draft, index: u64, change: KvChange) -> Outcome {
    draft.set_time(change.time);
    let current = draft.tables.kv.get(&change.key).map(|entry| entry.modify_index);
    match change.verb {
        KvVerb::Set => draft.put_key(index, change),
        KvVerb::Cas => {
            // 0 is no index of an entry, so it can only mean "must not exist".
            if current.unwrap_or(0) != change.index {
                return Outcome::Bool(false);
            }
            draft.put_key(index, change);
        }
        KvVerb::Delete => draft.delete_key(index, &change.key),
        KvVerb::DeleteCas => {
            if current.is_some_and(|current| current != change.index) {
                return Outcome::Bool(false);
            }
            draft.delete_key(index, &change.key);
        }
        KvVerb::DeleteTree => draft.delete_keys(index, &change.key),
        KvVerb::Lock => return lock(draft, index, change),
        KvVerb::Unlock => return unlock(draft, index, change),
    }
    Outcome::Bool(true)
}

fn lock(draft: &mut Draft, index: u64, change: KvChange) -> Outcome {
    if change.session.is_empty() {
        return Outcome::Error("missing session".to_owned());
    }
    let Some(session) = draft.tables.session(&change.session) else {
        return Outcome::Error(format!("invalid session \"{}\"", change.session));
    };
    let session = session.id.clone();
    let existing = draft.tables.kv.get(&change.key).cloned();
    let is_held = existing.as_ref().is_some_and(|entry| entry.session == session);
    if existing.as_ref().is_some_and(|entry| !entry.session.is_empty() && !is_held) {
        return Outcome::Bool(false);
    }
    if draft.tables.lock_delays.get(&change.key).is_some_and(|delay| delay.index > change.index) {
        return Outcome::Bool(false);
    }
    if !is_held {
        draft.tables.lock_delays.remove(&change.key, &mut draft.changes);
        draft.hold(HeldLock { session: session.clone(), key: change.key.clone(), token: index });
    }
    let lock_index = existing.as_ref().map_or(0, |entry| entry.lock_index) + u64::from(!is_held);
    let entry = KvEntry { lock_index, session, ..draft.written(index, change) };
    let token = draft.tables.fencing_token(&entry);
    draft.put_entry(index, entry);
    Outcome::Locked { token }
}

fn unlock(draft: &mut Draft, index: u64, change: KvChange) -> Outcome {
    if change.session.is_empty() {
        return Outcome::Error("missing session".to_owned());
    }
    let Some(existing) = draft.tables.kv.get(&change.key).cloned() else { return Outcome::Bool(false) };
    if !existing.session.eq_ignore_ascii_case(&change.session) {
        return Outcome::Bool(false);
    }
    draft.let_go(&existing);
    let entry = KvEntry { session: SessionId::default(), ..draft.written(index, change) };
    draft.put_entry(index, entry);
    Outcome::Bool(true)
}

/// Copies or moves what is under a prefix; false when there is nothing. Values, flags and times of expiry go along. Locks
/// stay where they are; those of keys that are moved away are let go.
pub(crate) fn apply_copy(draft: &mut Draft, index: u64, copy: &KvCopy) -> Result<bool, String> {
    let KvCopy { from, to, is_move, time } = copy;
    if *is_move && to.starts_with(from) {
        return Err(format!("cannot move \"{from}\" to \"{to}\", which is a part of it"));
    }
    let originals: Vec<Arc<KvEntry>> = draft.tables.kv.prefix(from).take(COPIED_KEYS_MAX + 1).map(Arc::clone).collect();
    if originals.len() > COPIED_KEYS_MAX {
        return Err(format!("more than {COPIED_KEYS_MAX} keys begin with \"{from}\": copy or move parts of it"));
    }
    if originals.iter().any(|entry| entry.key.len() == from.len() && to.is_empty()) {
        return Err(format!("the key \"{from}\" would have no name"));
    }
    draft.set_time(*time);
    if *is_move {
        draft.delete_keys(index, from);
    }
    for entry in &originals {
        let key = Key::new([to.as_bytes(), &entry.key[from.len()..]].concat());
        let (value, flags, time) = (entry.value.clone(), entry.flags, *time);
        let copied = draft.written(index, KvChange { key, value, flags, time, ..KvChange::default() });
        draft.put_entry(index, KvEntry { expire_time: entry.expire_time, ..copied });
    }
    Ok(!originals.is_empty())
}
