//! `cargo xtask tidy`: the house rules that a compiler does not check. Prints every breach, not the first.

mod arrows;
mod documents;
mod sources;

use anyhow::{Result, bail};

/// A breach: where, and what is wrong and how to mend it.
pub type Breach = String;

/// Runs all checks.
pub fn run() -> Result<()> {
    let mut breaches = arrows::check()?;
    breaches.extend(sources::check()?);
    breaches.extend(documents::check()?);
    if breaches.is_empty() {
        return Ok(());
    }
    for breach in &breaches {
        println!("    {breach}");
    }
    bail!("{} breaches of the house rules", breaches.len())
}
