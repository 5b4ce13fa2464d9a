//! The validated configuration: what the agent runs on. Made by [`crate::load`] only; every value has been checked.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use model::{AutopilotConfig, ConfigEntry, Json, TextMap, Token};

use crate::tls::Tls;

/// Everything that an agent is told at its start.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Datacenter, lower case.
    pub datacenter: String,
    /// Datacenter that owns what is global; the own one unless told otherwise.
    pub primary_datacenter: String,
    /// Name of this node; the host name unless told otherwise.
    pub node_name: String,
    /// Identity of this node, lower case UUID; `None` means the one kept in the data directory, or a new one.
    pub node_id: Option<String>,
    /// Metadata of this node.
    pub node_meta: TextMap,
    /// Where state is kept; `None` in dev mode, which keeps nothing.
    pub data_dir: Option<PathBuf>,
    /// Whether this agent is a server.
    pub server: bool,
    /// Whether this server may elect itself at once, alone.
    pub bootstrap: bool,
    /// Number of servers to wait for before the first election; 0 when not used.
    pub bootstrap_expect: u32,
    /// Whether this is a throw-away server that keeps nothing on disk.
    pub dev_mode: bool,

    /// Address that RPC and, by default, gossip listen on; may be unspecified (`0.0.0.0`).
    pub bind_addr: IpAddr,
    /// Address told to the LAN; never unspecified.
    pub advertise_addr: IpAddr,
    /// Address told to the WAN; never unspecified.
    pub advertise_addr_wan: IpAddr,
    /// Addresses that HTTP and DNS listen on unless `addresses` says otherwise.
    pub client_addrs: Vec<IpAddr>,
    /// Listening addresses of single interfaces.
    pub addresses: Addresses,
    /// What unix sockets look like.
    pub unix_sockets: UnixSockets,
    /// TLS of HTTPS and RPC.
    pub tls: Tls,
    /// All ports.
    pub ports: Ports,
    /// Address that LAN gossip listens on.
    pub serf_lan_bind: IpAddr,
    /// Address that WAN gossip listens on.
    pub serf_wan_bind: IpAddr,

    /// DNS domain, without the dot at the end (`consul`).
    pub domain: String,
    /// Second DNS domain, without the dot at the end; `None` when there is none.
    pub alt_domain: Option<String>,
    /// Settings of the DNS answers.
    pub dns: Dns,
    /// Upstream DNS servers in order of preference.
    pub recursors: Vec<SocketAddr>,

    /// Addresses or names (with or without a port) to join until one answers.
    pub retry_join: Vec<String>,
    /// The same for the WAN pool.
    pub retry_join_wan: Vec<String>,
    /// Addresses to join once at the start; a failure ends the agent.
    pub start_join: Vec<String>,
    /// The same for the WAN pool.
    pub start_join_wan: Vec<String>,
    /// Time between rounds of [`Config::retry_join`].
    pub retry_interval: Duration,
    /// Time between rounds of [`Config::retry_join_wan`].
    pub retry_interval_wan: Duration,
    /// Rounds after which the agent gives up and exits; 0 means never.
    pub retry_max: u32,
    /// The same for the WAN pool.
    pub retry_max_wan: u32,
    /// Whether an agent that left joins again with the peers it remembers.
    pub rejoin_after_leave: bool,
    /// Whether SIGTERM leaves the cluster: by default yes for clients, no for servers.
    pub leave_on_terminate: bool,
    /// Whether SIGINT stops without leaving: by default no for clients, yes for servers.
    pub skip_leave_on_interrupt: bool,

    /// Lowest level that is logged.
    pub log_level: LogLevel,
    /// Log one JSON object per line.
    pub log_json: bool,
    /// File that the log goes to as well.
    pub log_file: Option<PathBuf>,
    /// Where requests to the HTTP API are written down.
    pub audit: Option<crate::AuditSink>,
    /// When the log file is set aside, and the system's log.
    pub logging: Logging,
    /// What is measured and where it goes.
    pub telemetry: Telemetry,
    /// File that the process id is written to.
    pub pid_file: Option<PathBuf>,
    /// Whether `/debug` endpoints answer.
    pub enable_debug: bool,

    /// Whether script checks may be registered from files and over HTTP.
    pub enable_script_checks: bool,
    /// Whether script checks may be registered from files only.
    pub enable_local_script_checks: bool,
    /// How long a change of a check's output alone may wait before it goes to the servers.
    pub check_update_interval: Duration,
    /// Longest output of a check that is kept, bytes.
    pub check_output_max_size: usize,
    /// Time in which half of a check's flapping is forgotten; zero for no damping.
    pub check_flap_half_life: Duration,
    /// Most nodes that gossip may turn critical within a minute, percent of those alive, at most 100; 0 for no limit.
    pub mass_failure_brake_percent: u8,
    /// Keep no output of checks at all.
    pub discard_check_output: bool,
    /// Service definitions from files, in the shape of `PUT /v1/agent/service/register`.
    pub services: Vec<Json>,
    /// Check definitions from files, in the shape of `PUT /v1/agent/check/register`.
    pub checks: Vec<Json>,
    /// Watches from files.
    pub watches: Vec<Json>,

    /// How fast the servers notice and decide.
    pub performance: Performance,
    /// Log entries between snapshots.
    pub raft_snapshot_threshold: u64,
    /// Time between looks at whether a snapshot is due.
    pub raft_snapshot_interval: Duration,
    /// Log entries kept behind a snapshot.
    pub raft_trailing_logs: u64,
    /// Encryption of gossip.
    pub gossip_encryption: GossipEncryption,
    /// Settings of autopilot for a new cluster; later the API changes them.
    pub autopilot: AutopilotConfig,
    /// Whether this server never votes.
    pub non_voting_server: bool,
    /// Timing of LAN gossip.
    pub gossip_lan: GossipTiming,
    /// Timing of WAN gossip.
    pub gossip_wan: GossipTiming,
    /// After this time a failed member is forgotten.
    pub reconnect_timeout: Duration,
    /// The same for the WAN pool.
    pub reconnect_timeout_wan: Duration,
    /// Limits on what clients may do.
    pub limits: Limits,
    /// Whether WAN addresses are answered to other datacenters.
    pub translate_wan_addrs: bool,
    /// How old the state may be that reads of the catalog and of health answer from by default; zero for state of the
    /// leader.
    pub discovery_max_stale: Duration,
    /// Whether a node id is random instead of made from the host's identity.
    pub disable_host_node_id: bool,
    /// Whether commands of `consul exec` are ignored.
    pub disable_remote_exec: bool,
    /// Whether the servers are told no network coordinates.
    pub disable_coordinates: bool,
    /// How long a blocking query waits that does not say.
    pub default_query_time: Duration,
    /// How long a blocking query may wait at most.
    pub max_query_time: Duration,
    /// Shortest TTL of a session.
    pub session_ttl_min: Duration,
    /// The service mesh.
    pub connect: Connect,
    /// Settings of the HTTP interface.
    pub http: Http,
    /// The web page.
    pub ui: Ui,
    /// Access control.
    pub acl: Acl,
}

