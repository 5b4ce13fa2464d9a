//! `consul kv history`: what a key is and was.

use base64::Engine as _;
use client::KvPast;

use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::too_many;
use crate::cli::output::table;

/// The row.
pub const COMMAND: Command = Command {
    name: "kv history",
    synopsis: "Lists past versions of a key",
    usage: "[options] KEY",
    about: "Lists what a key is and was, the newest first, as far as it is kept: the servers keep nothing unless\n\
            limits.kv_history_versions says how much.",
    flags: &[Flag::new("base64", Takes::Bool, "Print values in base64.")],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let key = match parsed.args.as_slice() {
        [] => return Err(Failure::new("Error! Missing KEY argument")),
        [key] => super::key(key),
        more => return Err(Failure::new(too_many("1", more.len()))),
    };
    with_agent(parsed, async |client| {
        let found = client.kv_history(&key, &query_options(parsed)).await;
        let found = found.map_err(|error| Failure::new(format!("Error querying Consul agent: {error}")))?;
        if found.rows.is_empty() {
            return Err(Failure::new(format!("Error! Nothing is known of the key: {key}")));
        }
        let rows: Vec<Vec<String>> = found.rows.iter().map(|past| row(past, parsed.is_set("base64"))).collect();
        Ok(Report::line(table(&["ModifyIndex", "ModifyTime", "Session", "Value"], &rows)))
    })
}

fn row(past: &KvPast, is_base64: bool) -> Vec<String> {
    let entry = &past.entry;
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let time = if entry.modify_time.0 == 0 { String::new() } else { entry.modify_time.to_rfc3339() };
    let value = match (past.deleted, is_base64) {
        (true, _) => "(deleted)".to_owned(),
        (false, true) => base64::engine::general_purpose::STANDARD.encode(&entry.value.0),
        (false, false) => String::from_utf8_lossy(&entry.value.0).into_owned(),
    };
    vec![entry.modify_index.to_string(), or_dash(time), or_dash(entry.session.to_string()), value]
}
