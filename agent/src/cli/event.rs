//! `consul event`.

use client::EventToFire;

use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::pattern;

/// The row.
pub const COMMAND: Command = Command {
    name: "event",
    synopsis: "Fire a new event",
    usage: "[options] [payload]",
    about: "Sends a user event to all agents of a datacenter: a name, and a payload of up to about 400 bytes. Filters\n\
            are regular expressions for the agents that shall take it.",
    flags: &[
        Flag::new("name", Takes::Text("string"), "Name of the event. Required."),
        Flag::new("node", Takes::Text("string"), "Regular expression for names of nodes."),
        Flag::new("service", Takes::Text("string"), "Regular expression for names of services on a node."),
        Flag::new("tag", Takes::Text("string"), "Regular expression for tags of those services; needs -service."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let text = |name: &str| parsed.value(name).unwrap_or_default().to_owned();
    let payload = match parsed.args.as_slice() {
        [] => Vec::new(),
        [payload] => payload.clone().into_bytes(),
        _ => return Err(Failure::misuse("Too many command line arguments.")),
    };
    let event =
        EventToFire { name: text("name"), payload, node: text("node"), service: text("service"), tag: text("tag") };
    if event.name.is_empty() {
        return Err(Failure::misuse("Event name must be specified"));
    }
    for (which, filter) in [("node", &event.node), ("service", &event.service), ("tag", &event.tag)] {
        pattern::compile(filter)
            .map_err(|cause| Failure::new(format!("Failed to compile {which} filter regexp: {cause}")))?;
    }
    if !event.tag.is_empty() && event.service.is_empty() {
        return Err(Failure::new("Cannot provide tag filter without service filter."));
    }
    with_agent(parsed, async |client| {
        let fired = client.fire_event(&event, &text("datacenter")).await;
        let id = fired.map_err(|error| Failure::new(format!("Error firing event: {error}")))?;
        Ok(Report::line(format!("Event ID: {id}")))
    })
}
