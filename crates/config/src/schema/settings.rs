//! The rows of what Concord has.

use super::Kind::{Any, Bool, Definitions, Duration, DurationMap, Float, Int, Text, TextList, TextMap};
use super::{CHECK, SERVICE, Setting, Support, WATCH};

const fn row(key: &'static str, kind: super::Kind, default: &'static str, doc: &'static str) -> Setting {
    Setting::new(key, kind, default, doc)
}

const GRPC: &str = "the gRPC interface for proxies is not available yet; leave it at -1";

// What is declared and checked here, but that nothing reads yet. Whoever makes one work takes its mark away.
const WAN: &str = "other datacenters are not available yet; remove it";
const QUERY_TIME: &str = "the times of blocking queries cannot be changed yet; remove it";
const NODE_ID: &str = "node ids are always random; remove it";
const DEBUG: &str = "there are no /debug endpoints yet";
const SNAPSHOTS: &str = "snapshots are taken by the number of log entries alone";

/// The rows.
pub(super) static SETTINGS: &[Setting] = &[
    // Who this agent is.
    row("datacenter", Text, "\"dc1\"", "Datacenter of the agent.").flag("datacenter"),
    row("primary_datacenter", Text, "\"\"", "Datacenter that owns what is global; the own one by default."),
    row("node_name", Text, "\"\"", "Name of this node, unique in the cluster; the host name by default.").flag("node"),
    row("node_id", Text, "\"\"", "UUID of this node; by default the one kept in the data directory, or a new one.")
        .flag("node-id"),
    row("node_meta", TextMap, "{}", "Metadata of this node, as key:value.").flag("node-meta").reloadable(),
    row("data_dir", Text, "\"\"", "Directory that state is kept in.").flag("data-dir"),
    row("server", Bool, "false", "Run as a server.").flag("server"),
    row("bootstrap", Bool, "false", "Let this server elect itself at once, alone.").flag("bootstrap"),
    row("bootstrap_expect", Int, "0", "Number of servers to wait for before the first election.")
        .flag("bootstrap-expect"),
    row("disable_host_node_id", Bool, "true", "Use a random node id instead of one made from the host's identity.")
        .flag("disable-host-node-id")
        .support(Support::NotYet(NODE_ID)),
    // Where it listens and what it tells.
    row("bind_addr", Text, "\"0.0.0.0\"", "Address for the traffic between agents.").flag("bind"),
    row("advertise_addr", Text, "\"\"", "Address told to the other agents; the bind address by default.")
        .flag("advertise"),
    row("advertise_addr_wan", Text, "\"\"", "Address told to other datacenters; the advertised one by default.")
        .flag("advertise-wan"),
    row("client_addr", Text, "\"127.0.0.1\"", "Addresses for HTTP and DNS, separated by spaces.").flag("client"),
    row("addresses.dns", Text, "\"\"", "Addresses for DNS; client_addr by default."),
    row("addresses.http", Text, "\"\"", "Addresses for HTTP; client_addr by default."),
    row("ports.dns", Int, "8600", "Port of DNS; -1 turns it off.").flag("dns-port"),
    row("ports.http", Int, "8500", "Port of HTTP; -1 turns it off.").flag("http-port"),
    row("addresses.https", Text, "\"\"", "Addresses for HTTPS; client_addr by default."),
    row("ports.https", Int, "-1", "Port of HTTPS; -1 turns it off. It needs cert_file and key_file.")
        .flag("https-port"),
    row("unix_sockets.user", Text, "\"\"", "Owner of unix sockets, by number or name; the agent's user by default."),
    row("unix_sockets.group", Text, "\"\"", "Group of unix sockets, by number or name; the agent's by default."),
    row("unix_sockets.mode", Text, "\"\"", "Permissions of unix sockets, octal; what the umask leaves by default."),
    // TLS.
    row("enable_agent_tls_for_checks", Bool, "false", "Let checks trust ca_file and show cert_file."),
    row("limits.https_handshake_timeout", Duration, "\"5s\"", "Time in which a TLS handshake must be done."),
    row(
        "ports.sidecar_min_port",
        Int,
        "21000",
        "First port for sidecars that give none; 0 or less turns the choice off.",
    ),
    row("ports.sidecar_max_port", Int, "21255", "Last port for sidecars that give none."),
    row("ports.expose_min_port", Int, "21500", "First port on which proxies expose what checks ask."),
    row("ports.expose_max_port", Int, "21755", "Last port on which proxies expose what checks ask."),
    row("ports.grpc", Int, "-1", "Port of gRPC; -1 turns it off.").flag("grpc-port").support(Support::NotYet(GRPC)),
    row("ports.grpc_tls", Int, "-1", "Port of gRPC with TLS; -1 turns it off.")
        .flag("grpc-tls-port")
        .support(Support::NotYet(GRPC)),
    row("ports.serf_lan", Int, "8301", "Port of LAN gossip.").flag("serf-lan-port"),
    row("ports.serf_wan", Int, "8302", "Port of WAN gossip; -1 turns it off.").flag("serf-wan-port"),
    row("ports.server", Int, "8300", "Port of RPC between agents.").flag("server-port"),
    row("serf_lan", Text, "\"\"", "Address for LAN gossip; the bind address by default.").flag("serf-lan-bind"),
    row("serf_wan", Text, "\"\"", "Address for WAN gossip; the bind address by default.").flag("serf-wan-bind"),
    row("discovery_max_stale", Duration, "\"0s\"", "Let any server answer the catalog and health, at most this stale."),
    row("translate_wan_addrs", Bool, "false", "Answer WAN addresses to other datacenters.")
        .support(Support::NotYet(WAN)),
    // Joining and leaving.
    row("retry_join", TextList, "[]", "Address of an agent to join, tried until one answers.").flag("retry-join"),
    row("retry_join_wan", TextList, "[]", "The same for the WAN pool.").flag("retry-join-wan"),
    row("start_join", TextList, "[]", "Address of an agent to join once at the start.").flag("join"),
    row("start_join_wan", TextList, "[]", "The same for the WAN pool.").flag("join-wan"),
    row("retry_interval", Duration, "\"30s\"", "Time between tries to join.").flag("retry-interval"),
    row("retry_interval_wan", Duration, "\"30s\"", "The same for the WAN pool.").flag("retry-interval-wan"),
    row("retry_max", Int, "0", "Tries to join before giving up; 0 means never.").flag("retry-max"),
    row("retry_max_wan", Int, "0", "The same for the WAN pool.").flag("retry-max-wan"),
    row("rejoin_after_leave", Bool, "false", "Join again after a leave, with the peers remembered.").flag("rejoin"),
    row("leave_on_terminate", Bool, "null", "Leave the cluster on SIGTERM; by default clients do, servers do not."),
    row(
        "skip_leave_on_interrupt",
        Bool,
        "null",
        "Stop without leaving on SIGINT; by default servers do, clients do not.",
    ),
    // Log and process.
    row("log_level", Text, "\"INFO\"", "Lowest level logged: trace, debug, info, warn or err.")
        .flag("log-level")
        .reloadable(),
    row("log_json", Bool, "false", "Log one JSON object per line.").flag("log-json"),
    row("log_file", Text, "\"\"", "File that the log goes to as well.").flag("log-file"),
    row("audit.enabled", Bool, "false", "Write down every request to the HTTP API."),
    row("audit.sink", Any, "{}", "Where they are written down: one sink of type file, by name."),
    row("log_rotate_bytes", Int, "0", "Size in bytes at which the log file is set aside; 0 for no limit.")
        .flag("log-rotate-bytes"),
    row("log_rotate_duration", Duration, "\"24h\"", "Age at which the log file is set aside; 0s for no limit.")
        .flag("log-rotate-duration"),
    row("log_rotate_max_files", Int, "0", "Log files set aside that are kept; 0 keeps all, -1 none.")
        .flag("log-rotate-max-files"),
    row("enable_syslog", Bool, "false", "Send the log to the local syslog daemon as well.").flag("syslog"),
    row("syslog_facility", Text, "\"LOCAL0\"", "Facility of the messages to syslog."),
    // Telemetry.
    row("telemetry.metrics_prefix", Text, "\"consul\"", "First part of the name of every metric."),
    row("telemetry.disable_hostname", Bool, "false", "Leave the host name out of the names of gauges."),
    row(
        "telemetry.prometheus_retention_time",
        Duration,
        "\"0s\"",
        "How long a metric without news is shown to Prometheus; 0s turns the format off.",
    ),
    row("telemetry.filter_default", Bool, "true", "Whether metrics that no rule of prefix_filter fits are recorded.")
        .reloadable(),
    row(
        "telemetry.prefix_filter",
        TextList,
        "[]",
        "Rules by prefix: \"+consul.raft\" records, \"-consul.http\" does not.",
    )
    .reloadable(),
    row("telemetry.statsd_address", Text, "\"\"", "Address of a statsd server, UDP."),
    row("telemetry.statsite_address", Text, "\"\"", "Address of a statsite server, TCP."),
    row("telemetry.dogstatsd_addr", Text, "\"\"", "Address of a DogStatsD server, UDP."),
    row("telemetry.dogstatsd_tags", TextList, "[]", "Tags added to every metric sent to DogStatsD."),
    row("pid_file", Text, "\"\"", "File that the process id is written to.").flag("pid-file"),
    row("enable_debug", Bool, "false", "Answer on the /debug endpoints.").support(Support::NoEffect(DEBUG)),
    // DNS.
    row("domain", Text, "\"consul.\"", "Domain of the DNS interface.").flag("domain"),
    row("alt_domain", Text, "\"\"", "Second domain of the DNS interface.").flag("alt-domain"),
    row("recursors", TextList, "[]", "Upstream DNS server.").flag("recursor"),
    row("dns_config.allow_stale", Bool, "true", "Let any server answer DNS.").reloadable(),
    row("dns_config.max_stale", Duration, "\"87600h\"", "Oldest state that DNS answers from.").reloadable(),
    row("dns_config.use_cache", Bool, "false", "Answer DNS from the cache of the agent.").reloadable(),
    row("dns_config.cache_max_age", Duration, "\"0s\"", "Oldest kept answer that DNS takes; 0 means any.").reloadable(),
    row("dns_config.node_ttl", Duration, "\"0s\"", "TTL of node answers.").reloadable(),
    row("dns_config.service_ttl", DurationMap, "{}", "TTL of service answers by name; name* and * match several.")
        .reloadable(),
    row("dns_config.enable_truncate", Bool, "false", "Set TC on UDP answers that were cut.").reloadable(),
    row("dns_config.only_passing", Bool, "false", "Leave instances with warnings out.").reloadable(),
    row("dns_config.recursor_timeout", Duration, "\"2s\"", "How long a recursor may take.").reloadable(),
    row("dns_config.disable_compression", Bool, "false", "Write the names in answers in full.").reloadable(),
    row("dns_config.udp_answer_limit", Int, "3", "Most records in a UDP answer to a plain client.").reloadable(),
    row("dns_config.a_record_limit", Int, "0", "Most address records in an answer; 0 means no limit.").reloadable(),
    row("dns_config.enable_additional_node_meta_txt", Bool, "true", "Add node metadata as TXT records.").reloadable(),
    row("dns_config.soa.refresh", Int, "3600", "Refresh of the SOA record, seconds.").reloadable(),
    row("dns_config.soa.retry", Int, "600", "Retry of the SOA record, seconds.").reloadable(),
    row("dns_config.soa.expire", Int, "86400", "Expire of the SOA record, seconds.").reloadable(),
    row("dns_config.soa.min_ttl", Int, "0", "TTL of negative answers, seconds.").reloadable(),
    // Services and checks.
    row("services", Definitions(&SERVICE), "[]", "Services on this node.").alias("service").reloadable(),
    row("watches", Definitions(&WATCH), "[]", "Views of the cluster to follow, and what to run when they change.")
        .reloadable(),
    row("checks", Definitions(&CHECK), "[]", "Checks on this node.").alias("check").reloadable(),
    row("enable_script_checks", Bool, "false", "Allow script checks, from files and over HTTP.")
        .flag("enable-script-checks"),
    row("enable_local_script_checks", Bool, "false", "Allow script checks from files.")
        .flag("enable-local-script-checks"),
    row("check_update_interval", Duration, "\"5m\"", "How long a change of output alone may wait."),
    row("check_output_max_size", Int, "4096", "Longest output of a check that is kept, bytes.")
        .flag("check_output_max_size"),
    row(
        "check_flap_half_life",
        Duration,
        "\"0s\"",
        "Time in which half of a check's flapping is forgotten; 0s for no damping.",
    ),
    row(
        "mass_failure_brake_percent",
        Int,
        "0",
        "Most nodes that gossip may turn critical within a minute, percent of those alive; 0 for no limit.",
    ),
    row("discard_check_output", Bool, "false", "Keep no output of checks.").reloadable(),
    // Servers.
    row("performance.raft_multiplier", Int, "1", "Factor on all Raft timings, 1 to 10. Consul's default is 5."),
    row("performance.leave_drain_time", Duration, "\"5s\"", "How long a leaving server waits for others to take over."),
    row("performance.rpc_hold_timeout", Duration, "\"7s\"", "How long a request waits for a leader."),
    row("raft_snapshot_threshold", Int, "16384", "Log entries between snapshots."),
    row("raft_snapshot_interval", Duration, "\"5s\"", "Time between looks at whether a snapshot is due.")
        .support(Support::NoEffect(SNAPSHOTS)),
    row("raft_trailing_logs", Int, "10240", "Log entries kept behind a snapshot."),
    row("connect.enabled", Bool, "false", "Keep the certificate authority of the mesh, on servers."),
    row("connect.ca_provider", Text, "\"\"", "Who keeps it: consul, the servers themselves."),
    row("connect.ca_config", Any, "{}", "Settings of a new authority; later ones are set over the API."),
    row("config_entries.bootstrap", Any, "[]", "Config entries that a leader writes where there are none of the name."),
    row("session_ttl_min", Duration, "\"10s\"", "Shortest TTL of a session."),
    row("autopilot.cleanup_dead_servers", Bool, "true", "Take failed servers out of the Raft configuration."),
    row("autopilot.last_contact_threshold", Duration, "\"200ms\"", "Silence after which a server is not healthy."),
    row("autopilot.max_trailing_logs", Int, "250", "Log entries that a healthy server may lack."),
    row("autopilot.min_quorum", Int, "0", "Voters that are left at least."),
    row("autopilot.redundancy_zone_tag", Text, "\"\"", "Node metadata that names a server's zone; one of each votes."),
    row(
        "autopilot.server_stabilization_time",
        Duration,
        "\"10s\"",
        "Time that a new server must be healthy before it votes.",
    ),
    row("non_voting_server", Bool, "false", "Never let this server vote.")
        .alias("read_replica")
        .flag("non-voting-server"),
    // Gossip.
    row("encrypt", Text, "\"\"", "Key that gossip is encrypted with: 16, 24 or 32 bytes in base64.").flag("encrypt"),
    row("encrypt_verify_incoming", Bool, "true", "Refuse gossip that is not encrypted, once there is a key."),
    row("encrypt_verify_outgoing", Bool, "true", "Encrypt the gossip that is sent, once there is a key."),
    row("disable_keyring_file", Bool, "false", "Keep no gossip keys in the data directory.")
        .flag("disable-keyring-file"),
    row("gossip_lan.gossip_interval", Duration, "\"200ms\"", "Time between rounds of gossip."),
    row("gossip_lan.gossip_nodes", Int, "3", "Random members told in a round."),
    row("gossip_lan.probe_interval", Duration, "\"1s\"", "Time between probes."),
    row("gossip_lan.probe_timeout", Duration, "\"500ms\"", "How long a probe waits for its answer."),
    row("gossip_lan.suspicion_mult", Int, "4", "Factor on the time that a suspect has to speak up."),
    row("gossip_lan.retransmit_mult", Int, "4", "Factor on how often a message is passed on."),
    row("gossip_wan.gossip_interval", Duration, "\"500ms\"", "Time between rounds of gossip."),
    row("gossip_wan.gossip_nodes", Int, "3", "Random members told in a round."),
    row("gossip_wan.probe_interval", Duration, "\"5s\"", "Time between probes."),
    row("gossip_wan.probe_timeout", Duration, "\"3s\"", "How long a probe waits for its answer."),
    row("gossip_wan.suspicion_mult", Int, "6", "Factor on the time that a suspect has to speak up."),
    row("gossip_wan.retransmit_mult", Int, "4", "Factor on how often a message is passed on."),
    row("reconnect_timeout", Duration, "\"72h\"", "After this time a failed member is forgotten; at least 8h."),
    row("reconnect_timeout_wan", Duration, "\"72h\"", "The same for the WAN pool."),
    row("disable_remote_exec", Bool, "true", "Ignore `consul exec`, which runs commands of others on this host."),
    row("disable_coordinates", Bool, "false", "Tell the servers no network coordinates."),
    // Web page.
    row("ui_config.enabled", Bool, "false", "Serve the web page.").alias("ui").flag("ui"),
    row("ui_config.dir", Text, "\"\"", "A folder whose files are served instead of the page in the program.")
        .alias("ui_dir")
        .flag("ui-dir"),
    row("ui_config.content_path", Text, "\"/ui/\"", "Path below which the web page lives.")
        .alias("ui_content_path")
        .flag("ui-content-path"),
    row(
        "ui_config.dashboard_url_templates",
        TextMap,
        "{}",
        "Addresses of dashboards by name, as `service`; {{Service.Name}} and {{Datacenter}} are filled in.",
    ),
    // Access control.
    row("acl.enabled", Bool, "false", "Ask for a token, and allow what its policies say."),
    row("acl.default_policy", Text, "\"allow\"", "What holds where no rule speaks: allow or deny.")
        .alias("acl_default_policy"),
    row(
        "acl.down_policy",
        Text,
        "\"extend-cache\"",
        "What a client agent does when no server can be asked: allow, deny, extend-cache or async-cache.",
    )
    .alias("acl_down_policy"),
    row("acl.token_ttl", Duration, "\"30s\"", "How long a client agent keeps what a token may.").alias("acl_ttl"),
    row("acl.policy_ttl", Duration, "\"30s\"", "Kept with the token; see acl.token_ttl.").support(Support::Moot),
    row("acl.role_ttl", Duration, "\"30s\"", "Kept with the token; see acl.token_ttl.").support(Support::Moot),
    row("acl.enable_token_replication", Bool, "false", "Copy tokens from the primary datacenter.")
        .alias("enable_acl_replication")
        .support(Support::NoEffect(WAN)),
    row("acl.enable_key_list_policy", Bool, "false", "Ask for the right to list keys under a prefix."),
    row("acl.enable_token_persistence", Bool, "false", "Keep tokens set over HTTP in the data directory."),
    row("acl.tokens.default", Text, "\"\"", "Token of requests that bring none.").alias("acl_token").reloadable(),
    row("acl.tokens.agent", Text, "\"\"", "Token of what the agent does by itself; the default one if not set.")
        .alias("acl_agent_token")
        .reloadable(),
    row("acl.tokens.agent_master", Text, "\"\"", "Token that may use this agent when no server can be asked.")
        .alias("acl_agent_master_token")
        .reloadable(),
    row("acl.tokens.agent_recovery", Text, "\"\"", "The same as acl.tokens.agent_master.").reloadable(),
    row("acl.tokens.master", Text, "\"\"", "Token of all rights that the leader makes.").alias("acl_master_token"),
    row("acl.tokens.initial_management", Text, "\"\"", "The same as acl.tokens.master."),
    row("acl.tokens.replication", Text, "\"\"", "Token to copy from the primary datacenter with.")
        .alias("acl_replication_token")
        .reloadable(),
    // Clients.
    row("default_query_time", Duration, "\"300s\"", "How long a blocking query waits that does not say.")
        .flag("default-query-time")
        .support(Support::NotYet(QUERY_TIME)),
    row("max_query_time", Duration, "\"600s\"", "How long a blocking query may wait.")
        .flag("max-query-time")
        .support(Support::NotYet(QUERY_TIME)),
    row("limits.http_max_conns_per_client", Int, "200", "HTTP connections from one address.").reloadable(),
    row("limits.rpc_max_conns_per_client", Int, "100", "RPC connections from one address."),
    row("limits.rpc_rate", Float, "-1", "Requests per second sent to the servers; -1 means no limit.").reloadable(),
    row("limits.rpc_max_burst", Int, "1000", "Requests that may go at once beyond the rate.").reloadable(),
    row("limits.rpc_handshake_timeout", Duration, "\"5s\"", "Time in which an RPC connection must say what it is."),
    row(
        "limits.request_limits.mode",
        Text,
        "\"disabled\"",
        "Limits on what is asked of this server: disabled, permissive (only said in the log) or enforcing.",
    )
    .reloadable(),
    row(
        "limits.request_limits.read_rate",
        Float,
        "-1",
        "Reads per second that this server answers; -1 means no limit.",
    )
    .reloadable(),
    row(
        "limits.request_limits.write_rate",
        Float,
        "-1",
        "Writes per second that this server takes; -1 means no limit.",
    )
    .reloadable(),
    row("limits.kv_max_value_size", Int, "524288", "Largest value of a key, bytes."),
    row("limits.txn_max_req_len", Int, "null", "Largest body of a transaction, bytes; kv_max_value_size by default."),
    row("limits.txn_max_ops", Int, "8192", "Most operations of a transaction."),
    row("limits.kv_history_versions", Int, "0", "Most past versions that are kept of one key; 0 for none."),
    row("limits.kv_history_max_bytes", Int, "67108864", "Most bytes of all past versions of keys."),
    row("http_config.use_cache", Bool, "true", "Answer ?cached from the cache of the agent."),
    row("http_config.response_headers", TextMap, "{}", "Headers added to every answer."),
    row("http_config.block_endpoints", TextList, "[]", "Path prefix that is refused."),
    row(
        "http_config.allow_write_http_from",
        TextList,
        "[]",
        "Network that may use the writing endpoints, in CIDR form.",
    )
    .flag("allow-write-http-from"),
];
