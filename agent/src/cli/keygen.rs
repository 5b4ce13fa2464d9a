//! `consul keygen`.

use base64::Engine as _;

use super::flags::Parsed;
use super::frame::{Command, Outcome, Report, Run, Shared};

/// Bytes of a gossip key: AES-256.
const KEY_SIZE: usize = 32;

/// The row.
pub const COMMAND: Command = Command {
    name: "keygen",
    synopsis: "Generates a new encryption key",
    usage: "",
    about: "Prints a new random key for the encryption of gossip.",
    flags: &[],
    shared: Shared::None,
    run: Run::Once(run),
};

fn run(_parsed: &Parsed) -> Outcome {
    let key: [u8; KEY_SIZE] = rand::random();
    Ok(Report::line(base64::engine::general_purpose::STANDARD.encode(key)))
}
