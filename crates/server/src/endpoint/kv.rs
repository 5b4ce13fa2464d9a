//! `/v1/kv`.

use std::sync::Arc;
use std::time::Duration;

use model::{Key, KvChange, KvEntry, KvVerb, TimedKvEntry, format_duration};
use state::View;

use super::Leading;
use super::failed;
use super::session::check_id;
use crate::limits::{KEY_TTL_MAX, KEY_TTL_MIN};
use crate::request::{Answer, ErrorKind, Query, RequestError};

pub(super) fn get(view: &View, key: &Key) -> Answer {
    Answer::Kv(view.kv(key).map(Arc::clone).into_iter().collect())
}

pub(super) fn list(view: &View, prefix: &Key) -> Answer {
    Answer::Kv(view.kv_under(prefix).map(Arc::clone).collect())
}

/// Keys under the prefix, each cut after the first separator that follows the prefix; what is cut to the same text
/// appears once.
pub(super) fn keys(view: &View, prefix: &Key, separator: &[u8]) -> Answer {
    let mut keys: Vec<Key> = Vec::new();
    for entry in view.kv_under(prefix) {
        let key = &entry.key;
        let cut = find(&key[prefix.len()..], separator).map(|at| &key[..prefix.len() + at + separator.len()]);
        match cut {
            Some(cut) if keys.last().is_some_and(|last| **last == *cut) => {}
            Some(cut) => keys.push(Key::new(cut)),
            None => keys.push(key.clone()),
        }
    }
    Answer::Keys(keys)
}

pub(super) fn wants_times(query: &Query) -> bool {
    matches!(
        query,
        Query::KvGet { times: true, .. } | Query::KvList { times: true, .. } | Query::KvAt { times: true, .. }
    )
}

pub(super) fn timed(entries: &[Arc<KvEntry>]) -> Vec<TimedKvEntry<'_>> {
    entries.iter().map(|entry| TimedKvEntry::from(&**entry)).collect()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() { None } else { text.windows(part.len()).position(|window| window == part) }
}

/// Checks a change of keys; `None` when a lock-delay forbids it. Only the deletion of a tree may name no key: it means
/// everything.
pub(super) fn prepare(view: &View, change: &KvChange, leading: &Leading<'_>) -> Result<Option<KvChange>, RequestError> {
    if change.key.is_empty() && change.verb != KvVerb::DeleteTree {
        return Err(failed("Must provide key"));
    }
    let change = dated(change, leading)?;
    if change.verb != KvVerb::Lock {
        return Ok(Some(change));
    }
    if is_delayed(view, &change.key, leading) {
        return Ok(None);
    }
    if change.session.is_empty() {
        return Err(failed("missing session"));
    }
    check_id(&change.session)?;
    // A delay that begins between here and there must hold: what this view shows is all that was looked at.
    Ok(Some(KvChange { index: view.index(), ..change }))
}

/// The change with the time of now, which decides when the entry expires.
pub(super) fn dated(change: &KvChange, leading: &Leading<'_>) -> Result<KvChange, RequestError> {
    let ttl = Duration::from_nanos(change.ttl);
    let refused = |text: String| Err(RequestError::new(ErrorKind::BadRequest, text));
    if !ttl.is_zero() && !(KEY_TTL_MIN..=KEY_TTL_MAX).contains(&ttl) {
        let [ttl, min, max] = [ttl, KEY_TTL_MIN, KEY_TTL_MAX].map(format_duration);
        return refused(format!("Invalid ttl {ttl}: it must be between {min} and {max}"));
    }
    if !ttl.is_zero() && !matches!(change.verb, KvVerb::Set | KvVerb::Cas) {
        return refused("A ttl goes together with a plain write or cas only".to_owned());
    }
    Ok(KvChange { time: leading.time.whole_milliseconds(), ..change.clone() })
}

/// Whether the key may not be locked yet, because its last holder may not know that it has lost the lock.
pub(super) fn is_delayed(view: &View, key: &Key, leading: &Leading<'_>) -> bool {
    view.lock_delay(key).is_some_and(|delay| !leading.locks.is_over(leading.now, delay))
}
