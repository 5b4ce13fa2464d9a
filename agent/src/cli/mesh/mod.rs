//! The commands of the mesh: `consul config`, `consul connect` and `consul intention`.

pub mod authority;
pub mod config;
pub mod intention;

use super::flags::Parsed;
use super::frame::{Command, Run, Shared};

const fn group(name: &'static str, synopsis: &'static str, about: &'static str) -> Command {
    Command {
        name,
        synopsis,
        usage: "<subcommand> [options] [args]",
        about,
        flags: &[],
        shared: Shared::None,
        run: Run::Group,
    }
}

/// The datacenter that a write is for, as a parameter.
fn datacenter(parsed: &Parsed) -> Vec<(&'static str, &str)> {
    parsed.text("datacenter").map(|datacenter| ("dc", datacenter)).into_iter().collect()
}
