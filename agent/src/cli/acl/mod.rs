//! `consul acl`.

/// The rows of the commands of a group: constant, verb, synopsis, flags, and what runs.
macro_rules! commands {
    ($group:literal; $($constant:ident $verb:literal $synopsis:literal $flags:expr, $run:ident;)*) => {
        $(
            #[doc = concat!("The row of `", $verb, "`.")]
            pub const $constant: Command = Command {
                name: concat!($group, " ", $verb),
                synopsis: $synopsis,
                usage: "[options]",
                about: concat!($synopsis, "."),
                flags: $flags,
                shared: Shared::HttpAndServer,
                run: Run::Once($run),
            };
        )*
    };
}

pub mod auth_method;
pub mod binding_rule;
pub mod more;
pub mod policy;
pub mod role;
mod show;
pub mod token;

use client::{Client, Error};
use model::Json;
use serde_json::json;

use super::connect::query_options;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Report, Run, Shared};
use super::output::pretty_json;

/// The row of the group.
pub const COMMAND: Command = group("acl", "Interact with Consul's ACLs", "Shows and changes who may do what.");

const fn group(name: &'static str, synopsis: &'static str, about: &'static str) -> Command {
    Command {
        name,
        synopsis,
        usage: "<subcommand> [options]",
        about,
        flags: &[],
        shared: Shared::None,
        run: Run::Group,
    }
}

const FORMAT: Flag = Flag::new("format", Takes::Text("string"), "Output format, pretty or json.");
const META: Flag = Flag::new("meta", Takes::Bool, "Show fingerprints and Raft indexes as well.");
const NAME: Flag = Flag::new("name", Takes::Text("string"), "Name.");
const ID: Flag = Flag::new("id", Takes::Text("string"), "UUID, or the beginning of one.");
const DESCRIPTION: Flag = Flag::new("description", Takes::Text("string"), "Description for people.");
const NO_MERGE: Flag = Flag::new("no-merge", Takes::Bool, "Replace everything instead of what is given.");
const POLICY_ID: Flag = Flag::new("policy-id", Takes::Text("value"), "UUID of a policy. May be repeated.");
const POLICY_NAME: Flag = Flag::new("policy-name", Takes::Text("value"), "Name of a policy. May be repeated.");
const SERVICE_IDENTITY: Flag =
    Flag::new("service-identity", Takes::Text("value"), "SERVICE or SERVICE:DC1,DC2,... May be repeated.");
const NODE_IDENTITY: Flag = Flag::new("node-identity", Takes::Text("value"), "NODE:DC. May be repeated.");

/// The full id of something in a list that starts with what is given.
async fn full_id(
    client: &Client,
    parsed: &Parsed,
    (list, what, key): (&str, &str, &str),
    prefix: &str,
) -> Result<String, String> {
    if prefix.len() == 36 {
        return Ok(prefix.to_owned());
    }
    let rows = client.acl_read(&[list], &[], &query_options(parsed)).await.map_err(|error| error.to_string())?;
    let ids = rows.as_array().into_iter().flatten().filter_map(|row| row[key].as_str());
    let found: Vec<&str> = ids.filter(|id| id.starts_with(prefix)).collect();
    match found.as_slice() {
        [id] => Ok((*id).to_owned()),
        [] => Err(format!("No such {what} ID with prefix: {prefix}")),
        _ => Err(format!("multiple matches of {what} ID prefix: {prefix}")),
    }
}

/// The id that `-id` or `-name` mean.
async fn id_of(client: &Client, parsed: &Parsed, (list, one, what): (&str, &str, &str)) -> Result<String, Failure> {
    let wrong = |why: String| Failure::new(format!("Error determining {one} ID: {why}"));
    match (parsed.text("id"), parsed.text("name")) {
        (Some(id), _) => full_id(client, parsed, (list, what, "ID"), id).await.map_err(wrong),
        (None, Some(name)) => {
            let rows = client.acl_read(&[list], &[], &query_options(parsed)).await;
            let rows = rows.map_err(|error| wrong(error.to_string()))?;
            let found = rows.as_array().into_iter().flatten().find(|row| row["Name"] == name);
            found
                .and_then(|row| row["ID"].as_str())
                .map(str::to_owned)
                .ok_or_else(|| wrong(format!("No such {what} with name {name}")))
        }
        (None, None) => Err(Failure::new("Must specify either the -id or -name parameters")),
    }
}

/// Links by the flags of ids and names.
fn links(parsed: &Parsed, ids: &str, names: &str) -> Vec<Json> {
    let by_name = parsed.values(names).map(|name| json!({"Name": name}));
    by_name.chain(parsed.values(ids).map(|id| json!({"ID": id}))).collect()
}

fn service_identities(parsed: &Parsed) -> Vec<Json> {
    let identity = |text: &str| {
        let (name, datacenters) = text.split_once(':').unwrap_or((text, ""));
        let datacenters: Vec<&str> = datacenters.split(',').filter(|dc| !dc.is_empty()).collect();
        json!({"ServiceName": name, "Datacenters": datacenters})
    };
    parsed.values("service-identity").map(identity).collect()
}

fn node_identities(parsed: &Parsed) -> Result<Vec<Json>, Failure> {
    let identity = |text: &str| match text.split_once(':') {
        Some((node, datacenter)) => Ok(json!({"NodeName": node, "Datacenter": datacenter})),
        None => Err(Failure::new(format!("Malformed -node-identity argument: {text:?}: it must be NODE:DC"))),
    };
    parsed.values("node-identity").map(identity).collect()
}

/// The rows of a field and more of them, each once.
fn joined(old: &Json, key: &str, more: Vec<Json>) -> Json {
    let mut all: Vec<Json> = old[key].as_array().cloned().unwrap_or_default();
    let same = |one: &Json, other: &Json| {
        ["ID", "Name"].iter().any(|key| one[*key].is_string() && one[*key] == other[*key]) || one == other
    };
    for one in more {
        if !all.iter().any(|other| same(&one, other)) {
            all.push(one);
        }
    }
    Json::Array(all)
}

/// An object as `-format` wants it.
fn shown(parsed: &Parsed, value: &Json, pretty: impl FnOnce(&Json, bool) -> String) -> Report {
    match parsed.text("format") {
        Some("json") => Report::line(pretty_json(value, b"    ")),
        _ => Report { out: pretty(value, parsed.is_set("meta")).into_bytes(), ..Report::default() },
    }
}

fn rows(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}

/// A failure of a call, after what was tried.
fn failed(what: &str) -> impl Fn(Error) -> Failure {
    let what = what.to_owned();
    move |error| Failure::new(format!("{what}: {error}"))
}

/// A flag that must be given.
fn required<'a>(parsed: &'a Parsed, name: &str) -> Result<&'a str, Failure> {
    parsed.text(name).ok_or_else(|| Failure::misuse(format!("Missing required '-{name}' flag")))
}

/// An object, or the words for that there is none.
fn found(read: Result<Json, Error>, missing: String, wrong: &str) -> Result<Json, Failure> {
    match read {
        Err(Error::Status { status: 404, .. }) => Err(Failure::new(missing)),
        read => read.map_err(failed(wrong)),
    }
}

fn set(body: &mut Json, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        body[key] = Json::String(value.to_owned());
    }
}
