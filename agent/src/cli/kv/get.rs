//! `consul kv get`.

use base64::Engine as _;
use client::Client;
use model::KvEntry;

use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::too_many;

/// The row.
pub const COMMAND: Command = Command {
    name: "kv get",
    synopsis: "Retrieves or lists data from the KV store",
    usage: "[options] [KEY_OR_PREFIX]",
    about: "Prints the value of a key. With -recurse or -keys the argument is a prefix, by default the empty one, and all\n\
            entries or keys below it are listed.",
    flags: &[
        Flag::new("at-index", Takes::Uint, "Print what was there at this index, as far as the history reaches."),
        Flag::new("base64", Takes::Bool, "Print values in base64."),
        Flag::new("detailed", Takes::Bool, "Print everything known about the key, not only its value."),
        Flag::new("keys", Takes::Bool, "List keys only, cut after the first separator below the prefix."),
        Flag::new("recurse", Takes::Bool, "List all entries below the prefix."),
        Flag::new("separator", Takes::Text("string"), "Separator for -keys; / by default."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let argument = match parsed.args.as_slice() {
        [] => "",
        [argument] => argument,
        more => return Err(Failure::new(too_many("1", more.len()))),
    };
    let is_list = parsed.is_set("recurse") || parsed.is_set("keys");
    if argument.is_empty() && !is_list {
        return Err(Failure::new("Error! Missing KEY argument"));
    }
    if parsed.is_set("keys") && parsed.uint("at-index").is_some() {
        return Err(Failure::new("Error! -at-index does not go together with -keys"));
    }
    with_agent(parsed, async |client| match (parsed.is_set("keys"), parsed.is_set("recurse")) {
        (true, _) => keys(&client, parsed, argument).await,
        (false, true) => recurse(&client, parsed, argument).await,
        (false, false) => one(&client, parsed, argument).await,
    })
}

async fn keys(client: &Client, parsed: &Parsed, prefix: &str) -> Outcome {
    let separator = parsed.value("separator").unwrap_or("/");
    let found =
        client.kv_keys(&super::key(prefix), separator, &query_options(parsed)).await.map_err(|error| failed(&error))?;
    Ok(Report::lines(found.rows))
}

async fn recurse(client: &Client, parsed: &Parsed, prefix: &str) -> Outcome {
    let (prefix, options) = (super::key(prefix), query_options(parsed));
    let found = match parsed.uint("at-index") {
        Some(index) => client.kv_list_at(&prefix, index, &options).await,
        None => client.kv_list(&prefix, &options).await,
    };
    let found = found.map_err(|error| failed(&error))?;
    let mut out = Vec::new();
    for (index, row) in found.rows.iter().enumerate() {
        if parsed.is_set("detailed") {
            if index > 0 {
                out.push(b'\n');
            }
            out.extend(detailed(row, &value(parsed, row)));
        } else {
            out.extend_from_slice(row.key.as_bytes());
            out.push(b':');
            out.extend(value(parsed, row));
            out.push(b'\n');
        }
    }
    Ok(Report { out, ..Report::default() })
}

async fn one(client: &Client, parsed: &Parsed, argument: &str) -> Outcome {
    let (key, options) = (super::key(argument), query_options(parsed));
    let found = match parsed.uint("at-index") {
        Some(index) => client.kv_get_at(&key, index, &options).await,
        None => client.kv_get(&key, &options).await,
    };
    let found = found.map_err(|error| failed(&error))?;
    let Some(row) = found.rows else {
        return Err(Failure::new(format!("Error! No key exists at: {key}")));
    };
    let mut out = value(parsed, &row);
    if parsed.is_set("detailed") {
        out = detailed(&row, &out);
    } else {
        out.push(b'\n');
    }
    Ok(Report { out, ..Report::default() })
}

fn failed(error: &client::Error) -> Failure {
    Failure::new(format!("Error querying Consul agent: {error}"))
}

fn value(parsed: &Parsed, row: &KvEntry) -> Vec<u8> {
    match parsed.is_set("base64") {
        true => base64::engine::general_purpose::STANDARD.encode(&row.value.0).into_bytes(),
        false => row.value.0.to_vec(),
    }
}

fn detailed(row: &KvEntry, value: &[u8]) -> Vec<u8> {
    let session = if row.session.is_empty() { "-" } else { row.session.as_str() };
    let facts = [
        ("CreateIndex", row.create_index.to_string()),
        ("Flags", row.flags.to_string()),
        ("Key", row.key.to_string()),
        ("LockIndex", row.lock_index.to_string()),
        ("ModifyIndex", row.modify_index.to_string()),
        ("Session", session.to_owned()),
    ];
    let mut out: Vec<u8> = facts.iter().flat_map(|(name, fact)| format!("{name:<17}{fact}\n").into_bytes()).collect();
    out.extend_from_slice(if value.is_empty() { b"Value" } else { b"Value            " });
    out.extend_from_slice(value);
    out.push(b'\n');
    out
}