/// Listening addresses of single interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// DNS; `client_addr` unless told otherwise.
    pub dns: Vec<IpAddr>,
    /// HTTP; `client_addr` unless told otherwise.
    pub http: Vec<IpAddr>,
    /// HTTPS; `client_addr` unless told otherwise.
    pub https: Vec<IpAddr>,
    /// Paths of unix sockets for HTTP.
    pub http_sockets: Vec<PathBuf>,
}

/// What unix sockets look like; empty for what the system gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixSockets {
    /// Number or name of the owner.
    pub user: String,
    /// Number or name of the group.
    pub group: String,
    /// Permissions.
    pub mode: Option<u32>,
}

/// Ports; `None` means that the interface is off (`-1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// DNS, UDP and TCP.
    pub dns: Option<u16>,
    /// HTTP.
    pub http: Option<u16>,
    /// HTTPS.
    pub https: Option<u16>,
    /// gRPC for proxies.
    pub grpc: Option<u16>,
    /// LAN gossip, UDP and TCP.
    pub serf_lan: u16,
    /// WAN gossip, UDP and TCP.
    pub serf_wan: Option<u16>,
    /// RPC between agents.
    pub server: u16,
    /// Ports that sidecars without a port get theirs from; `None` when they must give one.
    pub sidecars: Option<(u16, u16)>,
    /// First and last port on which proxies expose what checks ask.
    pub exposed: (u16, u16),
}

/// Levels of the log, quietest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What happens.
    Info,
    /// What may need attention.
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    /// The level as `tracing` and filters spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// How fast the servers notice and decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Performance {
    /// Factor on all Raft timings, 1 to 10.
    pub raft_multiplier: u32,
    /// How long a leaving server waits for others to take over.
    pub leave_drain_time: Duration,
    /// How long a request waits for a leader.
    pub rpc_hold_timeout: Duration,
}

