//! `consul audit verify`.

use std::path::PathBuf;

use super::flags::Parsed;
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::audit::verify::verify;

/// The row of the group.
pub const COMMAND: Command = Command {
    name: "audit",
    synopsis: "Checks audit logs",
    usage: "<subcommand> [options]",
    about: "Says whether audit logs are what the agent wrote.",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

/// The row of `verify`.
pub const VERIFY: Command = Command {
    name: "audit verify",
    synopsis: "Check the chain of audit logs",
    usage: "FILE...",
    about: "Checks that no event of audit logs was changed, taken out, put in or moved. Give files that follow each other\n\
            oldest first.",
    flags: &[],
    shared: Shared::None,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    if parsed.args.is_empty() {
        return Err(Failure::misuse("expected the files to check"));
    }
    let paths: Vec<PathBuf> = parsed.args.iter().map(PathBuf::from).collect();
    let checked = verify(&paths).map_err(Failure::new)?;
    let mut lines = Vec::new();
    for file in &checked {
        let (first, last) = (file.first, file.last.sequence);
        let mut line = format!("{}: {} events, {first} to {last}", file.path.display(), last - first + 1);
        if file.lost > 0 {
            line.push_str(&format!(", {} lost before they were written", file.lost));
        }
        lines.push(line);
    }
    lines.push(match checked.last() {
        Some(file) => format!("The chain is whole. Its last hash is {}", file.last.hash),
        None => "There are no events".to_owned(),
    });
    Ok(Report::lines(lines))
}
