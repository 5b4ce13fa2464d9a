//! `consul catalog nodes`.

use client::{CatalogInstance, Error, QueryOptions};
use model::{Node, TextMap};

use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::input::too_many;
use crate::cli::output::table;

/// Characters of a node id that the short table shows.
const ID_SHORT: usize = 8;

/// The row.
pub const COMMAND: Command = Command {
    name: "catalog nodes",
    synopsis: "Lists all nodes in the given datacenter",
    usage: "[options]",
    about: "Lists nodes of the catalog: all, or those that have metadata, run a service or match an expression.",
    flags: &[
        Flag::new("detailed", Takes::Bool, "Show whole ids, tagged addresses and metadata."),
        Flag::new("filter", Takes::Text("expression"), "Expression that the nodes must match."),
        Flag::new("near", Takes::Text("node"), "Sort by round-trip time to this node."),
        Flag::new("node-meta", Takes::Text("key=value"), "Metadata that the nodes must have. May be repeated."),
        Flag::new("service", Takes::Text("id or name"), "Only nodes that run this service."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    if !parsed.args.is_empty() {
        return Err(Failure::new(too_many("0", parsed.args.len())));
    }
    let options = QueryOptions {
        filter: parsed.value("filter").unwrap_or_default().to_owned(),
        near: parsed.value("near").unwrap_or_default().to_owned(),
        node_meta: parsed.values("node-meta").map(|pair| pair.replacen('=', ":", 1)).collect(),
        ..query_options(parsed)
    };
    with_agent(parsed, async |client| {
        let found = match parsed.text("service") {
            Some(service) => client.service(service, None, &options).await.map(|found| nodes_of(found.rows)),
            None => client.nodes(&options).await.map(|found| found.rows),
        };
        let nodes = found.map_err(|error: Error| Failure::new(format!("Error listing nodes: {error}")))?;
        if nodes.is_empty() {
            let err = "No nodes match the given query - try expanding your search.\n".to_owned();
            return Ok(Report { err, ..Report::default() });
        }
        Ok(Report::line(show(&nodes, parsed.is_set("detailed"))))
    })
}

/// The nodes of instances; one that runs several instances is there once for each, as in Consul.
fn nodes_of(instances: Vec<CatalogInstance>) -> Vec<Node> {
    let node = |instance: CatalogInstance| Node {
        id: instance.id.into(),
        node: instance.node.into(),
        address: instance.address,
        datacenter: instance.datacenter,
        tagged_addresses: instance.tagged_addresses,
        meta: instance.node_meta,
        ..Node::default()
    };
    instances.into_iter().map(node).collect()
}

fn show(nodes: &[Node], detailed: bool) -> String {
    let row = |node: &Node| {
        let id: String = node.id.chars().take(if detailed { usize::MAX } else { ID_SHORT }).collect();
        let mut row = vec![node.node.to_string(), id, node.address.clone(), node.datacenter.clone()];
        if detailed {
            row.extend([pairs(node.tagged_addresses.as_ref()), pairs(node.meta.as_ref())]);
        }
        row
    };
    let header: &[&str] = match detailed {
        true => &["Node", "ID", "Address", "DC", "TaggedAddresses", "Meta"],
        false => &["Node", "ID", "Address", "DC"],
    };
    table(header, &nodes.iter().map(row).collect::<Vec<_>>())
}

fn pairs(map: Option<&TextMap>) -> String {
    let pairs: Vec<String> = map.into_iter().flatten().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(", ")
}
