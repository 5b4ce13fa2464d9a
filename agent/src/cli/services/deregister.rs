//! `consul services deregister`.

use crate::cli::connect::with_agent;
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "services deregister",
    synopsis: "Deregister services with the local agent",
    usage: "[options] [FILE...]",
    about: "Removes services from the agent: those that files define, or the one that -id names.",
    flags: &[Flag::new("id", Takes::Text("string"), "Identity of the instance.")],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let ids: Vec<String> = match (parsed.text("id"), parsed.args.is_empty()) {
        (None, true) => return Err(Failure::new("Service deregistration requires at least one argument or -id.")),
        (Some(_), false) => return Err(Failure::new("Service deregistration requires arguments or -id, not both.")),
        (Some(id), true) => vec![id.to_owned()],
        (None, false) => {
            let id = |service: &model::Json| match super::text(service, "ID") {
                "" => super::text(service, "Name").to_owned(),
                id => id.to_owned(),
            };
            super::from_files(&parsed.args)?.iter().map(id).collect()
        }
    };
    with_agent(parsed, async |client| {
        let mut done = String::new();
        for id in &ids {
            if let Err(error) = client.deregister_service(id).await {
                return Err(Failure { done, ..Failure::new(format!("Error deregistering service {id:?}: {error}")) });
            }
            done.push_str(&format!("Deregistered service: {id}\n"));
        }
        Ok(Report { out: done.into_bytes(), ..Report::default() })
    })
}
