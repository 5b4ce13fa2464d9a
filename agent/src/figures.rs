//! What this agent's metrics are made of: where they are sent, and the gauges that are read when somebody looks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use config::Config;
use gossip::Status;

use crate::gossip::Pool;
use crate::raft::node::RaftNode;
use crate::raft::state_machine::LAST_BATCH;
use crate::start::Tasks;
use crate::telemetry::{self, Gauge, Naming, PrefixFilter, Protocol, Sink};
use crate::tls::AgentTls;

/// Time between two measurements of how long ago a leader heard from a majority.
const CONTACT_INTERVAL: Duration = Duration::from_secs(1);

/// Starts recording, and sending to the sinks that are configured.
pub(crate) fn start(config: &Config, tasks: &Tasks, tls: &Arc<AgentTls>) {
    let settings = &config.telemetry;
    let filter = filter(config);
    let sinks = sinks(config);
    // Consul puts the host into the names only when somebody outside gets them.
    let outside = !sinks.is_empty() || !settings.prometheus_retention_time.is_zero();
    let hostname = if outside && !settings.disable_hostname { host_name() } else { String::new() };
    let naming = Naming { prefix: settings.prefix.clone(), hostname, filter };
    let registry = telemetry::start(naming, settings.prometheus_retention_time);
    let runtime = tokio::runtime::Handle::current();
    telemetry::collect(move |gauges| {
        telemetry::collect_process(gauges);
        gauges.push(Gauge::new("runtime.num_goroutines", runtime.metrics().num_alive_tasks() as f64));
    });
    collect_certificates(tls.clone());
    for sink in sinks {
        tasks.spawn(telemetry::run_sink(registry, sink));
    }
}

/// The rules of a new configuration.
pub(crate) fn refilter(config: &Config) {
    if let Some(registry) = telemetry::registry() {
        registry.set_filter(filter(config));
    }
}

fn filter(config: &Config) -> PrefixFilter {
    let settings = &config.telemetry;
    let (filter, unreadable) = PrefixFilter::parse(&settings.prefix_filter, settings.filter_default);
    for rule in unreadable {
        tracing::warn!(target: "agent::agent", "Filter rule must begin with either '+' or '-': \"{rule}\"");
    }
    filter
}

fn sinks(config: &Config) -> Vec<Sink> {
    let settings = &config.telemetry;
    let sink = |protocol: Protocol, address: &Option<String>| {
        address.as_ref().map(|address| Sink { protocol, address: address.clone() })
    };
    let dog = Protocol::Dogstatsd { tags: settings.dogstatsd_tags.clone() };
    let all = [
        sink(Protocol::Statsd, &settings.statsd_address),
        sink(Protocol::Statsite, &settings.statsite_address),
        sink(dog, &settings.dogstatsd_addr),
    ];
    all.into_iter().flatten().collect()
}

fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The gauge of the certificate that expires first, in seconds.
fn collect_certificates(tls: Arc<AgentTls>) {
    telemetry::collect(move |gauges| {
        if let Some(left) = tls.expires_in() {
            gauges.push(Gauge::new("agent.tls.cert.expiry", left.as_secs_f64()));
        }
    });
}

/// The gauges of gossip and, on a server, of Raft and the catalog.
pub(crate) fn collect(lan: &Pool, raft: Option<&RaftNode>) {
    let lan = lan.clone();
    telemetry::collect(move |gauges| {
        let members = lan.members();
        let alive = |role: &str| {
            let wanted = |tags: &model::TextMap| tags.get("role").is_some_and(|found| found == role);
            members.iter().filter(|member| member.status == Status::Alive && wanted(&member.tags)).count() as f64
        };
        gauges.push(Gauge::new("members.servers", alive("consul")));
        gauges.push(Gauge::new("members.clients", alive("node")));
    });
    let Some(raft) = raft.cloned() else { return };
    telemetry::collect(move |gauges| {
        let stats = raft.stats();
        let number = |key: &str| stats.get(key).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        gauges.push(Gauge::new("raft.applied_index", number("applied_index")));
        gauges.push(Gauge::new("raft.last_index", number("last_log_index")));
        gauges.push(Gauge::new("raft.peers", raft.configuration().servers.len() as f64));
        gauges.push(Gauge::new("raft.commitNumLogs", LAST_BATCH.load(Ordering::Relaxed) as f64));
        gauges.push(Gauge::new("rpc.queries_blocking", crate::rpc::queries_blocking() as f64));
        let is_leader = raft.leadership().borrow().is_local;
        if is_leader {
            let health = raft.autopilot_health(&server::endpoint::autopilot::config(&raft.reader().load()));
            gauges.push(Gauge::new("autopilot.healthy", f64::from(u8::from(health.healthy))));
            gauges.push(Gauge::new("autopilot.failure_tolerance", health.failure_tolerance as f64));
        }
        gauges.push(Gauge::new("server.isLeader", f64::from(u8::from(is_leader))));
    });
}

/// Counts what happens to the members, and this server's changes of role.
pub(crate) async fn follow_members(lan: Pool) {
    let mut events = lan.events();
    let mut known: std::collections::BTreeMap<String, Status> = std::collections::BTreeMap::new();
    loop {
        for member in lan.members().iter() {
            let before = known.insert(member.name.to_string(), member.status);
            if before != Some(member.status) {
                let name = match member.status {
                    Status::Alive => "serf.member.join",
                    Status::Failed => "serf.member.failed",
                    Status::Left => "serf.member.left",
                    _ => continue,
                };
                telemetry::count(name, &[]);
                telemetry::count("serf.events", &[]);
            }
        }
        // An event that was missed changes nothing: the members are read anew each time.
        if let Err(tokio::sync::broadcast::error::RecvError::Closed) = events.recv().await {
            return;
        }
    }
}

/// Counts this server's changes of role and measures how long ago a majority was heard while it leads.
pub(crate) async fn follow_raft(raft: RaftNode) {
    let mut leadership = raft.leadership();
    let mut was_leader = None;
    loop {
        let is_leader = leadership.borrow_and_update().is_local;
        if was_leader != Some(is_leader) {
            telemetry::count(if is_leader { "raft.state.leader" } else { "raft.state.follower" }, &[]);
            was_leader = Some(is_leader);
        }
        tokio::select! {
            changed = leadership.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(CONTACT_INTERVAL) => if let Some(silence) = raft.quorum_silence() {
                telemetry::measure("raft.leader.lastContact", &[], silence);
            },
        }
    }
}
