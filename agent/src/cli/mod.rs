//! The command line: one file per command, one row per command here.

use std::process::ExitCode;

pub mod agent;
pub mod flags;
pub mod frame;
mod keygen;
pub mod output;
pub mod sources;
mod validate;
mod version;

use frame::Command;

/// All commands.
static COMMANDS: &[Command] = &[keygen::COMMAND, validate::COMMAND, version::COMMAND];

/// Runs the command that the words after the program's name say.
#[must_use]
pub fn run(words: &[String]) -> ExitCode {
    let is_version = |word: &String| matches!(word.as_str(), "-v" | "-version" | "--version");
    if words.first().is_some_and(is_version) {
        return frame::run(COMMANDS, &["version".to_owned()]);
    }
    frame::run(COMMANDS, words)
}
