//! `consul kv import`.

use base64::Engine as _;
use client::PutOptions;
use serde::Deserialize;

use crate::cli::connect::with_agent;
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::{data, too_many};

/// The row.
pub const COMMAND: Command = Command {
    name: "kv import",
    synopsis: "Imports a tree stored as JSON to the KV store",
    usage: "[options] DATA",
    about: "Writes the entries that `consul kv export` printed. DATA may be @path for the contents of a file, or - for the\n\
            standard input.",
    flags: &[Flag::new("prefix", Takes::Text("string"), "Text put before every key.")],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

/// One entry of an export.
#[derive(Deserialize)]
struct Entry {
    key: String,
    #[serde(default)]
    flags: u64,
    #[serde(default)]
    value: Option<String>,
}

fn run(parsed: &Parsed) -> Outcome {
    let argument = match parsed.args.as_slice() {
        [] => return Err(Failure::new("Error! Missing DATA argument")),
        [argument] => argument,
        more => return Err(Failure::new(too_many("1", more.len()))),
    };
    let bytes = data(argument).map_err(|cause| Failure::new(format!("Error! {cause}")))?;
    let entries: Vec<Entry> =
        serde_json::from_slice(&bytes).map_err(|error| Failure::new(format!("Cannot unmarshal data: {error}")))?;
    let prefix = parsed.value("prefix").unwrap_or_default();
    let datacenter = parsed.value("datacenter").unwrap_or_default();
    with_agent(parsed, async |client| {
        let mut done = String::new();
        for Entry { key, flags, value } in entries {
            let key = format!("{prefix}{key}");
            let failed = |message: String, done: &str| Failure { done: done.to_owned(), ..Failure::new(message) };
            let value = base64::engine::general_purpose::STANDARD
                .decode(value.unwrap_or_default())
                .map_err(|error| failed(format!("Error base 64 decoding value for key {key}: {error}"), &done))?;
            let options = PutOptions { flags, datacenter: datacenter.to_owned(), ..PutOptions::default() };
            let refused = |cause: String| format!("Error! Failed writing data for key {key}: {cause}");
            let to = super::key_to_write(&key).map_err(|cause| failed(refused(cause), &done))?;
            let written = client.kv_put(&to, value, &options).await;
            written.map_err(|error| failed(refused(error.to_string()), &done))?;
            done.push_str(&format!("Imported: {key}\n"));
        }
        Ok(Report { out: done.into_bytes(), ..Report::default() })
    })
}
