//! The store: the single writer of the state, and the readers of what it has published.

use std::io::Read;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::apply;
use crate::limits::RETIRED_BIG_VALUES;
use crate::outcome::Outcome;
use crate::snapshot::{self, Snapshot, SnapshotError};
use crate::tables::Draft;
use crate::view::View;

/// The single writer. See the crate for how a shell drives it.
pub struct Store {
    draft: Draft,
    published: Arc<ArcSwap<View>>,
}

/// Gives views of what has been published. Cheap to clone; never waits for the writer.
#[derive(Clone)]
pub struct Reader(Arc<ArcSwap<View>>);

/// A version that has been replaced. Dropping it frees what no newer version and no reader shares: after a restore that
/// may take a second, so drop it on a thread that may pause when [`Retired::is_big`].
pub struct Retired {
    view: Arc<View>,
    is_big: bool,
}

impl Retired {
    /// Whether dropping it may take long.
    #[must_use]
    pub fn is_big(&self) -> bool {
        self.is_big
    }

    /// Index of the version.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.view.index()
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// An empty store with an empty view published.
    #[must_use]
    pub fn new() -> Self {
        let draft = Draft::default();
        let published = Arc::new(ArcSwap::from_pointee(View { tables: draft.tables.clone() }));
        Self { draft, published }
    }

    /// Index of the last applied command, published or not.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.draft.tables.index
    }

    /// Applies one command of the log. Indexes must rise; after a restore those of the state may be ahead of them. Never panics, whatever the bytes; nobody sees the change before
    /// [`Self::publish`].
    pub fn apply(&mut self, index: u64, command: &[u8]) -> Outcome {
        apply::apply(&mut self.draft, index, command)
    }

    /// Notes that the log has reached an index without a command of ours (membership changes, blank entries).
    pub fn advance(&mut self, index: u64) {
        let tables = &mut self.draft.tables;
        tables.index = tables.index.max(index + tables.restored.offset);
    }

    /// Publishes everything applied so far and wakes whoever waits for it. Call it once per batch, and acknowledge the
    /// batch's writes only after it.
    pub fn publish(&mut self) -> Retired {
        let tables = self.draft.tables.clone();
        let (values, restored) = (tables.len(), tables.restored);
        let published = &self.published;
        let view = self.draft.changes.publish_with(|| published.swap(Arc::new(View { tables })));
        let is_other = view.tables.restored != restored;
        let is_big = is_other || view.tables.len().abs_diff(values) >= RETIRED_BIG_VALUES;
        Retired { view, is_big }
    }

    /// A handle for readers.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(Arc::clone(&self.published))
    }

    /// The state as applied so far, published or not; O(1).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.draft.tables.clone())
    }

    /// Replaces the whole state by a snapshot and publishes it; every watch on the old state fires. The input is read to
    /// the end of the snapshot and no further, and verified before anything is replaced.
    ///
    /// # Errors
    /// When the input is no intact snapshot that this version can read; then nothing has changed.
    pub fn restore(&mut self, input: impl Read) -> Result<Retired, SnapshotError> {
        let restored = snapshot::read(input)?;
        self.published.load().tables.touch_all(&mut self.draft.changes);
        self.draft.replace(restored);
        let retired = self.publish();
        Ok(Retired { is_big: true, ..retired })
    }
}

impl Reader {
    /// The newest published view, to keep for a while.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.0.load_full()
    }

    /// The newest published view for a short look; cheaper than [`Self::view`], and not to be held across an await.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<View>> {
        self.0.load()
    }
}
