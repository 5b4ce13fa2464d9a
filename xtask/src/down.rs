//! `cargo xtask down`: removes the test cluster that `up` started, and nothing else.

use anyhow::Result;

use crate::kubernetes::layout::Layout;
use crate::kubernetes::stop;
use crate::progress::step;

/// Stops the cluster; does nothing when none runs.
pub fn run() -> Result<()> {
    let layout = Layout::new()?;
    step("stop the test cluster", || stop(&layout))?;
    println!("Built components stay in {} for the next `up`.", layout.cache.display());
    Ok(())
}
