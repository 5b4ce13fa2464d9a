//! Locks by name, so that registrations of different services go to the disk at the same time: file systems put syncs that
//! happen together into one commit, and a thousand registrations cost tens of commits instead of thousands.
//!
//! Names share a bounded number of locks. Whoever needs several takes them in one order, so that nobody waits in a circle.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

/// How many locks there are; more than registrations that are usefully on their way to the disk at once.
const LOCKS: usize = 64;

/// The locks.
pub(super) struct Stripes(Vec<Mutex<()>>);

impl Stripes {
    pub(super) fn new() -> Self {
        Self((0..LOCKS).map(|_| Mutex::default()).collect())
    }

    /// Waits until nobody else holds any of the names. They are free again when the guards are dropped.
    pub(super) async fn lock<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<MutexGuard<'_, ()>> {
        let places: BTreeSet<usize> = names.into_iter().map(place).collect();
        let mut guards = Vec::with_capacity(places.len());
        for place in places {
            guards.push(self.0[place].lock().await);
        }
        guards
    }

    /// Waits until nobody else holds any name at all.
    pub(super) async fn lock_all(&self) -> Vec<MutexGuard<'_, ()>> {
        let mut guards = Vec::with_capacity(LOCKS);
        for lock in &self.0 {
            guards.push(lock.lock().await);
        }
        guards
    }
}

fn place(name: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_name_is_held_by_one_at_a_time_and_others_go_on() {
        let stripes = Stripes::new();
        let other = (0..).map(|number| number.to_string()).find(|name| place(name) != place("web")).unwrap();
        let held = stripes.lock(["web", "web"]).await;
        assert!(stripes.lock(["web"]).now_or_never().is_none());
        assert!(stripes.lock_all().now_or_never().is_none());
        assert!(stripes.lock([other.as_str()]).now_or_never().is_some());
        drop(held);
        assert_eq!(stripes.lock_all().now_or_never().map(|guards| guards.len()), Some(LOCKS));
    }
}
