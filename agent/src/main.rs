//! The program `consul`: command line in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Arguments that are not UTF-8 name no command, flag or key that exists.
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    agent::cli::run(&words)
}
