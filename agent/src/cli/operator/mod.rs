//! `consul operator`.

pub mod autopilot;
pub mod raft;
pub mod recover;
pub mod usage;

use super::frame::{Command, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "operator",
    synopsis: "Provides cluster-level tools for Consul operators",
    usage: "<subcommand> [options]",
    about: "Tools for the cluster as a whole. Wrong use can cost availability or data.",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};
