//! `consul kv`.

pub mod copy;
pub mod delete;
pub mod export;
pub mod get;
pub mod history;
pub mod import;
pub mod put;

use model::Key;

use super::frame::{Command, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "kv",
    synopsis: "Interact with the key-value store",
    usage: "<subcommand> [options] [args]",
    about: "Reads and writes the key-value store.\n\n    $ consul kv put redis/config/connections 5\n    \
            $ consul kv get redis/config/connections\n    $ consul kv get -detailed redis/config/connections\n    \
            $ consul kv delete redis/config/connections",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

/// No key starts with a slash: written, it would be another key than the one meant.
fn key_to_write(argument: &str) -> Result<Key, String> {
    match argument.starts_with('/') {
        true => Err(format!("Invalid key. Key must not begin with a '/': {argument}")),
        false => Ok(Key::from(argument)),
    }
}

/// No key starts with a slash, but people ask with one.
fn key(argument: &str) -> Key {
    Key::from(argument.strip_prefix('/').unwrap_or(argument))
}
