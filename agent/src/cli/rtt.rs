//! `consul rtt`.

use client::Client;
use model::Coordinate;

use super::connect::{query_options, with_agent};
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "rtt",
    synopsis: "Estimates network round trip time between nodes",
    usage: "[options] node1 [node2]",
    about: "Estimates the round-trip time between two nodes of the datacenter from their network coordinates. The second\n\
            node is the agent's own if it is not given. Nodes are given by name; with -wan they are servers of any\n\
            datacenters, as NAME.DATACENTER.",
    flags: &[Flag::new("wan", Takes::Bool, "Between servers, also of different datacenters.")],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let (from, to) = match parsed.args.as_slice() {
        [from] => (from.clone(), None),
        [from, to] => (from.clone(), Some(to.clone())),
        _ => return Err(Failure::misuse("One or two node names must be specified")),
    };
    let wan = parsed.is_set("wan");
    let names = std::iter::once(&from).chain(&to);
    if wan && names.into_iter().any(|name| !name.contains('.')) {
        return Err(Failure::new("Node names must be specified as <node name>.<datacenter> with -wan"));
    }
    with_agent(parsed, async |client| {
        let to = match to {
            Some(to) => to,
            None => own_name(&client, wan).await?,
        };
        let known = if wan { between(&client).await } else { within(parsed, &client).await };
        let known = known.map_err(|error| Failure::new(format!("Error getting coordinates: {error}")))?;
        let (a, b) = (coordinate(&known, &from)?, coordinate(&known, &to)?);
        let milliseconds = a.distance(b) * 1000.0;
        let pool = if wan { "WAN" } else { "LAN" };
        Ok(Report::line(format!("Estimated {from} <-> {to} rtt: {milliseconds:.3} ms (using {pool} coordinates)")))
    })
}

async fn own_name(client: &Client, wan: bool) -> Result<String, Failure> {
    let agent = client.agent_self().await;
    let agent = agent.map_err(|error| Failure::new(format!("Unable to look up agent info: {error}")))?;
    let text = |key: &str| agent["Config"][key].as_str().unwrap_or_default().to_owned();
    Ok(if wan { format!("{}.{}", text("NodeName"), text("Datacenter")) } else { text("NodeName") })
}

/// Names and where they are.
type Known = Vec<(String, Coordinate)>;

/// Nodes of the datacenter.
async fn within(parsed: &Parsed, client: &Client) -> Result<Known, client::Error> {
    let rows = client.coordinates(&query_options(parsed)).await?.rows;
    Ok(rows.into_iter().map(|row| (row.node.to_string(), row.coord)).collect())
}

/// Servers of all datacenters.
async fn between(client: &Client) -> Result<Known, client::Error> {
    let all = client.datacenter_coordinates().await?;
    let named = |of: model::DatacenterCoordinates| {
        let named = |row: model::NodeCoordinate| (format!("{}.{}", row.node, of.datacenter), row.coord);
        of.coordinates.into_iter().map(named).collect::<Known>()
    };
    Ok(all.into_iter().flat_map(named).collect())
}

fn coordinate<'a>(known: &'a Known, node: &str) -> Result<&'a Coordinate, Failure> {
    let found = known.iter().find(|(name, _)| name == node);
    found.map(|(_, coord)| coord).ok_or_else(|| Failure::new(format!("Could not find a coordinate for node {node:?}")))
}
