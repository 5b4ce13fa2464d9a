//! `consul watch`.

use std::process::Stdio;

use serde_json::{Map, Value};

use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::watch::{Change, Follower, Watch, handler, parse, run};

/// The row.
pub const COMMAND: Command = Command {
    name: "watch",
    synopsis: "Watch for changes in Consul",
    usage: "[options] [child...]",
    about: "Follows a view of the cluster. A child process is started for every change, with the new state as JSON on its\n\
            standard input and its index in CONSUL_INDEX. Without one the state is printed once.",
    flags: &[
        Flag::new("key", Takes::Text("string"), "Key to watch, for type key."),
        Flag::new("name", Takes::Text("string"), "Name of events, for type event."),
        Flag::new("passingonly", Takes::Text("[true|false]"), "Only instances whose checks pass, for type service."),
        Flag::new("prefix", Takes::Text("string"), "Prefix of keys, for type keyprefix."),
        Flag::new("service", Takes::Text("string"), "Service, for types service and checks."),
        Flag::new("shell", Takes::Bool, "Run the child through the shell; on unless -shell=false."),
        Flag::new("state", Takes::Text("string"), "State of checks, for type checks."),
        Flag::new("tag", Takes::Text("value"), "Tag of instances, for type service; may be repeated."),
        Flag::new("type", Takes::Text("string"), "key, keyprefix, services, nodes, service, checks or event."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let watch = watch_of(parsed)?;
    let with_shell = parsed.text("shell").and_then(config::parse_bool) != Some(false);
    let child = match parsed.args.as_slice() {
        [] => None,
        args if with_shell => Some(handler::shell(&args.join(" "))),
        args => Some(args.to_vec()),
    };
    with_agent(parsed, async |client| {
        let asked = client.agent_self().await;
        asked.map_err(|error| Failure::new(format!("Error querying Consul agent: {error}")))?;
        let mut follower = Follower::new(watch, client);
        let mut failures = 0;
        loop {
            let change = match follower.next().await {
                Ok(change) => change,
                Err(error) => {
                    failures += 1;
                    eprintln!("Watch errored: {error}");
                    tokio::time::sleep(run::pause(failures)).await;
                    continue;
                }
            };
            failures = 0;
            match &child {
                None => return printed(&change),
                Some(child) => tell(child, &change).await?,
            }
        }
    })
}

fn watch_of(parsed: &Parsed) -> Result<Watch, Failure> {
    let kind = parsed.value("type").unwrap_or_default();
    if kind.is_empty() {
        return Err(Failure::misuse("Watch type must be specified"));
    }
    let mut parameters: Map<String, Value> = Map::new();
    for name in ["type", "key", "prefix", "service", "state", "name", "datacenter"] {
        if let Some(text) = parsed.value(name).filter(|text| !text.is_empty()) {
            parameters.insert(name.to_owned(), text.into());
        }
    }
    let tags: Vec<Value> =
        parsed.flags.iter().filter(|(name, _)| *name == "tag").map(|(_, tag)| tag.as_str().into()).collect();
    if !tags.is_empty() {
        parameters.insert("tag".to_owned(), Value::Array(tags));
    }
    if parsed.is_set("stale") {
        parameters.insert("stale".to_owned(), true.into());
    }
    if let Some(text) = parsed.value("passingonly").filter(|text| !text.is_empty()) {
        let value = config::parse_bool(text).ok_or_else(|| {
            Failure::new(format!(
                "Failed to parse passingonly flag: strconv.ParseBool: parsing {text:?}: invalid syntax"
            ))
        })?;
        parameters.insert("passingonly".to_owned(), value.into());
    }
    if matches!(kind, "connect_roots" | "connect_leaf" | "agent_service") {
        return Err(Failure::new(format!("Type {kind} is not supported in the CLI tool")));
    }
    let watch = parse(&mut parameters).map_err(Failure::new)?;
    // Flags of other types are a mistake.
    let left: Vec<&str> = parameters.keys().map(String::as_str).collect();
    if !left.is_empty() {
        return Err(Failure::new(format!("Invalid parameters: [{}]", left.join(" "))));
    }
    Ok(watch)
}

fn printed(change: &Change) -> Outcome {
    let mut bytes = Vec::new();
    let compact = handler::body(change).map_err(Failure::new)?;
    let value: Value = serde_json::from_slice(&compact).map_err(|error| Failure::new(error.to_string()))?;
    let indented = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let written =
        serde::Serialize::serialize(&value, &mut serde_json::Serializer::with_formatter(&mut bytes, indented));
    written.map_err(|error| Failure::new(format!("Error encoding output: {error}")))?;
    bytes.push(b'\n');
    Ok(Report { out: bytes, ..Report::default() })
}

async fn tell(child: &[String], change: &Change) -> Result<(), Failure> {
    let failed = |cause: String| Failure::new(format!("Error executing handler: {cause}"));
    let mut command = handler::command(child, change.index);
    command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let mut running =
        handler::feed(command, handler::body(change).map_err(failed)?).map_err(|e| failed(e.to_string()))?;
    let status = running.wait().await.map_err(|error| failed(error.to_string()))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(failed(format!("exit status {code}"))),
        None => Err(failed("ended by a signal".to_owned())),
    }
}
