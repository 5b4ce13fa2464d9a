//! What a view knows of the past of keys.

use std::sync::Arc;

use model::{Key, KvEntry, KvVersion};

use super::View;
use crate::tables::Past;

/// Why the past cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Nothing is kept.
    #[error("No history of keys is kept: set limits.kv_history_versions on the servers")]
    Off,
    /// It was forgotten, or never known.
    #[error("The history does not reach back to index {index}: it begins at {oldest}")]
    Forgotten {
        /// What was asked for.
        index: u64,
        /// What is known.
        oldest: u64,
    },
    /// There is no such index yet.
    #[error("Index {index} has not come yet: the last one is {newest}")]
    Future {
        /// What was asked for.
        index: u64,
        /// What there is.
        newest: u64,
    },
}

impl View {
    /// All that is known of a key, the newest first: what it is now, and what it was before.
    ///
    /// # Errors
    /// When no history is kept.
    pub fn kv_history(&self, key: &Key) -> Result<Vec<KvVersion>, HistoryError> {
        if !self.tables.history.limits.is_on() {
            return Err(HistoryError::Off);
        }
        let now = self.tables.kv.get(key).map(|entry| KvVersion {
            index: entry.modify_index,
            until: 0,
            time: entry.modify_time,
            entry: Some(Arc::clone(entry)),
        });
        let past = self.tables.key_history.get(key).map(|history| history.versions.iter().rev().cloned());
        Ok(now.into_iter().chain(past.into_iter().flatten()).collect())
    }

    /// The entry of a key as it was at an index, if it was there.
    ///
    /// # Errors
    /// When that is not known.
    pub fn kv_at(&self, key: &Key, index: u64) -> Result<Option<Arc<KvEntry>>, HistoryError> {
        self.check_index(index)?;
        match self.tables.key_at(key, index) {
            Past::Entry(entry) => Ok(Some(Arc::clone(entry))),
            Past::Absent => Ok(None),
            Past::UnknownBefore(oldest) => Err(HistoryError::Forgotten { index, oldest }),
        }
    }

    /// The entries under a prefix as they were at an index, in key order.
    ///
    /// # Errors
    /// When not all of them are known.
    pub fn kv_under_at(&self, prefix: &Key, index: u64) -> Result<Vec<Arc<KvEntry>>, HistoryError> {
        self.check_index(index)?;
        self.tables.keys_at(prefix, index).map_err(|oldest| HistoryError::Forgotten { index, oldest })
    }

    /// How much of the past of keys is kept.
    #[must_use]
    pub fn kv_history_limits(&self) -> model::KvHistoryLimits {
        self.tables.history.limits
    }

    fn check_index(&self, index: u64) -> Result<(), HistoryError> {
        if !self.tables.history.limits.is_on() {
            return Err(HistoryError::Off);
        }
        match self.tables.index {
            newest if index > newest => Err(HistoryError::Future { index, newest }),
            _ => Ok(()),
        }
    }
}
