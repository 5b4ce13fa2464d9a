//! `consul version`.

use serde_json::json;

use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The version of Consul whose interfaces this program has: what members and scripts are told.
pub const CONSUL_VERSION: &str = "1.8.7";

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
    let own = env!("CARGO_PKG_VERSION");
    match parsed.value("format").unwrap_or("pretty") {
        "pretty" => Ok(Report::line(format!(
            "Consul v{CONSUL_VERSION}\nConcord v{own}\nProtocol 2 spoken by default, understands 2 to 3 (agent will \
             automatically use protocol >2 when speaking to compatible agents)\n"
        ))),
        "json" => {
            let facts = json!({
                "Version": CONSUL_VERSION, "Revision": "", "Prerelease": "", "Concord": own,
                "RPC": {"Default": 2, "Min": 2, "Max": 3},
            });
            Ok(Report::line(super::output::pretty_json(&facts, b"   ")))
        }
        other => Err(Failure::new(format!("Unknown format: {other}\nUse pretty or json."))),
    }
}
