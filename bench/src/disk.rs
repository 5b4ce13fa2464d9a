//! The floor under every durable write: how often this disk can be made to keep 512 more bytes, measured in the same minute.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;

/// `fdatasync` calls per second after appending 512 bytes each.
pub fn syncs_per_second(seconds: u64) -> Result<f64> {
    let mut file = tempfile::NamedTempFile::new_in(std::env::current_dir()?)?;
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < Duration::from_secs(seconds.min(2)) {
        file.write_all(&[7; 512])?;
        file.as_file().sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
