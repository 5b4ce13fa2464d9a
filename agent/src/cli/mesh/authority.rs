//! `consul connect ca`.

use client::{Method, os_error_text};
use model::Json;
use serde_json::json;

use super::{datacenter, group};
use crate::cli::connect::{query_options, with_agent};
use crate::cli::flags::{Flag, Parsed, Takes};
use crate::cli::frame::{Command, Failure, Outcome, Report, Run, Shared};
use crate::cli::output::pretty_json;

/// The row of `connect`.
pub const CONNECT: Command = group("connect", "Interact with Consul Connect", "Shows and changes the service mesh.");

/// The row of the group.
pub const COMMAND: Command = group(
    "connect ca",
    "Interact with the Consul Connect Certificate Authority (CA)",
    "Shows and changes the settings of the certificate authority.\n\nChange them:\n\n    $ consul connect ca set-config -config-file ca.json",
);

/// The row of `get-config`.
pub const GET_CONFIG: Command = Command {
    name: "connect ca get-config",
    synopsis: "Display the current Connect CA configuration",
    usage: "[options]",
    about: "Shows the settings of the certificate authority.",
    flags: &[],
    shared: Shared::HttpAndServer,
    run: Run::Once(get_config),
};

/// The row of `set-config`.
pub const SET_CONFIG: Command = Command {
    name: "connect ca set-config",
    synopsis: "Modify the current Connect CA configuration",
    usage: "[options]",
    about: "Replaces the settings of the certificate authority. Another PrivateKey or RootCert is another root.",
    flags: &[
        Flag::new("config-file", Takes::Text("string"), "JSON file with the settings: Provider and Config."),
        Flag::new("force-without-cross-signing", Takes::Bool, "Do not have the root before sign the new one."),
    ],
    shared: Shared::HttpAndServer,
    run: Run::Once(set_config),
};

fn get_config(parsed: &Parsed) -> Outcome {
    with_agent(parsed, async |client| {
        let found = client.document(&["connect", "ca", "configuration"], &[], &query_options(parsed)).await;
        let found = found.map_err(|error| Failure::new(format!("Error querying CA configuration: {error}")))?;
        let mut shown = serde_json::Map::new();
        for field in ["Provider", "Config", "State", "CreateIndex", "ModifyIndex"] {
            shown.insert(field.to_owned(), found.get(field).cloned().unwrap_or_default());
        }
        Ok(Report::line(pretty_json(&Json::Object(shown), b"\t")))
    })
}

fn set_config(parsed: &Parsed) -> Outcome {
    let Some(path) = parsed.text("config-file") else {
        return Err(Failure::new("The -config-file flag is required"));
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("Error reading config file: open {path}: {}", os_error_text(&error))))?;
    let given: Json = serde_json::from_str(&text).map_err(|error| {
        let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
        Failure::new(format!("Error parsing config file: {why}"))
    })?;
    let field = |name: &str| {
        let pairs = given.as_object().into_iter().flatten();
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    let force = field("ForceWithoutCrossSigning").and_then(|force| force.as_bool()).unwrap_or_default();
    let body = json!({
        "Provider": field("Provider").unwrap_or_else(|| "".into()),
        "Config": field("Config"),
        "ForceWithoutCrossSigning": force || parsed.is_set("force-without-cross-signing"),
    });
    with_agent(parsed, async |client| {
        let below = ["connect", "ca", "configuration"];
        let done = client.write_document(Method::Put, &below, &datacenter(parsed), &body).await;
        done.map_err(|error| Failure::new(format!("Error setting CA configuration: {error}")))?;
        Ok(Report::line("Configuration updated!"))
    })
}