/// Encryption of gossip.
#[derive(Clone, PartialEq, Eq)]
pub struct GossipEncryption {
    /// The first key; `None` without encryption, unless there is a keyring file.
    pub key: Option<Vec<u8>>,
    /// Refuse what is not encrypted.
    pub verify_incoming: bool,
    /// Encrypt what is sent.
    pub verify_outgoing: bool,
    /// Keep no keys in the data directory.
    pub disable_keyring_file: bool,
}

/// The key is a secret and is not shown.
impl std::fmt::Debug for GossipEncryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GossipEncryption")
            .field("key", &self.key.as_ref().map(|_| "hidden"))
            .field("verify_incoming", &self.verify_incoming)
            .field("verify_outgoing", &self.verify_outgoing)
            .field("disable_keyring_file", &self.disable_keyring_file)
            .finish()
    }
}

/// Timing of one gossip pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GossipTiming {
    /// Time between rounds of gossip.
    pub gossip_interval: Duration,
    /// Random members told in a round.
    pub gossip_nodes: u32,
    /// Time between probes.
    pub probe_interval: Duration,
    /// How long a probe waits for its answer.
    pub probe_timeout: Duration,
    /// Factor on the time that a suspect has to speak up.
    pub suspicion_mult: u32,
    /// Factor on how often a message is passed on.
    pub retransmit_mult: u32,
}

/// The service mesh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connect {
    /// Whether the servers keep a certificate authority.
    pub enabled: bool,
    /// Settings of a new authority, under the names of the API.
    pub ca_config: serde_json::Map<String, serde_json::Value>,
    /// Config entries that a leader writes where there are none of the name.
    pub bootstrap_entries: Vec<ConfigEntry>,
}

/// Limits on what clients may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// HTTP connections from one address.
    pub http_max_conns_per_client: u32,
    /// RPC connections from one address.
    pub rpc_max_conns_per_client: u32,
    /// Requests per second that a client agent sends to the servers; `None` means no limit.
    pub rpc_rate: Option<f64>,
    /// Requests that may go at once beyond the rate.
    pub rpc_max_burst: u32,
    /// Limits on what is asked of a server; `None` for none.
    pub requests: Option<RequestLimits>,
    /// Largest value of a key, bytes.
    pub kv_max_value_size: usize,
    /// Largest body of a transaction, bytes.
    pub txn_max_req_len: usize,
    /// Most operations of a transaction.
    pub txn_max_ops: usize,
    /// Most past versions that are kept of one key; 0 for none.
    pub kv_history_versions: u32,
    /// Most bytes of all past versions of keys.
    pub kv_history_max_bytes: u64,
}

/// How much is asked of one server, over all clients together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RequestLimits {
    /// Whether more is refused; otherwise the log only tells of it.
    pub enforce: bool,
    /// Reads per second; `None` for no limit.
    pub read_rate: Option<f64>,
    /// Writes per second; `None` for no limit.
    pub write_rate: Option<f64>,
}

/// Settings of the DNS answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Whether any server may answer.
    pub allow_stale: bool,
    /// Oldest state that may be answered from.
    pub max_stale: Duration,
    /// Whether answers come from the cache of the agent.
    pub use_cache: bool,
    /// Oldest kept answer that is taken when it cannot be followed; zero for any.
    pub cache_max_age: Duration,
    /// TTL of node answers.
    pub node_ttl: Duration,
    /// TTL of service answers by name; `prefix*` and `*` match several.
    pub service_ttl: BTreeMap<String, Duration>,
    /// Whether UDP answers that were cut say so (TC).
    pub enable_truncate: bool,
    /// Whether instances with warnings are left out.
    pub only_passing: bool,
    /// How long a recursor may take.
    pub recursor_timeout: Duration,
    /// Whether names in answers are written out in full.
    pub disable_compression: bool,
    /// Most records in a UDP answer to a plain client.
    pub udp_answer_limit: usize,
    /// Most A or AAAA records in any answer; 0 means no limit.
    pub a_record_limit: usize,
    /// Whether node metadata is added as TXT records.
    pub enable_additional_node_meta_txt: bool,
    /// Numbers of the SOA record.
    pub soa: Soa,
}

