//! Where each name of the configuration in force comes from.

use serde_json::{Map, Value, json};

use super::{HIDDEN, definitions, is_secret, port, suites, url, urls};
use crate::config::Config;
use crate::load::Settings;

/// Where a value comes from.
pub(super) enum From {
    /// A setting.
    Key(&'static str),
    /// A setting, which is shown as zero while it has its default.
    UnlessDefault(&'static str),
    /// A secret.
    Hidden,
    /// What cannot be set here, as JSON.
    Fixed(&'static str),
    /// The validated configuration.
    Of(fn(&Config) -> Value),
    /// The configuration and the settings.
    With(fn(&Config, &Settings) -> Value),
}

use From::{Fixed, Hidden, Key, Of, UnlessDefault, With};

/// The rows; a dot in a name leads into a group.
pub(super) static ROWS: &[(&str, From)] = &[
    ("ACLAgentMasterToken", Hidden),
    ("ACLAgentToken", Hidden),
    ("ACLDatacenter", Of(|c| c.primary_datacenter.as_str().into())),
    ("ACLDefaultPolicy", Key("acl.default_policy")),
    ("ACLDisabledTTL", Fixed(r#""2m0s""#)),
    ("ACLDownPolicy", Key("acl.down_policy")),
    ("ACLEnableKeyListPolicy", Key("acl.enable_key_list_policy")),
    ("ACLEnableTokenPersistence", Key("acl.enable_token_persistence")),
    ("ACLMasterToken", Hidden),
    ("ACLPolicyTTL", Key("acl.policy_ttl")),
    ("ACLReplicationToken", Hidden),
    ("ACLRoleTTL", UnlessDefault("acl.role_ttl")),
    ("ACLToken", Hidden),
    ("ACLTokenReplication", Key("acl.enable_token_replication")),
    ("ACLTokenTTL", Key("acl.token_ttl")),
    ("ACLsEnabled", Key("acl.enabled")),
    ("AEInterval", Fixed(r#""1m0s""#)),
    ("AdvertiseAddrLAN", Of(|c| json!(c.advertise_addr))),
    ("AdvertiseAddrWAN", Of(|c| json!(c.advertise_addr_wan))),
    ("AllowWriteHTTPFrom", Key("http_config.allow_write_http_from")),
    (
        "AutoConfig.Authorizer",
        Fixed(
            r#"{"AllowReuse":false,"AuthMethod":{"ACLAuthMethodEnterpriseFields":{},"Config":{"BoundAudiences":null,"BoundIssuer":"","ClaimMappings":null,"ClockSkewLeeway":0,"ExpirationLeeway":0,"JWKSCACert":"","JWKSURL":"","JWTSupportedAlgs":null,"JWTValidationPubKeys":null,"ListClaimMappings":null,"NotBeforeLeeway":0,"OIDCDiscoveryCACert":"","OIDCDiscoveryURL":""},"Description":"","DisplayName":"","EnterpriseMeta":{},"MaxTokenTTL":"0s","Name":"Auto Config Authorizer","RaftIndex":{"CreateIndex":0,"ModifyIndex":0},"TokenLocality":"","Type":"jwt"},"ClaimAssertions":[],"Enabled":false}"#,
        ),
    ),
    ("AutoConfig.DNSSANs", Fixed("[]")),
    ("AutoConfig.Enabled", Fixed("false")),
    ("AutoConfig.IPSANs", Fixed("[]")),
    ("AutoConfig.IntroToken", Hidden),
    ("AutoConfig.IntroTokenFile", Fixed(r#""""#)),
    ("AutoConfig.ServerAddresses", Fixed("[]")),
    ("AutoEncryptAllowTLS", Key("auto_encrypt.allow_tls")),
    ("AutoEncryptDNSSAN", Key("auto_encrypt.dns_san")),
    ("AutoEncryptIPSAN", Key("auto_encrypt.ip_san")),
    ("AutoEncryptTLS", Key("auto_encrypt.tls")),
    ("AutopilotCleanupDeadServers", Key("autopilot.cleanup_dead_servers")),
    ("AutopilotDisableUpgradeMigration", Key("autopilot.disable_upgrade_migration")),
    ("AutopilotLastContactThreshold", Key("autopilot.last_contact_threshold")),
    ("AutopilotMaxTrailingLogs", Key("autopilot.max_trailing_logs")),
    ("AutopilotMinQuorum", Key("autopilot.min_quorum")),
    ("AutopilotRedundancyZoneTag", Key("autopilot.redundancy_zone_tag")),
    ("AutopilotServerStabilizationTime", Key("autopilot.server_stabilization_time")),
    ("AutopilotUpgradeVersionTag", Key("autopilot.upgrade_version_tag")),
    ("BindAddr", Of(|c| json!(c.bind_addr))),
    ("Bootstrap", Of(|c| (c.bootstrap_expect == 1 || c.bootstrap && !c.dev_mode).into())),
    ("BootstrapExpect", Of(|c| if c.bootstrap_expect == 1 { 0 } else { c.bootstrap_expect }.into())),
    ("CAFile", Key("ca_file")),
    ("CAPath", Key("ca_path")),
    ("Cache", With(cache)),
    ("CertFile", Key("cert_file")),
    ("CheckDeregisterIntervalMin", Fixed(r#""1m0s""#)),
    ("CheckOutputMaxSize", Key("check_output_max_size")),
    ("CheckReapInterval", Fixed(r#""30s""#)),
    ("CheckUpdateInterval", Key("check_update_interval")),
    ("Checks", Of(definitions::checks)),
    ("ClientAddrs", Of(|c| json!(c.client_addrs))),
    ("ConfigEntryBootstrap", With(config_entries)),
    ("ConnectCAConfig", With(ca_config)),
    ("ConnectCAProvider", Key("connect.ca_provider")),
    ("ConnectEnabled", Key("connect.enabled")),
    ("ConnectMeshGatewayWANFederationEnabled", Key("connect.enable_mesh_gateway_wan_federation")),
    ("ConnectSidecarMaxPort", Key("ports.sidecar_max_port")),
    ("ConnectSidecarMinPort", Key("ports.sidecar_min_port")),
    ("ConnectTestCALeafRootChangeSpread", Fixed(r#""0s""#)),
    ("ConsulCoordinateUpdateBatchSize", Fixed("128")),
    ("ConsulCoordinateUpdateMaxBatches", Fixed("5")),
    ("ConsulCoordinateUpdatePeriod", Of(|c| if c.dev_mode { "100ms" } else { "5s" }.into())),
    ("ConsulServerHealthInterval", Of(|c| if c.dev_mode { "10ms" } else { "2s" }.into())),
    ("DNSARecordLimit", Key("dns_config.a_record_limit")),
    ("DNSAddrs", Of(dns_addrs)),
    ("DNSAllowStale", Key("dns_config.allow_stale")),
    ("DNSAltDomain", Key("alt_domain")),
    ("DNSCacheMaxAge", Key("dns_config.cache_max_age")),
    ("DNSDisableCompression", Key("dns_config.disable_compression")),
    ("DNSDomain", Key("domain")),
    ("DNSEnableTruncate", Key("dns_config.enable_truncate")),
    ("DNSMaxStale", Key("dns_config.max_stale")),
    ("DNSNodeMetaTXT", Key("dns_config.enable_additional_node_meta_txt")),
    ("DNSNodeTTL", Key("dns_config.node_ttl")),
    ("DNSOnlyPassing", Key("dns_config.only_passing")),
    ("DNSPort", Of(|c| port(c.ports.dns))),
    ("DNSRecursorTimeout", Key("dns_config.recursor_timeout")),
    ("DNSRecursors", Key("recursors")),
    ("DNSSOA.Expire", Key("dns_config.soa.expire")),
    ("DNSSOA.Minttl", Key("dns_config.soa.min_ttl")),
    ("DNSSOA.Refresh", Key("dns_config.soa.refresh")),
    ("DNSSOA.Retry", Key("dns_config.soa.retry")),
    ("DNSServiceTTL", Key("dns_config.service_ttl")),
    ("DNSUDPAnswerLimit", Key("dns_config.udp_answer_limit")),
    ("DNSUseCache", Key("dns_config.use_cache")),
    ("DataDir", Of(|c| c.data_dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default().into())),
    ("Datacenter", Of(|c| c.datacenter.as_str().into())),
    ("DefaultQueryTime", Key("default_query_time")),
    ("DevMode", Of(|c| c.dev_mode.into())),
    ("DisableAnonymousSignature", Key("disable_anonymous_signature")),
    ("DisableCoordinates", Key("disable_coordinates")),
    ("DisableHTTPUnprintableCharFilter", Key("disable_http_unprintable_char_filter")),
    ("DisableHostNodeID", Key("disable_host_node_id")),
    ("DisableKeyringFile", Key("disable_keyring_file")),
    ("DisableRemoteExec", Key("disable_remote_exec")),
    ("DisableUpdateCheck", Key("disable_update_check")),
    ("DiscardCheckOutput", Key("discard_check_output")),
    ("DiscoveryMaxStale", Key("discovery_max_stale")),
    ("EnableAgentTLSForChecks", Key("enable_agent_tls_for_checks")),
    ("EnableCentralServiceConfig", Key("enable_central_service_config")),
    ("EnableDebug", Key("enable_debug")),
    ("EnableLocalScriptChecks", Of(|c| (c.enable_script_checks || c.enable_local_script_checks).into())),
    ("EnableRemoteScriptChecks", Key("enable_script_checks")),
    ("EnableUI", Key("ui_config.enabled")),
    ("EncryptKey", Hidden),
    ("EncryptVerifyIncoming", Key("encrypt_verify_incoming")),
    ("EncryptVerifyOutgoing", Key("encrypt_verify_outgoing")),
    ("EnterpriseRuntimeConfig", Fixed("{}")),
    ("ExposeMaxPort", Key("ports.expose_max_port")),
    ("ExposeMinPort", Key("ports.expose_min_port")),
    ("GRPCAddrs", Of(|c| urls("tcp", &c.client_addrs, c.ports.grpc).into())),
    ("GRPCPort", Of(|c| port(c.ports.grpc))),
    ("GossipLANGossipInterval", Key("gossip_lan.gossip_interval")),
    ("GossipLANGossipNodes", Key("gossip_lan.gossip_nodes")),
    ("GossipLANProbeInterval", Key("gossip_lan.probe_interval")),
    ("GossipLANProbeTimeout", Key("gossip_lan.probe_timeout")),
    ("GossipLANRetransmitMult", Key("gossip_lan.retransmit_mult")),
    ("GossipLANSuspicionMult", Key("gossip_lan.suspicion_mult")),
    ("GossipWANGossipInterval", Key("gossip_wan.gossip_interval")),
    ("GossipWANGossipNodes", Key("gossip_wan.gossip_nodes")),
    ("GossipWANProbeInterval", Key("gossip_wan.probe_interval")),
    ("GossipWANProbeTimeout", Key("gossip_wan.probe_timeout")),
    ("GossipWANRetransmitMult", Key("gossip_wan.retransmit_mult")),
    ("GossipWANSuspicionMult", Key("gossip_wan.suspicion_mult")),
    ("HTTPAddrs", Of(http_addrs)),
    ("HTTPBlockEndpoints", Key("http_config.block_endpoints")),
    ("HTTPMaxConnsPerClient", Key("limits.http_max_conns_per_client")),
    ("HTTPPort", Of(|c| port(c.ports.http))),
    ("HTTPResponseHeaders", Key("http_config.response_headers")),
    ("HTTPSAddrs", Of(|c| urls("tcp", &c.addresses.https, c.ports.https).into())),
    ("HTTPSHandshakeTimeout", Key("limits.https_handshake_timeout")),
    ("HTTPSPort", Of(|c| port(c.ports.https))),
    ("HTTPUseCache", Key("http_config.use_cache")),
    ("KVMaxValueSize", Key("limits.kv_max_value_size")),
    ("KeyFile", Hidden),
    ("LeaveDrainTime", Key("performance.leave_drain_time")),
    ("LeaveOnTerm", Of(|c| c.leave_on_terminate.into())),
    ("Logging.EnableSyslog", Key("enable_syslog")),
    ("Logging.LogFilePath", Key("log_file")),
    ("Logging.LogJSON", Key("log_json")),
    ("Logging.LogLevel", Key("log_level")),
    ("Logging.LogRotateBytes", Key("log_rotate_bytes")),
    ("Logging.LogRotateDuration", UnlessDefault("log_rotate_duration")),
    ("Logging.LogRotateMaxFiles", Key("log_rotate_max_files")),
    ("Logging.Name", Fixed(r#""""#)),
    ("Logging.SyslogFacility", Key("syslog_facility")),
    ("MaxQueryTime", Key("max_query_time")),
    ("NodeMeta", Key("node_meta")),
    ("NodeName", Of(|c| c.node_name.as_str().into())),
    ("NonVotingServer", Key("non_voting_server")),
    ("PidFile", Key("pid_file")),
    ("PrimaryDatacenter", Of(|c| c.primary_datacenter.as_str().into())),
    ("PrimaryGateways", Key("primary_gateways")),
    ("PrimaryGatewaysInterval", Key("primary_gateways_interval")),
    ("RPCAdvertiseAddr", Of(|c| url(c.advertise_addr, Some(c.ports.server)))),
    ("RPCBindAddr", Of(|c| url(c.bind_addr, Some(c.ports.server)))),
    ("RPCHandshakeTimeout", Key("limits.rpc_handshake_timeout")),
    ("RPCHoldTimeout", Key("performance.rpc_hold_timeout")),
    ("RPCMaxBurst", Key("limits.rpc_max_burst")),
    ("RPCMaxConnsPerClient", Key("limits.rpc_max_conns_per_client")),
    ("RPCProtocol", Key("protocol")),
    ("RPCRateLimit", Key("limits.rpc_rate")),
    ("RaftProtocol", Key("raft_protocol")),
    ("RaftSnapshotInterval", UnlessDefault("raft_snapshot_interval")),
    ("RaftSnapshotThreshold", UnlessDefault("raft_snapshot_threshold")),
    ("RaftTrailingLogs", UnlessDefault("raft_trailing_logs")),
    ("ReconnectTimeoutLAN", UnlessDefault("reconnect_timeout")),
    ("ReconnectTimeoutWAN", UnlessDefault("reconnect_timeout_wan")),
    ("RejoinAfterLeave", Key("rejoin_after_leave")),
    ("RetryJoinIntervalLAN", Key("retry_interval")),
    ("RetryJoinIntervalWAN", Key("retry_interval_wan")),
    ("RetryJoinLAN", Key("retry_join")),
    ("RetryJoinMaxAttemptsLAN", Key("retry_max")),
    ("RetryJoinMaxAttemptsWAN", Key("retry_max_wan")),
    ("RetryJoinWAN", Key("retry_join_wan")),
    ("SegmentLimit", Fixed("64")),
    ("SegmentName", Key("segment")),
    ("SegmentNameLimit", Fixed("64")),
    ("Segments", Fixed("[]")),
    ("SerfAdvertiseAddrLAN", Of(|c| url(c.advertise_addr, Some(c.ports.serf_lan)))),
    ("SerfAdvertiseAddrWAN", Of(|c| url(c.advertise_addr_wan, c.ports.serf_wan))),
    ("SerfAllowedCIDRsLAN", Key("serf_lan_allowed_cidrs")),
    ("SerfAllowedCIDRsWAN", Key("serf_wan_allowed_cidrs")),
    ("SerfBindAddrLAN", Of(|c| url(c.serf_lan_bind, Some(c.ports.serf_lan)))),
    ("SerfBindAddrWAN", Of(|c| url(c.serf_wan_bind, c.ports.serf_wan))),
    ("SerfPortLAN", Of(|c| c.ports.serf_lan.into())),
    ("SerfPortWAN", Of(|c| port(c.ports.serf_wan))),
    ("ServerMode", Key("server")),
    ("ServerName", Key("server_name")),
    ("ServerPort", Of(|c| c.ports.server.into())),
    ("Services", Of(definitions::services)),
    ("SessionTTLMin", UnlessDefault("session_ttl_min")),
    ("SkipLeaveOnInt", Of(|c| c.skip_leave_on_interrupt.into())),
    ("StartJoinAddrsLAN", Key("start_join")),
    ("StartJoinAddrsWAN", Key("start_join_wan")),
    ("SyncCoordinateIntervalMin", Fixed(r#""15s""#)),
    ("SyncCoordinateRateTarget", Fixed("64")),
    ("TLSCipherSuites", Of(suites)),
    ("TLSMinVersion", Key("tls_min_version")),
    ("TLSPreferServerCipherSuites", Key("tls_prefer_server_cipher_suites")),
    ("TaggedAddresses", Of(tagged_addresses)),
    ("Telemetry.AllowedPrefixes", Of(|c| prefixes(c, '+'))),
    ("Telemetry.BlockedPrefixes", Of(|c| prefixes(c, '-'))),
    ("Telemetry.CirconusAPIApp", Key("telemetry.circonus_api_app")),
    ("Telemetry.CirconusAPIToken", Hidden),
    ("Telemetry.CirconusAPIURL", Key("telemetry.circonus_api_url")),
    ("Telemetry.CirconusBrokerID", Key("telemetry.circonus_broker_id")),
    ("Telemetry.CirconusBrokerSelectTag", Key("telemetry.circonus_broker_select_tag")),
    ("Telemetry.CirconusCheckDisplayName", Key("telemetry.circonus_check_display_name")),
    ("Telemetry.CirconusCheckForceMetricActivation", Key("telemetry.circonus_check_force_metric_activation")),
    ("Telemetry.CirconusCheckID", Key("telemetry.circonus_check_id")),
    ("Telemetry.CirconusCheckInstanceID", Key("telemetry.circonus_check_instance_id")),
    ("Telemetry.CirconusCheckSearchTag", Key("telemetry.circonus_check_search_tag")),
    ("Telemetry.CirconusCheckTags", Key("telemetry.circonus_check_tags")),
    ("Telemetry.CirconusSubmissionInterval", Key("telemetry.circonus_submission_interval")),
    ("Telemetry.CirconusSubmissionURL", Key("telemetry.circonus_submission_url")),
    ("Telemetry.Disable", Fixed("false")),
    ("Telemetry.DisableHostname", Key("telemetry.disable_hostname")),
    ("Telemetry.DogstatsdAddr", Key("telemetry.dogstatsd_addr")),
    ("Telemetry.DogstatsdTags", Key("telemetry.dogstatsd_tags")),
    ("Telemetry.FilterDefault", Key("telemetry.filter_default")),
    ("Telemetry.MetricsPrefix", Key("telemetry.metrics_prefix")),
    ("Telemetry.PrometheusRetentionTime", Key("telemetry.prometheus_retention_time")),
    ("Telemetry.StatsdAddr", Key("telemetry.statsd_address")),
    ("Telemetry.StatsiteAddr", Key("telemetry.statsite_address")),
    ("TranslateWANAddrs", Key("translate_wan_addrs")),
    ("TxnMaxReqLen", Of(|c| c.limits.txn_max_req_len.into())),
    ("UIContentPath", Key("ui_config.content_path")),
    ("UIDir", Key("ui_config.dir")),
    ("UnixSocketGroup", Key("unix_sockets.group")),
    ("UnixSocketMode", Key("unix_sockets.mode")),
    ("UnixSocketUser", Key("unix_sockets.user")),
    ("VerifyIncoming", Key("verify_incoming")),
    ("VerifyIncomingHTTPS", Key("verify_incoming_https")),
    ("VerifyIncomingRPC", Key("verify_incoming_rpc")),
    ("VerifyOutgoing", Of(|c| c.tls.internal_rpc.verify_outgoing.into())),
    ("VerifyServerHostname", Of(|c| c.tls.verify_server_hostname.into())),
    ("Watches", Of(|c| c.watches.iter().map(|_| json!({})).collect())),
];

fn dns_addrs(config: &Config) -> Value {
    let of = |scheme| urls(scheme, &config.addresses.dns, config.ports.dns);
    of("tcp").into_iter().chain(of("udp")).collect()
}

fn http_addrs(config: &Config) -> Value {
    let sockets = config.addresses.http_sockets.iter().filter(|_| config.ports.http.is_some());
    let sockets = sockets.map(|path| format!("unix://{}", path.display()).into());
    urls("tcp", &config.addresses.http, config.ports.http).into_iter().chain(sockets).collect()
}

fn suites(config: &Config) -> Value {
    config.tls.https.cipher_suites.iter().filter_map(|name| suites::number(name)).collect()
}

fn tagged_addresses(config: &Config) -> Value {
    let mut tagged = Map::new();
    for (name, ip) in [("lan", config.advertise_addr), ("wan", config.advertise_addr_wan)] {
        let family = if ip.is_ipv4() { "ipv4" } else { "ipv6" };
        tagged.insert(name.to_owned(), json!(ip));
        tagged.insert(format!("{name}_{family}"), json!(ip));
    }
    Value::Object(tagged)
}

fn prefixes(config: &Config, sign: char) -> Value {
    config.telemetry.prefix_filter.iter().filter_map(|rule| rule.strip_prefix(sign)).collect()
}

/// The blocks of an HCL value are lists of one.
fn object(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.clone(),
        Value::Array(items) => items.first().map(object).unwrap_or_default(),
        _ => Map::new(),
    }
}

fn config_entries(_: &Config, settings: &Settings) -> Value {
    let entries = object(settings.get("config_entries"));
    entries.get("bootstrap").cloned().unwrap_or_else(|| json!([]))
}

fn ca_config(_: &Config, settings: &Settings) -> Value {
    let shown = object(settings.get("connect.ca_config")).into_iter().map(|(key, value)| {
        let value = if is_secret(&key) && value.is_string() { HIDDEN.into() } else { value };
        (ca_key(&key), value)
    });
    Value::Object(shown.collect())
}

/// `leaf_cert_ttl` as `LeafCertTTL`.
fn ca_key(key: &str) -> String {
    let words = key.split('_').map(|word| match word {
        "ttl" | "csr" | "pki" | "tls" | "ca" => word.to_ascii_uppercase(),
        _ => word[..1.min(word.len())].to_ascii_uppercase() + word.get(1..).unwrap_or_default(),
    });
    words.collect()
}

fn cache(_: &Config, settings: &Settings) -> Value {
    let given = object(settings.get("cache"));
    json!({
        "EntryFetchMaxBurst": given.get("entry_fetch_max_burst").cloned().unwrap_or_else(|| 2.into()),
        "EntryFetchRate": given.get("entry_fetch_rate").cloned().unwrap_or_else(|| f64::MAX.into()),
    })
}
