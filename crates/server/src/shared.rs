//! Shared reads: equal queries on unchanged data get one evaluation and one encoded answer.
//!
//! An answer is right as long as the watches of the view that it was made from are fresh; nothing has to be compared or
//! thrown away at writes. Looking one up takes a shared lock on a part of the map and no allocation.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use state::Watches;

use crate::limits::{SHARED_ANSWERS_MAX, SHARED_BYTES_MAX};
use crate::request::{Page, Query, RequestError};

const SHARDS: usize = 16;

type Shard = RwLock<HashMap<ReadKey, Arc<Slot>>>;

/// What makes two reads equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReadKey {
    pub(crate) query: Query,
    pub(crate) filter: String,
    pub(crate) page: Page,
    /// Number of the caller's rights: others see other rows.
    pub(crate) scope: u64,
}

/// An encoded answer.
pub(crate) struct Rendered {
    /// Whether there is anything (KV: whether HTTP answers 200).
    pub(crate) found: bool,
    pub(crate) json: Bytes,
    /// Of the one entry that was asked for, if it is locked; else 0.
    pub(crate) fencing_token: u64,
}

struct Kept {
    rendered: Rendered,
    watches: Watches,
    /// Gives the bytes back when the answer is dropped.
    _budget: Spent,
}

/// The place of one query in the shared answers.
#[derive(Default)]
pub(crate) struct Slot {
    kept: ArcSwapOption<Kept>,
    /// Held while one evaluates for all.
    evaluating: Mutex<()>,
}

/// The answers that equal queries share. One per server.
pub struct Shared {
    datacenter: String,
    shards: [Shard; SHARDS],
    hasher: RandomState,
    bytes: Arc<AtomicUsize>,
}

struct Spent {
    bytes: usize,
    total: Arc<AtomicUsize>,
}

impl Drop for Spent {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Shared {
    /// Nothing kept yet, on a server of a datacenter.
    #[must_use]
    pub fn new(datacenter: impl Into<String>) -> Self {
        Self {
            datacenter: datacenter.into(),
            shards: Default::default(),
            hasher: RandomState::new(),
            bytes: Arc::default(),
        }
    }

    /// The datacenter of the server.
    pub(crate) fn datacenter(&self) -> &str {
        &self.datacenter
    }

    /// Bytes of the answers that are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The place of a query, made when there is none.
    pub(crate) fn slot(&self, key: &ReadKey) -> Arc<Slot> {
        let shard = &self.shards[self.hasher.hash_one(key) as usize % SHARDS];
        if let Some(slot) = shard.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Arc::clone(slot);
        }
        let is_enough = |answers| answers < SHARED_ANSWERS_MAX / SHARDS;
        if !is_enough(shard.read().unwrap_or_else(PoisonError::into_inner).len()) {
            make_room(shard, is_enough);
        }
        let mut map = shard.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(map.entry(key.clone()).or_default())
    }

    /// Whether an answer of this size may be kept, after others have made room for it.
    fn has_room(&self, bytes: usize) -> bool {
        let fits = || self.bytes() + bytes <= SHARED_BYTES_MAX;
        for shard in &self.shards {
            if fits() {
                break;
            }
            make_room(shard, |_| fits());
        }
        fits()
    }

    /// The answer of a slot, or the one that `evaluate` makes, which is kept for the others.
    pub(crate) fn answer(
        &self,
        slot: &Slot,
        evaluate: impl FnOnce() -> Result<(Rendered, Watches), RequestError>,
    ) -> Result<Rendered, RequestError> {
        if let Some(rendered) = slot.fresh() {
            return Ok(rendered);
        }
        let _one_at_a_time = slot.evaluating.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rendered) = slot.fresh() {
            return Ok(rendered);
        }
        slot.kept.store(None);
        let (rendered, watches) = evaluate()?;
        let bytes = rendered.json.len();
        if self.has_room(bytes) {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            let kept =
                Kept { rendered: rendered.share(), watches, _budget: Spent { bytes, total: Arc::clone(&self.bytes) } };
            slot.kept.store(Some(Arc::new(kept)));
        }
        Ok(rendered)
    }
}

/// Gives up answers that nobody waits for: the outdated ones, then, unless that was enough, all of them.
fn make_room(shard: &Shard, is_enough: impl Fn(usize) -> bool) {
    let mut map = shard.write().unwrap_or_else(PoisonError::into_inner);
    map.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.is_fresh());
    if !is_enough(map.len()) {
        map.retain(|_, slot| Arc::strong_count(slot) > 1);
    }
}

impl Slot {
    fn is_fresh(&self) -> bool {
        self.kept.load().as_ref().is_some_and(|kept| kept.watches.are_fresh())
    }

    fn fresh(&self) -> Option<Rendered> {
        let kept = self.kept.load();
        kept.as_ref().filter(|kept| kept.watches.are_fresh()).map(|kept| kept.rendered.share())
    }
}

impl Rendered {
    fn share(&self) -> Self {
        Self { found: self.found, json: self.json.clone(), fencing_token: self.fencing_token }
    }
}
