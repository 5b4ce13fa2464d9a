//! `consul reload`.

use super::connect::with_agent;
use super::flags::Parsed;
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "reload",
    synopsis: "Triggers the agent to reload configuration files",
    usage: "[options]",
    about: "Lets the agent read its configuration again, as SIGHUP does. Not every setting can be changed that way.",
    flags: &[],
    shared: Shared::Http,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let done = client.reload().await;
        done.map(|()| Report::line("Configuration reload triggered"))
            .map_err(|error| Failure::new(format!("Error reloading: {error}")))
    })
}
