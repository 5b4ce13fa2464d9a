//! `consul monitor`.

use std::io::Write as _;

use client::SaveError;
use tokio::signal::unix::{SignalKind, signal};

use super::connect::with_agent;
use super::flags::{Flag, Parsed, Takes};
use super::frame::{Command, Failure, Outcome, Report, Run, Shared};

/// The row.
pub const COMMAND: Command = Command {
    name: "monitor",
    synopsis: "Stream logs from a Consul agent",
    usage: "[options]",
    about: "Shows the log of a running agent while it is written, until SIGINT or until the agent ends. The level may be\n\
            finer than that of the agent's own log.",
    flags: &[
        Flag::new("log-json", Takes::Bool, "Lines in JSON."),
        Flag::new(
            "log-level",
            Takes::Text("string"),
            "Level to show: trace, debug, info, warn or err; info by default.",
        ),
    ],
    shared: Shared::Http,
    run: Run::Once(run),
};

fn run(parsed: &Parsed) -> Outcome {
    let level = parsed.text("log-level").unwrap_or("INFO");
    with_agent(parsed, async |client| {
        let failed = |error: &dyn std::fmt::Display| Failure::new(format!("Error starting monitor: {error}"));
        let mut interrupted = signal(SignalKind::interrupt()).map_err(|error| failed(&error))?;
        let mut terminated = signal(SignalKind::terminate()).map_err(|error| failed(&error))?;
        let mut out = std::io::stdout();
        let followed = client.monitor(level, parsed.is_set("log-json"), move |bytes| {
            out.write_all(bytes)?;
            out.flush()
        });
        tokio::select! {
            ended = followed => match ended {
                Ok(()) => Ok(Report::line(ENDED)),
                // Who read the lines has gone, as `head` does.
                Err(SaveError::Local(_)) => Ok(Report::silent()),
                Err(SaveError::Agent(client::Error::Broken { .. })) => Ok(Report::line(ENDED)),
                Err(SaveError::Agent(error)) => Err(failed(&error)),
            },
            _ = interrupted.recv() => Ok(Report::silent()),
            _ = terminated.recv() => Ok(Report::silent()),
        }
    })
}

/// When the agent ends the log.
const ENDED: &str = "Remote side ended the monitor! This usually means that the\nremote side has exited or crashed.";
