//! Waiting for what another process does and does not announce.

use std::time::{Duration, Instant};

/// Pause between looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `check` gives a value.
///
/// # Panics
/// After `limit`, with `what` and the last reason.
pub fn eventually<T>(what: &str, limit: Duration, mut check: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match check() {
            Ok(value) => return value,
            Err(reason) => assert!(Instant::now() < deadline, "{what}: not within {limit:?}: {reason}"),
        }
        std::thread::sleep(PAUSE);
    }
}
