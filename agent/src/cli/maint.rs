//! `consul maint`.

use client::Client;

use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// Check that marks a node in maintenance.
const NODE_CHECK: &str = "_node_maintenance";
/// Start of the checks that mark services in maintenance.
const SERVICE_CHECK: &str = "_service_maintenance:";

/// The row.
pub const COMMAND: Command = Command {
    name: "maint",
    synopsis: "Controls node or service maintenance mode",
    usage: "[options]",
    about: "Takes the node, or one service of it, out of DNS and health answers and back in. Without -enable or -disable\n\
            it lists what is in maintenance.",
    flags: &[
        Flag::new("disable", Takes::Bool, "End maintenance."),
        Flag::new("enable", Takes::Bool, "Start maintenance."),
        Flag::new("reason", Takes::Text("string"), "Why, for people; with -enable."),
        Flag::new("service", Takes::Text("string"), "Identity of a service of this agent, instead of the whole node."),
    ],
    shared: Shared::Http,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let (enable, disable) = (parsed.is_set("enable"), parsed.is_set("disable"));
    let (reason, service) = (parsed.value("reason").unwrap_or_default(), parsed.text("service"));
    if enable && disable {
        return Err(Failure::new("Only one of -enable or -disable may be provided"));
    }
    if !enable && !reason.is_empty() {
        return Err(Failure::new("Reason may only be provided with -enable"));
    }
    if !enable && !disable && service.is_some() {
        return Err(Failure::new("Service requires either -enable or -disable"));
    }
    with_agent(parsed, async |client| {
        let verb = if enable { "enabl" } else { "disabl" };
        match (enable || disable, service) {
            (false, _) => list(&client).await,
            (true, None) => match client.node_maintenance(enable, reason).await {
                Ok(()) => Ok(Report::line(format!("Node maintenance is now {verb}ed"))),
                Err(error) => Err(Failure::new(format!("Error {verb}ing node maintenance: {error}"))),
            },
            (true, Some(id)) => match client.service_maintenance(id, enable, reason).await {
                Ok(()) => Ok(Report::line(format!("Service maintenance is now {verb}ed for {id:?}"))),
                Err(error) => Err(Failure::new(format!("Error {verb}ing service maintenance: {error}"))),
            },
        }
    })
}

async fn list(client: &Client) -> Outcome {
    let facts = client.agent_self().await;
    let facts = facts.map_err(|error| Failure::new(format!("Error querying Consul agent: {error}")))?;
    let node = facts["Config"]["NodeName"].as_str().unwrap_or_default();
    let checks = client.agent_checks().await;
    let checks = checks.map_err(|error| Failure::new(format!("Error querying Consul agent: {error}")))?;
    let mut lines = Vec::new();
    for (id, check) in &checks {
        if id == NODE_CHECK {
            lines.push(format!("Node:\n  Name:   {node}\n  Reason: {}\n", check.notes));
        } else if id.starts_with(SERVICE_CHECK) {
            lines.push(format!("Service:\n  ID:     {}\n  Reason: {}\n", check.service_id, check.notes));
        }
    }
    Ok(Report::lines(lines))
}
