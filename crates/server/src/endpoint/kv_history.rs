//! The past of keys, in `/v1/kv`: all versions of one, and what was there at an index.

use model::{Key, KvVersion, TimedKvEntry, Timestamp};
use serde::Serialize;
use state::{HistoryError, View};

use crate::request::{Answer, ErrorKind, RequestError};

/// A version in JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Shown<'a> {
    Entry(TimedKvEntry<'a>),
    #[serde(rename_all = "PascalCase")]
    Deletion {
        key: &'a Key,
        deleted: bool,
        modify_index: u64,
        #[serde(skip_serializing_if = "is_unknown")]
        modify_time: Timestamp,
    },
}

fn is_unknown(time: &Timestamp) -> bool {
    *time == Timestamp::default()
}

pub(super) fn versions(view: &View, key: &Key) -> Result<Answer, RequestError> {
    Ok(Answer::KvHistory(key.clone(), view.kv_history(key).map_err(refused)?))
}

pub(super) fn at(view: &View, key: &Key, index: u64, is_recurse: bool) -> Result<Answer, RequestError> {
    let found = match is_recurse {
        true => view.kv_under_at(key, index),
        false => view.kv_at(key, index).map(|entry| entry.into_iter().collect()),
    };
    found.map(Answer::Kv).map_err(refused)
}

pub(super) fn shown<'a>(key: &'a Key, versions: &'a [KvVersion]) -> Vec<Shown<'a>> {
    let show = |version: &'a KvVersion| match &version.entry {
        Some(entry) => Shown::Entry(TimedKvEntry::from(&**entry)),
        None => Shown::Deletion { key, deleted: true, modify_index: version.index, modify_time: version.time },
    };
    versions.iter().map(show).collect()
}

fn refused(error: HistoryError) -> RequestError {
    RequestError::new(ErrorKind::BadRequest, error.to_string())
}
