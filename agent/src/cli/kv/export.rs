//! `consul kv export`.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::Parsed;
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::too_many;
use crate::cli::output::pretty_json;

/// The row.
pub const COMMAND: Command = Command {
    name: "kv export",
    synopsis: "Exports a tree from the KV store as JSON",
    usage: "[options] [PREFIX]",
    about: "Prints all entries that start with a prefix, by default all, as JSON that `consul kv import` reads.",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let prefix = match parsed.args.as_slice() {
        [] => "",
        [prefix] => prefix,
        more => return Err(Failure::new(too_many("1", more.len()))),
    };
    with_agent(parsed, async |client| {
        let found = client.kv_list(&super::key(prefix), &query_options(parsed)).await;
        let found = found.map_err(|error| Failure::new(format!("Error querying Consul agent: {error}")))?;
        let row = |row: &model::KvEntry| {
            let value = base64::engine::general_purpose::STANDARD.encode(&row.value.0);
            json!({"key": row.key.to_text(), "flags": row.flags, "value": value})
        };
        Ok(Report::line(pretty_json(&Value::Array(found.rows.iter().map(row).collect()), b"\t")))
    })
}
