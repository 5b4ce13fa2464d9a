//! `consul kv delete`.

use crate::cli::connect::with_agent;
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::too_many;

/// The row.
pub const COMMAND: Command = Command {
    name: "kv delete",
    synopsis: "Removes data from the KV store",
    usage: "[options] KEY_OR_PREFIX",
    about: "Removes a key, or with -recurse all keys that start with a prefix.",
    flags: &[
        Flag::new("cas", Takes::Bool, "Remove the key only if its ModifyIndex is -modify-index."),
        Flag::new("modify-index", Takes::Uint, "ModifyIndex for -cas."),
        Flag::new("recurse", Takes::Bool, "Remove all keys that start with the argument."),
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
    let (recurse, cas) = (parsed.is_set("recurse"), parsed.is_set("cas"));
    if argument.is_empty() && !recurse {
        return Err(Failure::new("Error! Missing KEY argument"));
    }
    let key = super::key(argument);
    let index = match (cas, parsed.uint("modify-index")) {
        (true, None | Some(0)) => return Err(Failure::new("Must specify -modify-index with -cas!")),
        (true, index) => index,
        (false, Some(_)) => return Err(Failure::new("Cannot specify -modify-index without -cas!")),
        (false, None) => None,
    };
    if recurse && cas {
        return Err(Failure::new("Cannot specify both -cas and -recurse!"));
    }
    let datacenter = parsed.value("datacenter").unwrap_or_default();
    with_agent(parsed, async |client| {
        if recurse {
            let done = client.kv_delete_tree(&key, datacenter).await;
            done.map_err(|error| Failure::new(format!("Error! Did not delete prefix {key}: {error}")))?;
            return Ok(Report::line(format!("Success! Deleted keys with prefix: {key}")));
        }
        let done = client.kv_delete(&key, index, datacenter).await;
        match done.map_err(|error| Failure::new(format!("Error deleting key {key}: {error}")))? {
            true => Ok(Report::line(format!("Success! Deleted key: {key}"))),
            false => Err(Failure::new(format!("Error! Did not delete key {key}: CAS failed"))),
        }
    })
}
