//! `consul operator autopilot`.

use model::{AutopilotConfig, AutopilotState, format_duration, parse_duration};

use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::output::pretty_json;

/// The row of the group.
pub const COMMAND: Command = Command {
    name: "operator autopilot",
    synopsis: "Provides tools for modifying Autopilot configuration",
    usage: "<subcommand> [options]",
    about: "Shows how the servers are, and sets how they are looked after.",
    flags: &[],
    shared: Shared::None,
    run: Run::Group,
};

const FORMAT: Flag = Flag::new("format", Takes::Text("pretty|json"), "Form of the output.");

/// The row of `get-config`.
pub const GET_CONFIG: Command = Command {
    name: "operator autopilot get-config",
    synopsis: "Display the current Autopilot configuration",
    usage: "[options]",
    about: "Shows the settings of autopilot.",
    flags: &[FORMAT],
    shared: Shared::HttpAndServer,
    run: Run::Once(get_config),
};

/// The row of `set-config`.
pub const SET_CONFIG: Command = Command {
    name: "operator autopilot set-config",
    synopsis: "Modify the current Autopilot configuration",
    usage: "[options]",
    about: "Changes the settings of autopilot that are given.",
    flags: &[
        Flag::new("cleanup-dead-servers", Takes::Text("true|false"), "Take failed servers out of the configuration."),
        Flag::new("disable-upgrade-migration", Takes::Text("true|false"), "Kept for Consul; there are no migrations."),
        Flag::new("last-contact-threshold", Takes::Text("200ms"), "Silence after which a server is not healthy."),
        Flag::new("max-trailing-logs", Takes::Uint, "Log entries that a healthy server may lack."),
        Flag::new("min-quorum", Takes::Uint, "Voters that are left at least."),
        Flag::new("redundancy-zone-tag", Takes::Text("value"), "Node metadata that names a server's zone."),
        Flag::new("server-stabilization-time", Takes::Text("10s"), "How long a new server must be healthy to vote."),
        Flag::new("upgrade-version-tag", Takes::Text("value"), "Kept for Consul; there are no migrations."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(set_config),
};

/// The row of `state`.
pub const STATE: Command = Command {
    name: "operator autopilot state",
    synopsis: "Display the current Autopilot state",
    usage: "[options]",
    about: "Shows how the servers are, as the leader sees them.",
    flags: &[FORMAT],
    shared: Shared::HttpAndServer,
    run: Run::Once(state),
};

fn is_json(parsed: &Parsed) -> Result<bool, Failure> {
    match parsed.text("format") {
        None | Some("pretty") => Ok(false),
        Some("json") => Ok(true),
        Some(other) => Err(Failure::new(format!("Invalid format {other:?}: use pretty or json"))),
    }
}

fn querying(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("Error querying Autopilot configuration: {error}"))
}

fn get_config(parsed: &Parsed) -> Outcome {
    let is_json = is_json(parsed)?;
    with_agent(parsed, async |client| {
        let config = client.autopilot_config(&query_options(parsed)).await.map_err(|error| querying(&error))?;
        if is_json {
            let value = serde_json::to_value(&config).map_err(|error| querying(&error))?;
            return Ok(Report::line(pretty_json(&value, b"    ")));
        }
        Ok(Report::lines(lines(&config)))
    })
}

fn lines(config: &AutopilotConfig) -> Vec<String> {
    vec![
        format!("CleanupDeadServers = {}", config.cleanup_dead_servers),
        format!("LastContactThreshold = {}", format_duration(config.last_contact_threshold)),
        format!("MaxTrailingLogs = {}", config.max_trailing_logs),
        format!("MinQuorum = {}", config.min_quorum),
        format!("ServerStabilizationTime = {}", format_duration(config.server_stabilization_time)),
        format!("RedundancyZoneTag = {:?}", config.redundancy_zone_tag),
        format!("DisableUpgradeMigration = {}", config.disable_upgrade_migration),
        format!("UpgradeVersionTag = {:?}", config.upgrade_version_tag),
    ]
}

fn set_config(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let setting =
            |error: &dyn std::fmt::Display| Failure::new(format!("Error setting Autopilot configuration: {error}"));
        let old = client.autopilot_config(&query_options(parsed)).await.map_err(|error| querying(&error))?;
        let new = changed(old, parsed).map_err(Failure::new)?;
        let datacenter = parsed.value("datacenter").unwrap_or_default();
        match client.set_autopilot_config(&new, datacenter).await.map_err(|error| setting(&error))? {
            true => Ok(Report::line("Configuration updated!")),
            false => Err(Failure::new("Configuration could not be atomically updated, please try again")),
        }
    })
}

