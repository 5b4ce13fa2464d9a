//! `consul operator usage`.

use model::ServiceUsage;

use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::output::table;

/// The row of the group.
pub const COMMAND: Command = Command {
    name: "operator usage",
    synopsis: "Provides cluster-level usage information",
    usage: "<subcommand> [options]",
    about: "Shows how much is registered.",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

/// The row of `instances`.
pub const INSTANCES: Command = Command {
    name: "operator usage instances",
    synopsis: "Display service instance usage information",
    usage: "[options]",
    about: "Shows how many services and instances of them there are, per datacenter.",
    flags: &[
        Flag::new("only-billable", Takes::Bool, "Show only instances that are neither servers nor of the mesh."),
        Flag::new("only-connect", Takes::Bool, "Show only instances of the mesh."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(instances),
};

fn instances(parsed: &Parsed) -> Outcome {
    let (billable, connect) = (parsed.is_set("only-billable"), parsed.is_set("only-connect"));
    if billable && connect {
        return Err(Failure::new("Cannot specify both -only-billable and -only-connect flags"));
    }
    with_agent(parsed, async |client| {
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("Error fetching usage information: {error}"));
        let found = client.usage(&query_options(parsed)).await.map_err(|error| failed(&error))?;
        let usage: std::collections::BTreeMap<String, ServiceUsage> =
            serde_json::from_value(found["Usage"].clone()).map_err(|error| failed(&error))?;
        let mut lines = Vec::new();
        if !connect {
            let rows: Vec<Vec<String>> = usage
                .iter()
                .map(|(dc, it)| vec![dc.clone(), it.services.to_string(), it.billable_service_instances.to_string()])
                .collect();
            lines.push("Billable Service Instances".to_owned());
            lines.push(table(&["Datacenter", "Services", "Service instances"], &rows));
        }
        if !billable {
            let rows: Vec<Vec<String>> = usage
                .iter()
                .flat_map(|(dc, it)| it.connect_service_instances.iter().map(move |(kind, count)| (dc, kind, count)))
                .map(|(dc, kind, count)| vec![dc.clone(), kind.clone(), count.to_string()])
                .collect();
            lines.push("Connect Service Instances".to_owned());
            lines.push(table(&["Datacenter", "Type", "Service instances"], &rows));
        }
        Ok(Report::lines(lines))
    })
}
