//! `consul rtt`.

use model::NodeCoordinate;

use super::connect::{query_options, with_agent};
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "rtt",
    synopsis: "Estimates network round trip time between nodes",
    usage: "[options] node1 [node2]",
    about: "Estimates the round-trip time between two nodes of the datacenter from their network coordinates. The second\n\
            node is the agent's own if it is not given. Nodes are given by name.",
    flags: &[Flag::new("wan", Takes::Bool, "Between servers of datacenters. Not available yet.")],
    shared: Shared::HttpAndServer,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let (from, to) = match parsed.args.as_slice() {
        [from] => (from.clone(), None),
        [from, to] => (from.clone(), Some(to.clone())),
        _ => return Err(Failure::misuse("One or two node names must be specified")),
    };
    if parsed.is_set("wan") {
        let why = "There are no coordinates of other datacenters yet: servers only measure the way inside their own. \
                   Leave -wan out.";
        return Err(Failure::new(why));
    }
    with_agent(parsed, async |client| {
        let to = match to {
            Some(to) => to,
            None => {
                let agent = client.agent_self().await;
                let agent = agent.map_err(|error| Failure::new(format!("Unable to look up agent info: {error}")))?;
                agent["Config"]["NodeName"].as_str().unwrap_or_default().to_owned()
            }
        };
        let found = client.coordinates(&query_options(parsed)).await;
        let rows = found.map_err(|error| Failure::new(format!("Error getting coordinates: {error}")))?.rows;
        let (a, b) = (coordinate(&rows, &from)?, coordinate(&rows, &to)?);
        let milliseconds = a.coord.distance(&b.coord) * 1000.0;
        Ok(Report::line(format!("Estimated {from} <-> {to} rtt: {milliseconds:.3} ms (using LAN coordinates)")))
    })
}

fn coordinate<'a>(rows: &'a [NodeCoordinate], node: &str) -> Result<&'a NodeCoordinate, Failure> {
    let found = rows.iter().find(|row| *row.node == *node);
    found.ok_or_else(|| Failure::new(format!("Could not find a coordinate for node {node:?}")))
}
