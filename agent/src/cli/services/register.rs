//! `consul services register`.

use model::Json;
use serde_json::{Map, Value, json};

use crate::cli::connect::with_agent;
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::pairs;

/// The row.
pub const COMMAND: Command = Command {
    name: "services register",
    synopsis: "Register services with the local agent",
    usage: "[options] [FILE...]",
    about: "Registers services with the agent: those that files define, in the form of the agent's configuration, or one\n\
            that flags describe.",
    flags: &[
        Flag::new("address", Takes::Text("string"), "Address of the instance; the agent's by default."),
        Flag::new("id", Takes::Text("string"), "Identity of the instance; the name by default."),
        Flag::new("kind", Takes::Text("string"), "Kind of the service, as connect-proxy."),
        Flag::new("meta", Takes::Text("key=value"), "Metadata of the instance. May be repeated."),
        Flag::new("name", Takes::Text("string"), "Name of the service."),
        Flag::new("port", Takes::Int, "Port of the instance."),
        Flag::new("tag", Takes::Text("string"), "Tag of the instance. May be repeated."),
        Flag::new("tagged-address", Takes::Text("lan=ip:port"), "Address under a tag. May be repeated."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let own: Vec<&str> = COMMAND.flags.iter().map(|flag| flag.name).collect();
    let has_flags = parsed.flags.iter().any(|(name, _)| own.contains(name));
    let has_flags = has_flags && (parsed.text("name").is_some() || !parsed.args.is_empty());
    let services = match (has_flags, parsed.args.is_empty()) {
        (false, true) => return Err(Failure::new("Service registration requires at least one argument or flags.")),
        (true, false) => return Err(Failure::new("Service registration requires arguments or flags, not both.")),
        (true, true) => vec![from_flags(parsed)?],
        (false, false) => super::from_files(&parsed.args)?,
    };
    with_agent(parsed, async |client| {
        let mut done = String::new();
        for service in &services {
            let name = super::text(service, "Name");
            if let Err(error) = client.register_service(service).await {
                return Err(Failure { done, ..Failure::new(format!("Error registering service {name:?}: {error}")) });
            }
            done.push_str(&format!("Registered service: {name}\n"));
        }
        Ok(Report { out: done.into_bytes(), ..Report::default() })
    })
}

fn from_flags(parsed: &Parsed) -> Result<Json, Failure> {
    let mut service = Map::new();
    for (flag, field) in [("id", "ID"), ("name", "Name"), ("address", "Address"), ("kind", "Kind")] {
        if let Some(text) = parsed.text(flag) {
            service.insert(field.to_owned(), text.into());
        }
    }
    if let Some(port) = parsed.value("port").and_then(|port| port.parse::<i64>().ok()) {
        service.insert("Port".to_owned(), port.into());
    }
    let tags: Vec<Value> = parsed.values("tag").map(Value::from).collect();
    if !tags.is_empty() {
        service.insert("Tags".to_owned(), tags.into());
    }
    let meta = pairs(parsed.values("meta"));
    if !meta.is_empty() {
        service.insert("Meta".to_owned(), json!(meta));
    }
    let mut tagged = Map::new();
    for (tag, address) in pairs(parsed.values("tagged-address")) {
        let split = address.rsplit_once(':').and_then(|(ip, port)| Some((ip, port.parse::<u16>().ok()?)));
        let Some((ip, port)) = split else {
            return Err(Failure::new(format!(
                "Error: -tagged-address {tag}={address:?} is not of the form tag=address:port"
            )));
        };
        let ip = ip.trim_start_matches('[').trim_end_matches(']');
        tagged.insert(tag, json!({"Address": ip, "Port": port}));
    }
    if !tagged.is_empty() {
        service.insert("TaggedAddresses".to_owned(), tagged.into());
    }
    Ok(Value::Object(service))
}
