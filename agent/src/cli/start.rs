//! From a configuration to a running agent: log, identity, banner, process file, runtime, exit code.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use config::{Config, Loaded};
use tokio::runtime::Runtime;

use super::agent::parse;
use crate::agent::ReadAgain;
use crate::data_dir::check_layout;
use crate::log::{FileSettings, RotatingFile, Syslog};
use crate::version::{CONCORD_VERSION, CONSUL_API_VERSION};
use crate::{local, log};

/// Most threads that run tasks of a client agent: it passes requests on, and memory is dearer than speed.
const CLIENT_WORKERS_MAX: usize = 2;
/// Most threads that run tasks of a server: they keep up with what one machine's disk and network give.
const SERVER_WORKERS_MAX: usize = 4;

/// `consul agent`: reads the words, makes what an agent needs around it, and runs one until it is told to stop.
#[must_use]
pub fn start(words: &[String]) -> ExitCode {
    let loaded = match parse(words) {
        Ok(loaded) => loaded,
        Err(message) => return failed(&message),
    };
    let words = words.to_vec();
    let read_again: ReadAgain = Arc::new(move || parse(&words));
    let pid_file = loaded.config.pid_file.clone();
    let code = match prepare(loaded) {
        Ok((loaded, runtime)) => run(&runtime, loaded, read_again),
        Err(error) => failed(&format!("==> {error:#}")),
    };
    if let Some(path) = pid_file {
        // It may never have been written, and an old one misleads more than a missing one.
        let _ = fs::remove_file(path);
    }
    code
}

/// From here on the log is where everything is said.
fn run(runtime: &Runtime, loaded: Loaded, read_again: ReadAgain) -> ExitCode {
    let code = match runtime.block_on(crate::agent::run(loaded, read_again)) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(target: "agent::agent", "Error starting agent: error=\"{error:#}\"");
            1
        }
    };
    tracing::info!(target: "agent::agent", "Exit code: code={code}");
    ExitCode::from(code)
}

fn failed(message: &str) -> ExitCode {
    // Where even the standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::FAILURE
}

fn workers(server: bool) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.min(if server { SERVER_WORKERS_MAX } else { CLIENT_WORKERS_MAX })
}

/// Everything before the agent itself: data directory, identity, process file, banner, log, threads.
fn prepare(mut loaded: Loaded) -> Result<(Loaded, Runtime)> {
    let config = &mut loaded.config;
    if let Some(dir) = &config.data_dir {
        fs::create_dir_all(dir).with_context(|| format!("cannot create the data directory {}", dir.display()))?;
        check_layout(dir)?;
    }
    let id = local::load_node_id(config.data_dir.as_deref(), config.node_id.as_deref())?;
    config.node_id = Some(id.to_string());
    if let Some(path) = &config.pid_file {
        fs::write(path, std::process::id().to_string())
            .with_context(|| format!("cannot write the process id to {}", path.display()))?;
    }
    let log = log_settings(config)?;
    // A closed standard output stops nothing: the agent serves without it.
    let _ = std::io::stdout().write_all(banner(config).as_bytes());
    log::start(log)?;
    for warning in &loaded.warnings {
        tracing::warn!(target: "agent::agent", "{warning}");
    }
    let workers = workers(loaded.config.server);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    Ok((loaded, runtime.context("cannot start threads")?))
}

/// Opens what the log goes to.
fn log_settings(config: &Config) -> Result<log::Settings> {
    let open = |path: &Path| {
        let settings = FileSettings {
            path: path.to_owned(),
            bytes_max: config.logging.rotate_bytes,
            age_max: config.logging.rotate_duration,
            files_max: config.logging.rotate_max_files,
        };
        RotatingFile::open(settings).with_context(|| format!("cannot open the log file {}", path.display()))
    };
    Ok(log::Settings {
        level: config.log_level.as_str().to_owned(),
        json: config.log_json,
        file: config.log_file.as_deref().map(open).transpose()?,
        syslog: config.logging.syslog_facility.as_deref().map(Syslog::connect).transpose()?,
    })
}

/// What the agent says of itself before its log begins.
fn banner(config: &Config) -> String {
    let ports = &config.ports;
    let port = |port: Option<u16>| port.map_or_else(|| "-1".to_owned(), |port| port.to_string());
    let clients: Vec<String> = config.client_addrs.iter().map(ToString::to_string).collect();
    let bootstrap = (config.bootstrap && !config.dev_mode) || config.bootstrap_expect == 1;
    let rows = [
        ("Version", format!("'{CONSUL_API_VERSION}' (Concord {CONCORD_VERSION})")),
        ("Node ID", format!("'{}'", config.node_id.as_deref().unwrap_or_default())),
        ("Node name", format!("'{}'", config.node_name)),
        ("Datacenter", format!("'{}' (Segment: '{}')", config.datacenter, if config.server { "<all>" } else { "" })),
        ("Server", format!("{} (Bootstrap: {bootstrap})", config.server)),
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
        ("Encrypt", "Gossip: false, TLS-Outgoing: false, TLS-Incoming: false, Auto-Encrypt-TLS: false".to_owned()),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("{name:>18}: {value}\n")).collect();
    format!("==> Starting Consul agent...\n{rows}\n==> Log data will now stream in as it occurs:\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(line: &str) -> Loaded {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_banner_is_as_consuls() {
        let mut config = loaded("-dev -bind=127.0.0.60 -client=127.0.0.60 -node=n1").config;
        config.node_id = Some("d75d9264-b82d-ad00-cc44-be056995ca60".to_owned());
        let wanted = format!(
            "==> Starting Consul agent...
           Version: '1.8.7' (Concord {CONCORD_VERSION})
           Node ID: 'd75d9264-b82d-ad00-cc44-be056995ca60'
         Node name: 'n1'
        Datacenter: 'dc1' (Segment: '<all>')
            Server: true (Bootstrap: false)
       Client Addr: [127.0.0.60] (HTTP: 8500, HTTPS: -1, gRPC: -1, DNS: 8600)
      Cluster Addr: 127.0.0.60 (LAN: 8301, WAN: 8302)
           Encrypt: Gossip: false, TLS-Outgoing: false, TLS-Incoming: false, Auto-Encrypt-TLS: false

==> Log data will now stream in as it occurs:

"
        );
        assert_eq!(banner(&config), wanted);
    }

    #[test]
    fn identity_and_process_file_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let (data, pid) = (folder.path().join("a/b"), folder.path().join("pid"));
        let line = format!(
            "-bind=127.0.0.1 -data-dir={} -pid-file={} -log-file={}",
            data.display(),
            pid.display(),
            folder.path().display()
        );
        let (Loaded { config, .. }, _runtime) = prepare(loaded(&line)).unwrap();
        assert_eq!(fs::read_to_string(pid).unwrap(), std::process::id().to_string());
        assert_eq!(fs::read_to_string(data.join("node-id")).unwrap().trim(), config.node_id.unwrap());
        assert!(folder.path().join("consul.log").is_file());
    }

    #[test]
    fn what_cannot_be_prepared_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let below = file.path().join("data");
        let line = format!("-bind=127.0.0.1 -data-dir={}", file.path().parent().unwrap().display());
        let mut loaded = loaded(&line);
        loaded.config.data_dir = Some(below.clone());
        let message = format!("{:#}", prepare(loaded).unwrap_err());
        assert!(message.starts_with(&format!("cannot create the data directory {}", below.display())), "{message}");
    }
}
