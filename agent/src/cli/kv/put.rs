//! `consul kv put`.

use base64::Engine as _;
use client::{Condition, PutOptions};
use model::SessionId;

use crate::cli::connect::with_agent;
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::{data, too_many};

/// The row.
pub const COMMAND: Command = Command {
    name: "kv put",
    synopsis: "Sets or updates data in the KV store",
    usage: "[options] KEY [DATA]",
    about: "Writes a key. DATA may be @path for the contents of a file, or - for the standard input; without it the value\n\
            is empty.",
    flags: &[
        Flag::new("acquire", Takes::Bool, "Take the lock of the key for -session."),
        Flag::new("base64", Takes::Bool, "DATA is base64."),
        Flag::new("cas", Takes::Bool, "Write only if the key's ModifyIndex is -modify-index."),
        Flag::new("flags", Takes::Uint, "Number to store with the value."),
        Flag::new("modify-index", Takes::Uint, "ModifyIndex for -cas; 0 means that the key must not exist."),
        Flag::new("release", Takes::Bool, "Give up the lock of the key that -session holds."),
        Flag::new("ttl", Takes::Text("duration"), "Delete the key after this time, like 30s."),
        Flag::new("session", Takes::Text("string"), "Session for -acquire and -release."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let (argument, value) = match parsed.args.as_slice() {
        [] => return Err(Failure::new("Error! Missing KEY argument")),
        [key] => (key, ""),
        [key, value] => (key, value.as_str()),
        more => return Err(Failure::new(format!("Error! {}", too_many("1 or 2", more.len())))),
    };
    if argument.is_empty() {
        return Err(Failure::new("Error! Missing KEY argument"));
    }
    let key =
        super::key_to_write(argument).map_err(|cause| Failure::new(format!("Error! Failed writing data: {cause}")))?;
    let mut value = data(value).map_err(|cause| Failure::new(format!("Error! {cause}")))?;
    if parsed.is_set("base64") {
        value = base64::engine::general_purpose::STANDARD
            .decode(&value)
            .map_err(|error| Failure::new(format!("Error! Cannot base 64 decode data: {error}")))?;
    }
    let options = PutOptions {
        condition: condition(parsed)?,
        ttl: parsed.value("ttl").unwrap_or_default().to_owned(),
        flags: parsed.uint("flags").unwrap_or_default(),
        datacenter: parsed.value("datacenter").unwrap_or_default().to_owned(),
    };
    with_agent(parsed, async |client| {
        let done = client.kv_put(&key, value, &options).await;
        let done = done.map_err(|error| Failure::new(format!("Error! Failed writing data: {error}")))?;
        match (&options.condition, done) {
            (Condition::Acquire(_), true) => Ok(Report::line(format!("Success! Lock acquired on: {key}"))),
            (Condition::Acquire(_), false) => Err(Failure::new("Error! Did not acquire lock")),
            (Condition::Release(_), true) => Ok(Report::line(format!("Success! Lock released on: {key}"))),
            (Condition::Release(_), false) => Err(Failure::new("Error! Did not release lock")),
            (_, true) => Ok(Report::line(format!("Success! Data written to: {key}"))),
            (_, false) => Err(Failure::new(format!("Error! Did not write to {key}: CAS failed"))),
        }
    })
}

fn condition(parsed: &Parsed) -> Result<Condition, Failure> {
    let (acquire, release) = (parsed.is_set("acquire"), parsed.is_set("release"));
    let session = || match parsed.text("session") {
        Some(session) => Ok(SessionId::from(session)),
        None => Err(Failure::new("Error! Missing -session (required with -acquire and -release)")),
    };
    match (parsed.is_set("cas"), acquire, release) {
        (true, false, false) => match parsed.uint("modify-index") {
            Some(index) => Ok(Condition::Index(index)),
            None => Err(Failure::new("Must specify -modify-index with -cas!")),
        },
        (false, true, false) => session().map(Condition::Acquire),
        (false, false, true) => session().map(Condition::Release),
        (false, false, false) => Ok(Condition::Always),
        _ => Err(Failure::new("Error! Only one of -cas, -acquire and -release may be given")),
    }
}
