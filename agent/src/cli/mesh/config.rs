//! `consul config`.

use client::Method;
use model::Json;

use super::{datacenter, group};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::data;
use crate::cli::output::pretty_json;

const KIND: Flag = Flag::new("kind", Takes::Text("string"), "Kind of the entry.");
const NAME: Flag = Flag::new("name", Takes::Text("string"), "Name of the entry.");

/// The row of the group.
pub const COMMAND: Command = group(
    "config",
    "Interact with Consul's Centralized Configurations",
    "Shows and changes config entries.\n\nWrite one:\n\n    $ consul config write web.hcl",
);

const fn row(
    name: &'static str,
    synopsis: &'static str,
    flags: &'static [Flag],
    run: fn(&Parsed) -> Outcome,
) -> Command {
    let (usage, shared) = ("[options]", Shared::HttpAndServer);
    Command { name, synopsis, usage, about: synopsis, flags, shared, run: Run::Once(run) }
}

/// The row of `write`.
pub const WRITE: Command = Command {
    name: "config write",
    synopsis: "Create or update a centralized config entry",
    usage: "[options] <configuration>",
    about: "Writes a config entry from a file in HCL or JSON, or from the standard input where the file is -.",
    flags: &[
        Flag::new("cas", Takes::Bool, "Write only if the entry has the index of -modify-index."),
        Flag::new("modify-index", Takes::Uint, "ModifyIndex that the entry must have, with -cas; 0 for no entry."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(write),
};
/// The row of `read`.
pub const READ: Command = row("config read", "Read a centralized config entry", &[KIND, NAME], read);
/// The row of `list`.
pub const LIST: Command = row("config list", "List centralized config entries of a given kind", &[KIND], list);
/// The row of `delete`.
pub const DELETE: Command = row("config delete", "Delete a centralized config entry", &[KIND, NAME], delete);

fn write(parsed: &Parsed) -> Outcome {
    let [path] = parsed.args.as_slice() else {
        let text = "Must provide exactly one positional argument to specify the config entry to write";
        return Err(Failure::new(text));
    };
    let argument = if path == "-" { path.clone() } else { format!("@{path}") };
    let bytes = data(&argument).map_err(|why| Failure::new(format!("Failed to load data: {why}")))?;
    let entry = ::config::parse_entry(&String::from_utf8_lossy(&bytes))
        .map_err(|error| Failure::new(format!("Failed to decode config entry input: {error}")))?;
    let shown = format!("{}/{}", entry.kind, entry.name);
    let body = serde_json::to_value(&entry)
        .map_err(|error| Failure::new(format!("Failed to encode the config entry: {error}")))?;
    let index = parsed.uint("modify-index").unwrap_or_default().to_string();
    let mut pairs = datacenter(parsed);
    if parsed.is_set("cas") {
        pairs.push(("cas", &index));
    }
    with_agent(parsed, async |client| {
        let done = client.write_document(Method::Put, &["config"], &pairs, &body).await;
        let done = done.map_err(|error| Failure::new(format!("Error writing config entry {shown}: {error}")))?;
        match done {
            Json::Bool(true) => Ok(Report::line(format!("Config entry written: {shown}"))),
            _ => Err(Failure::new(format!("Config entry not updated: {shown}"))),
        }
    })
}

/// The flag `-kind`, or `-name`, which must be given.
fn needed<'p>(parsed: &'p Parsed, name: &str) -> Result<&'p str, Failure> {
    parsed.text(name).ok_or_else(|| Failure::new(format!("Must specify the -{name} parameter")))
}

fn read(parsed: &Parsed) -> Outcome {
    let (kind, name) = (needed(parsed, "kind")?, needed(parsed, "name")?);
    let wrong = |why: String| Failure::new(format!("Error reading config entry {kind}/{name}: {why}"));
    kind.parse::<model::EntryKind>().map_err(|error| wrong(error.to_string()))?;
    with_agent(parsed, async |client| {
        let found = client.document(&["config", kind, name], &[], &query_options(parsed)).await;
        Ok(Report::line(pretty_json(&found.map_err(|error| wrong(error.to_string()))?, b"    ")))
    })
}

fn list(parsed: &Parsed) -> Outcome {
    let kind = needed(parsed, "kind")?;
    with_agent(parsed, async |client| {
        let found = client.document(&["config", kind], &[], &query_options(parsed)).await;
        let wrong = |error| Failure::new(format!("Error listing config entries for kind {kind:?}: {error}"));
        let found = found.map_err(wrong)?;
        let names = found.as_array().into_iter().flatten().filter_map(|entry| entry["Name"].as_str());
        Ok(Report::lines(names))
    })
}

fn delete(parsed: &Parsed) -> Outcome {
    let (kind, name) = (needed(parsed, "kind")?, needed(parsed, "name")?);
    with_agent(parsed, async |client| {
        let (below, pairs) = (["config", kind, name], datacenter(parsed));
        let gone = client.write_document(Method::Delete, &below, &pairs, &Json::Null).await;
        gone.map_err(|error| Failure::new(format!("Error deleting config entry {kind}/{name}: {error}")))?;
        Ok(Report::line(format!("Config entry deleted: {kind}/{name}")))
    })
}
