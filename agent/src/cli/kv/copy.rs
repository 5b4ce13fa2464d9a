//! `consul kv copy` and `consul kv move`: everything under a prefix, as one change.

use crate::cli::connect::with_agent;
use crate::cli::flags::Parsed;
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::too_many;

/// The row of `consul kv copy`.
pub const COMMAND: Command = Command {
    name: "kv copy",
    synopsis: "Copies the data under a prefix to another",
    usage: "[options] SRC DST",
    about: "Writes everything whose key begins with SRC under DST as well, all at once: nobody sees a part of it. Both\n\
            are prefixes, so SRC may be one key, and folders should end in / on both sides. What is at the destination\n\
            is overwritten; locks are not copied.\n\n    $ consul kv copy web/ web-backup/",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(|parsed| run(parsed, false)),
};

/// The row of `consul kv move`.
pub const MOVE: Command = Command {
    name: "kv move",
    synopsis: "Moves the data under a prefix to another",
    usage: "[options] SRC DST",
    about: "Writes everything whose key begins with SRC under DST and deletes the originals, all at once: nobody sees a\n\
            part of it. Both are prefixes, so SRC may be one key, and folders should end in / on both sides. What is\n\
            at the destination is overwritten; locks of the originals are let go.\n\n    $ consul kv move web/ web-old/",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(|parsed| run(parsed, true)),
};

fn run(parsed: &Parsed, is_move: bool) -> Outcome {
    let (from, to) = match parsed.args.as_slice() {
        [from, to] => (super::key(from), to),
        [] | [_] => return Err(Failure::new("Error! Missing SRC and DST arguments")),
        more => return Err(Failure::new(format!("Error! {}", too_many("2", more.len())))),
    };
    let (verb, done) = if is_move { ("move", "Moved") } else { ("copy", "Copied") };
    let to = super::key_to_write(to).map_err(|cause| Failure::new(format!("Error! Did not {verb} keys: {cause}")))?;
    let datacenter = parsed.value("datacenter").unwrap_or_default();
    with_agent(parsed, async |client| {
        let result = match is_move {
            true => client.kv_move(&from, &to, datacenter).await,
            false => client.kv_copy(&from, &to, datacenter).await,
        };
        match result.map_err(|error| Failure::new(format!("Error! Did not {verb} keys: {error}")))? {
            true => Ok(Report::line(format!("Success! {done} keys with prefix: {from} to: {to}"))),
            false => Err(Failure::new(format!("Error! No keys with prefix: {from}"))),
        }
    })
}
