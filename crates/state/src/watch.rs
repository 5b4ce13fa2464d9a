//! Watches: one-shot signals that a part of the state has changed.
//!
//! A watch goes through three states, once: fresh, stale, fired. It turns stale just before the view with the change is
//! published (so a cached answer is never returned after someone could see the change) and fires just after (so whoever
//! wakes finds the new view). No runtime is needed to wait for one.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use event_listener::{Event, EventListener};
use smallvec::SmallVec;

const FRESH: u8 = 0;
const STALE: u8 = 1;
const FIRED: u8 = 2;

/// A one-shot signal. Made by the tables; readers only look at it or wait for it.
#[derive(Debug, Default)]
pub struct Watch {
    state: AtomicU8,
    event: Event,
}

impl Watch {
    /// Whether nothing that this watch covers has changed in any published view.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.state.load(Ordering::SeqCst) == FRESH
    }

    /// Whether a view with the change has been published.
    #[must_use]
    pub fn is_fired(&self) -> bool {
        self.state.load(Ordering::SeqCst) == FIRED
    }

    pub(crate) fn turn_stale(&self) {
        self.state.store(STALE, Ordering::SeqCst);
    }

    pub(crate) fn fire(&self) {
        self.state.store(FIRED, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }
}

/// The few watches that one query depends on.
#[derive(Clone, Debug, Default)]
pub struct Watches(SmallVec<[Arc<Watch>; 1]>);

impl Watches {
    /// A set of one.
    #[must_use]
    pub fn one(watch: Arc<Watch>) -> Self {
        Self(SmallVec::from_buf([watch]))
    }

    /// Adds a watch.
    pub fn push(&mut self, watch: Arc<Watch>) {
        self.0.push(watch);
    }

    /// Adds those of another set.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether all are fresh, that is, whether an answer made from the view that gave these watches is still right.
    #[must_use]
    pub fn are_fresh(&self) -> bool {
        self.0.iter().all(|watch| watch.is_fresh())
    }

    /// Whether any has fired.
    #[must_use]
    pub fn any_fired(&self) -> bool {
        self.0.iter().any(|watch| watch.is_fired())
    }

    /// Waits until any of them fires; at once if one already has. An empty set never does.
    pub async fn fired(&self) {
        if self.any_fired() {
            return;
        }
        // Listening comes before the second look: a watch that fires in between is seen by one or the other.
        let mut listeners: SmallVec<[EventListener; 1]> = self.0.iter().map(|watch| watch.event.listen()).collect();
        if self.any_fired() {
            return;
        }
        poll_fn(|context| {
            let is_ready = listeners.iter_mut().any(|listener| Pin::new(listener).poll(context).is_ready());
            if is_ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// What the changes since the last publication have touched.
///
/// Old nodes that had no watch yet share `late`: a reader that registers on an outdated view is woken by the
/// publication that outdates it, with no allocation for each node.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    late: Arc<Watch>,
    touched: Vec<Arc<Watch>>,
    is_late_used: bool,
    /// The changes will never be published, so no watch may hear of them.
    is_ignored: bool,
}

impl Changes {
    /// Takes note of nothing: for changes that are thrown away.
    pub(crate) fn ignored() -> Self {
        Self { is_ignored: true, ..Self::default() }
    }

    /// Notes that what a watch slot covers has changed, whoever still holds the slot.
    pub(crate) fn touch(&mut self, slot: &std::sync::OnceLock<Arc<Watch>>) {
        if self.is_ignored {
            return;
        }
        let watch = slot.get_or_init(|| Arc::clone(&self.late));
        if Arc::ptr_eq(watch, &self.late) {
            self.is_late_used = true;
        } else {
            self.touched.push(Arc::clone(watch));
        }
    }

    /// Notes that what a watch covered has changed; for slots that no reader can reach.
    pub(crate) fn touch_taken(&mut self, watch: Option<Arc<Watch>>) {
        self.touched.extend(watch);
    }

    /// Marks everything touched as stale, calls `publish`, then fires everything touched.
    pub(crate) fn publish_with<R>(&mut self, publish: impl FnOnce() -> R) -> R {
        let late = if std::mem::take(&mut self.is_late_used) { Some(std::mem::take(&mut self.late)) } else { None };
        let touched = std::mem::take(&mut self.touched);
        touched.iter().chain(&late).for_each(|watch| watch.turn_stale());
        let result = publish();
        touched.iter().chain(&late).for_each(|watch| watch.fire());
        result
    }
}