fn changed(mut config: AutopilotConfig, parsed: &Parsed) -> Result<AutopilotConfig, String> {
    let truth = |name: &str, old: bool| match parsed.text(name) {
        None => Ok(old),
        Some(text) => config::parse_bool(text).ok_or_else(|| format!("invalid value {text:?} for flag -{name}")),
    };
    let duration = |name: &str, old| match parsed.text(name) {
        None => Ok(old),
        Some(text) => parse_duration(text).map_err(|error| format!("invalid value {text:?} for flag -{name}: {error}")),
    };
    config.cleanup_dead_servers = truth("cleanup-dead-servers", config.cleanup_dead_servers)?;
    config.disable_upgrade_migration = truth("disable-upgrade-migration", config.disable_upgrade_migration)?;
    config.last_contact_threshold = duration("last-contact-threshold", config.last_contact_threshold)?;
    config.server_stabilization_time = duration("server-stabilization-time", config.server_stabilization_time)?;
    config.max_trailing_logs = parsed.uint("max-trailing-logs").unwrap_or(config.max_trailing_logs);
    config.min_quorum = parsed.uint("min-quorum").unwrap_or(config.min_quorum);
    if let Some(tag) = parsed.value("redundancy-zone-tag") {
        tag.clone_into(&mut config.redundancy_zone_tag);
    }
    if let Some(tag) = parsed.value("upgrade-version-tag") {
        tag.clone_into(&mut config.upgrade_version_tag);
    }
    Ok(config)
}

fn state(parsed: &Parsed) -> Outcome {
    let is_json = is_json(parsed)?;
    with_agent(parsed, async |client| {
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("Error querying Autopilot state: {error}"));
        let state = client.autopilot_state(&query_options(parsed)).await.map_err(|error| failed(&error))?;
        if is_json {
            return Ok(Report::line(pretty_json(&state, b"    ")));
        }
        let state: AutopilotState = serde_json::from_value(state).map_err(|error| failed(&error))?;
        Ok(Report::lines(state_lines(&state)))
    })
}

fn state_lines(state: &AutopilotState) -> Vec<String> {
    let mut lines = vec![
        format!("Healthy:                      {}", state.healthy),
        format!("Failure Tolerance:            {}", state.failure_tolerance),
        format!("Optimistic Failure Tolerance: {}", state.optimistic_failure_tolerance),
        format!("Leader:                       {}", state.leader),
        "Voters:".to_owned(),
    ];
    lines.extend(state.voters.iter().map(|id| format!("   {id}")));
    if !state.read_replicas.is_empty() {
        lines.push("Read Replicas:".to_owned());
        lines.extend(state.read_replicas.iter().map(|id| format!("   {id}")));
    }
    lines.push("Servers:".to_owned());
    for server in state.servers.values() {
        lines.push(format!("   {}", server.id));
        lines.push(format!("      Name:            {}", server.name));
        lines.push(format!("      Address:         {}", server.address));
        lines.push(format!("      Version:         {}", server.version));
        lines.push(format!("      Status:          {}", server.status));
        lines.push(format!("      Node Status:     {}", server.node_status));
        lines.push(format!("      Healthy:         {}", server.healthy));
        lines.push(format!("      Last Contact:    {}", server.last_contact));
        lines.push(format!("      Last Term:       {}", server.last_term));
        lines.push(format!("      Last Index:      {}", server.last_index));
        lines.push(format!("      Stable Since:    {}", server.stable_since));
        if !server.redundancy_zone.is_empty() {
            lines.push(format!("      Redundancy Zone: {}", server.redundancy_zone));
        }
    }
    lines
}
