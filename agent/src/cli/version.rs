//! `consul version`.

use serde_json::json;

use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::version::{CONCORD_VERSION, CONSUL_API_VERSION};

/// The row.
pub const COMMAND: Command = Command {
    name: "version",
    synopsis: "Prints the version",
    usage: "[options]",
    about: "Prints the version of Consul that this program stands in for, its own version, and the protocols it speaks.",
    flags: &[Flag::new("format", Takes::Text("string"), "Output format, pretty or json; pretty by default.")],
    shared: Shared::None,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    match parsed.value("format").unwrap_or("pretty") {
        "pretty" => Ok(Report::line(format!(
            "Consul v{CONSUL_API_VERSION}\nConcord v{CONCORD_VERSION}\nProtocol 2 spoken by default, understands 2 to 3 (agent will \
             automatically use protocol >2 when speaking to compatible agents)\n"
        ))),
        "json" => {
            let facts = json!({
                "Version": CONSUL_API_VERSION, "Revision": "", "Prerelease": "", "Concord": CONCORD_VERSION,
                "RPC": {"Default": 2, "Min": 2, "Max": 3},
            });
            Ok(Report::line(super::output::pretty_json(&facts, b"   ")))
        }
        other => Err(Failure::new(format!("Unknown format: {other}\nUse pretty or json."))),
    }
}
