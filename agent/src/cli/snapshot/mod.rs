//! `consul snapshot`.

pub mod agent;
pub mod inspect;
mod progress;
pub mod restore;
mod s3;
pub mod save;
mod settings;
mod signature;
mod store;

use super::flags::Parsed;
use super::frame::{Command, Failure, Run, Shared};
use super::input::too_many;

/// The row.
pub const COMMAND: Command = Command {
    name: "snapshot",
    synopsis: "Saves, restores and inspects snapshots of Consul server state",
    usage: "<subcommand> [options] [args]",
    about: "Snapshots hold the whole state of a datacenter in one file: for backups, and to move from Consul to Concord.",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

/// The one argument of all these commands.
fn file(parsed: &Parsed) -> Result<&str, Failure> {
    match parsed.args.as_slice() {
        [] => Err(Failure::new("Missing FILE argument")),
        [file] => Ok(file),
        more => Err(Failure::new(too_many("1", more.len()))),
    }
}
