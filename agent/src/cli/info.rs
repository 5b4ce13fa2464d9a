//! `consul info`.

use std::collections::BTreeMap;

use model::Json;

use super::connect::with_agent;
use super::flags::Parsed;
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "info",
    synopsis: "Provides debugging information for operators.",
    usage: "[options]",
    about: "Prints figures of the running agent, by section.",
    flags: &[],
    shared: Shared::Http,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let facts = client.agent_self().await;
        let facts = facts.map_err(|error| Failure::new(format!("Error querying agent: {error}")))?;
        let Some(stats) = facts.get("Stats").and_then(Json::as_object) else {
            return Err(Failure::new("Agent response did not contain 'Stats'"));
        };
        let mut lines = Vec::new();
        for (section, facts) in stats.iter().collect::<BTreeMap<_, _>>() {
            lines.push(format!("{section}:"));
            let facts: BTreeMap<_, _> = facts.as_object().into_iter().flatten().collect();
            for (name, fact) in facts {
                let fact = fact.as_str().map_or_else(|| fact.to_string(), str::to_owned);
                lines.push(format!("\t{name} = {fact}"));
            }
        }
        Ok(Report::lines(lines))
    })
}
