//! `consul catalog`.

pub mod datacenters;
pub mod nodes;
pub mod services;

use super::frame::{Command, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "catalog",
    synopsis: "Interact with the catalog",
    usage: "<subcommand> [options] [args]",
    about: "Lists what the catalog knows: datacenters, nodes and services.\n\n    $ consul catalog datacenters\n    \
            $ consul catalog nodes\n    $ consul catalog services",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};
