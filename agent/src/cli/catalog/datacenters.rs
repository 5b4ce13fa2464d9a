//! `consul catalog datacenters`.

use crate::cli::connect::with_agent;
use crate::cli::flags::Parsed;
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::too_many;

/// The row.
pub const COMMAND: Command = Command {
    name: "catalog datacenters",
    synopsis: "Lists all known datacenters",
    usage: "[options]",
    about: "Prints the names of the known datacenters, one in a line, nearest first.",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    if !parsed.args.is_empty() {
        return Err(Failure::new(too_many("0", parsed.args.len())));
    }
    with_agent(parsed, async |client| {
        let names = client.datacenters().await;
        names.map(Report::lines).map_err(|error| Failure::new(format!("Error listing datacenters: {error}")))
    })
}
