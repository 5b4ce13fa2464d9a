//! `consul catalog services`.

use std::collections::BTreeMap;

use client::{Client, Error, QueryOptions};

use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::too_many;

/// Spaces between the longest name and the tags.
const GAP: usize = 6;

/// The row.
pub const COMMAND: Command = Command {
    name: "catalog services",
    synopsis: "Lists all registered services in a datacenter",
    usage: "[options]",
    about: "Lists the names of services: all, or those of one node or of nodes that have metadata.",
    flags: &[
        Flag::new("node", Takes::Text("id or name"), "Only services of this node."),
        Flag::new("node-meta", Takes::Text("key=value"), "Metadata that the nodes must have. May be repeated."),
        Flag::new("tags", Takes::Bool, "Show the tags too."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    if !parsed.args.is_empty() {
        return Err(Failure::new(too_many("0", parsed.args.len())));
    }
    let options = QueryOptions {
        node_meta: parsed.values("node-meta").map(|pair| pair.replacen('=', ":", 1)).collect(),
        ..query_options(parsed)
    };
    with_agent(parsed, async |client| {
        let found = match parsed.text("node") {
            Some(node) => of_node(&client, node, &options).await,
            None => client.services(&options).await.map(|found| found.rows),
        };
        let services = found.map_err(|error| Failure::new(format!("Error listing services: {error}")))?;
        if services.is_empty() {
            let err = "No services match the given query - try expanding your search.\n".to_owned();
            return Ok(Report { err, ..Report::default() });
        }
        if !parsed.is_set("tags") || services.values().all(Vec::is_empty) {
            return Ok(Report::lines(services.keys()));
        }
        let width = services.keys().map(|name| name.chars().count()).max().unwrap_or_default() + GAP;
        Ok(Report::lines(services.iter().map(|(name, tags)| format!("{name:width$}{}", tags.join(",")))))
    })
}

async fn of_node(client: &Client, node: &str, options: &QueryOptions) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let found = client.node(node, options).await?.rows;
    for service in found.iter().flat_map(|node| node.services.values()) {
        let tags = services.entry(service.service.to_string()).or_default();
        tags.extend(service.tags.iter().cloned());
        tags.sort();
        tags.dedup();
    }
    Ok(services)
}
