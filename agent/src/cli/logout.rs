//! `consul logout`.

use serde_json::json;

use super::connect::{query_options, with_agent};
use super::flags::Parsed;
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "logout",
    synopsis: "Destroy a Consul token created with login",
    usage: "[options]",
    about: "Deletes the token that it is asked with, which `consul login` has made.",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    if !parsed.args.is_empty() {
        return Err(Failure::new("Should have no non-flag arguments."));
    }
    with_agent(parsed, async |client| {
        let gone = client.acl_post(&["logout"], &json!({}), &query_options(parsed).datacenter).await;
        gone.map_err(|error| Failure::new(format!("Error destroying token: {error}")))?;
        Ok(Report::silent())
    })
}
