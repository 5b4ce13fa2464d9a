//! The command `consul agent`: prints the banner, runs the agent until it is told to stop, says with what code it ends.

use std::process::ExitCode;
use std::sync::Arc;

use config::{Config, Loaded};

use super::agent::parse;
use super::frame::{Command, Run, Shared};
use crate::version::{CONCORD_VERSION, CONSUL_API_VERSION};
use crate::{agent, log};

/// Threads that run tasks. Two keep up with what one machine's disk and network give; each costs memory.
const WORKERS_MAX: usize = 4;

/// The row.
pub const COMMAND: Command = Command {
    name: "agent",
    synopsis: "Runs an agent",
    usage: "[options]",
    about: "Runs an agent until it gets SIGINT or SIGTERM. An agent is a client unless -server or -dev is given.",
    flags: &[],
    shared: Shared::None,
    run: Run::Agent(run),
};

fn run(words: &[String]) -> ExitCode {
    let Loaded { config, warnings } = match parse(words) {
        Ok(loaded) => loaded,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    println!("==> Starting Consul agent...");
    if let Err(error) = log::start(config.log_level.as_str(), config.log_json) {
        eprintln!("==> {error}");
        return ExitCode::FAILURE;
    }
    println!("{}\n\n==> Log data will now stream in as it occurs:\n", banner(&config));
    for warning in warnings {
        tracing::warn!(target: "agent::agent", "{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("==> cannot start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let words = words.to_vec();
    let result = runtime.block_on(agent::run(config, Arc::new(move || parse(&words))));
    let code = match result {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(target: "agent::agent", "Error starting agent: error=\"{error:#}\"");
            1
        }
    };
    tracing::info!(target: "agent::agent", "Exit code: code={code}");
    ExitCode::from(code)
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(WORKERS_MAX)
}

/// What is about to run, in right-aligned rows.
fn banner(config: &Config) -> String {
    let port = |port: Option<u16>| port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let (ports, clients) = (&config.ports, &config.client_addrs);
    let clients: Vec<String> = clients.iter().map(ToString::to_string).collect();
    let segment = if config.server { "<all>" } else { "" };
    let rows = [
        ("Version", format!("{CONSUL_API_VERSION} (Concord {CONCORD_VERSION})")),
        ("Node name", format!("'{}'", config.node_name)),
        ("Datacenter", format!("'{}' (Segment: '{segment}')", config.datacenter)),
        ("Server", format!("{} (Bootstrap: {})", config.server, config.bootstrap)),
        (
            "Client Addr",
            format!(
                "[{}] (HTTP: {}, HTTPS: {}, gRPC: {}, DNS: {})",
                clients.join(" "),
                port(ports.http),
                port(ports.https),
                port(ports.grpc),
                port(ports.dns)
            ),
        ),
        ("Cluster Addr", format!("{} (LAN: {}, WAN: {})", config.advertise_addr, ports.serf_lan, port(ports.serf_wan))),
    ];
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default() + 3;
    rows.map(|(name, value)| format!("{name:>width$}: {value}")).join("\n")
}