/// Numbers of the SOA record, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa {
    /// Refresh.
    pub refresh: u32,
    /// Retry.
    pub retry: u32,
    /// Expire.
    pub expire: u32,
    /// TTL of negative answers.
    pub min_ttl: u32,
}

/// Access control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Whether it is on.
    pub enabled: bool,
    /// Whether what no rule speaks of is allowed.
    pub default_allow: bool,
    /// What a client agent does when no server can be asked.
    pub down_policy: DownPolicy,
    /// How long a client agent keeps what a token may.
    pub token_ttl: Duration,
    /// Whether listing keys needs `list` on the prefix.
    pub key_list_policy: bool,
    /// Whether tokens set over HTTP are kept in the data directory.
    pub token_persistence: bool,
    /// Tokens of this agent.
    pub tokens: AclTokens,
}

/// What a client agent does about tokens when no server can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownPolicy {
    /// Allow everything.
    Allow,
    /// Deny everything.
    Deny,
    /// Go on with what was known, however old; deny what was not.
    ExtendCache,
    /// The same, and never wait for a server when anything is known.
    AsyncCache,
}

/// Tokens of an agent; empty where not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclTokens {
    /// Of requests that bring none.
    pub default: Token,
    /// Of what the agent does by itself.
    pub agent: Token,
    /// May use this agent when no server can be asked.
    pub agent_recovery: Token,
    /// Token of all rights that the leader makes.
    pub initial_management: Token,
    /// To copy from the primary datacenter with.
    pub replication: Token,
}

/// Settings of the web page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ui {
    /// Whether it is served.
    pub enabled: bool,
    /// A folder whose files are served instead of those in the program.
    pub dir: Option<PathBuf>,
    /// Path below which it lives; begins and ends with `/`.
    pub content_path: String,
    /// Templates of addresses of dashboards, by name.
    pub dashboards: TextMap,
}

/// Settings of the HTTP interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// Headers added to every answer.
    pub response_headers: TextMap,
    /// Whether `?cached` is answered from the cache of the agent.
    pub use_cache: bool,
    /// Path prefixes that are refused.
    pub block_endpoints: Vec<String>,
    /// Networks that may use writing endpoints of this agent, in CIDR form; empty means all.
    pub allow_write_http_from: Vec<String>,
}

impl Config {
    /// Addresses that HTTP listens on; empty when it is off.
    #[must_use]
    pub fn http_addrs(&self) -> Vec<SocketAddr> {
        with_port(&self.addresses.http, self.ports.http)
    }

    /// Addresses that HTTPS listens on; empty when it is off or there is no certificate to show.
    #[must_use]
    pub fn https_addrs(&self) -> Vec<SocketAddr> {
        let has_identity = self.tls.https.has_identity();
        with_port(&self.addresses.https, self.ports.https.filter(|_| has_identity))
    }

    /// Addresses that DNS listens on; empty when it is off.
    #[must_use]
    pub fn dns_addrs(&self) -> Vec<SocketAddr> {
        with_port(&self.addresses.dns, self.ports.dns)
    }
}

fn with_port(ips: &[IpAddr], port: Option<u16>) -> Vec<SocketAddr> {
    port.map(|port| ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect()).unwrap_or_default()
}

/// More about the log than its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// Longest log file, bytes; 0 for no limit.
    pub rotate_bytes: u64,
    /// Longest time that one log file is written to; zero for no limit.
    pub rotate_duration: Duration,
    /// Log files set aside that are kept: 0 keeps all, a negative number none.
    pub rotate_max_files: i64,
    /// The syslog facility, where the log goes to syslog as well.
    pub syslog_facility: Option<String>,
}

/// Metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// First part of every name.
    pub prefix: String,
    /// Leave the host name out of the names of gauges.
    pub disable_hostname: bool,
    /// How long a metric without news is shown to Prometheus; zero turns the format off.
    pub prometheus_retention_time: Duration,
    /// Whether metrics that no rule fits are recorded.
    pub filter_default: bool,
    /// Rules by prefix, with `+` or `-` in front.
    pub prefix_filter: Vec<String>,
    /// A statsd server.
    pub statsd_address: Option<String>,
    /// A statsite server.
    pub statsite_address: Option<String>,
    /// A DogStatsD server.
    pub dogstatsd_addr: Option<String>,
    /// Tags for DogStatsD.
    pub dogstatsd_tags: Vec<String>,
}
