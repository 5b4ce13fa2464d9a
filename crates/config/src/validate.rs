//! Merged values to a checked [`Config`]; every problem is reported, in Consul's words where it has some.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use model::Token;
use serde_json::Value;

use model::AutopilotConfig;

use crate::config::{
    Acl, AclTokens, Addresses, Config, Dns, DownPolicy, GossipEncryption, GossipTiming, Http, Limits, LogLevel,
    Logging, Performance, Ports, RequestLimits, Soa, Telemetry, Ui, UnixSockets,
};
use crate::connect::connect;
use crate::host::Host;
use crate::load::Values;
use crate::network::Network;
use crate::problem::Problem;
use crate::provider::KubernetesPods;
use crate::read::Reader;

/// Largest `raft_multiplier`.
const RAFT_MULTIPLIER_MAX: i64 = 10;
/// Shortest `reconnect_timeout`.
const RECONNECT_TIMEOUT_MIN: Duration = Duration::from_hours(8);
/// Most past versions of one key that may be asked for: a write of the key touches them all.
const KV_HISTORY_VERSIONS_MAX: u32 = 1000;
/// Above this size of a value the log of the servers suffers; Consul's own advice.
const KV_VALUE_SUGGESTED_MAX: usize = 512 * 1024;

/// Checks everything; there is a configuration only where no problem came up.
pub(crate) fn validate(
    values: &Values,
    dev: bool,
    host: &Host,
    warnings: &mut Vec<String>,
) -> (Option<Config>, Vec<Problem>) {
    let mut reader = Reader::new(values, host);
    let config = build(&mut reader, dev, host);
    check_identity(&mut reader, &config, warnings);
    check_roles(&mut reader, &config, warnings);
    check_listeners(&mut reader, &config);
    check_definitions(&mut reader, &config);
    check_limits(&mut reader, &config, warnings);
    if config.ports.https.is_some() && config.https_addrs().is_empty() {
        warnings.push("ports.https is set, but there is no cert_file and key_file: HTTPS stays off".to_owned());
    }
    let problems = reader.into_problems();
    (problems.is_empty().then_some(config), problems)
}

#[expect(clippy::too_many_lines, reason = "one line for each field")]
fn build(reader: &mut Reader<'_>, dev: bool, host: &Host) -> Config {
    let server = reader.flag("server");
    let datacenter = reader.text("datacenter").to_ascii_lowercase();
    let bind_addr = bind_address(reader);
    let client_addrs = reader.ips("client_addr");
    let addresses = addresses(reader, &client_addrs);
    let advertise_addr = advertise_address(reader, bind_addr, host);
    let data_dir = reader.text("data_dir");
    if data_dir.is_empty() && !dev {
        reader.refuse("data_dir", "data_dir cannot be empty");
    }
    Config {
        primary_datacenter: reader
            .some_text("primary_datacenter")
            .map_or(datacenter.clone(), |dc| dc.to_ascii_lowercase()),
        datacenter,
        node_name: reader.some_text("node_name").unwrap_or_else(|| host.name.clone()).trim().to_owned(),
        node_id: reader.some_text("node_id").map(|id| id.to_ascii_lowercase()),
        node_meta: reader.text_map("node_meta"),
        data_dir: (!dev && !data_dir.is_empty()).then(|| PathBuf::from(data_dir)),
        server,
        bootstrap: reader.flag("bootstrap"),
        bootstrap_expect: reader.at_least_zero("bootstrap_expect"),
        dev_mode: dev,
        bind_addr,
        advertise_addr,
        advertise_addr_wan: reader.one_ip("advertise_addr_wan").unwrap_or(advertise_addr),
        client_addrs,
        addresses,
        unix_sockets: unix_sockets(reader),
        tls: crate::tls::tls(reader),
        ports: ports(reader),
        serf_lan_bind: reader.one_ip("serf_lan").unwrap_or(bind_addr),
        serf_wan_bind: reader.one_ip("serf_wan").unwrap_or(bind_addr),
        domain: reader.text("domain").trim_matches('.').to_owned(),
        alt_domain: reader.some_text("alt_domain").map(|domain| domain.trim_matches('.').to_owned()),
        dns: dns(reader),
        recursors: reader.recursors("recursors"),
        retry_join: reader.expanded_list("retry_join"),
        retry_join_wan: reader.expanded_list("retry_join_wan"),
        start_join: reader.expanded_list("start_join"),
        start_join_wan: reader.expanded_list("start_join_wan"),
        retry_interval: reader.duration("retry_interval"),
        retry_interval_wan: reader.duration("retry_interval_wan"),
        retry_max: reader.at_least_zero("retry_max"),
        retry_max_wan: reader.at_least_zero("retry_max_wan"),
        rejoin_after_leave: reader.flag("rejoin_after_leave"),
        leave_on_terminate: reader.some_flag("leave_on_terminate").unwrap_or(!server),
        skip_leave_on_interrupt: reader.some_flag("skip_leave_on_interrupt").unwrap_or(server),
        log_level: log_level(reader),
        log_json: reader.flag("log_json"),
        log_file: reader.some_text("log_file").map(PathBuf::from),
        audit: crate::audit::read(reader),
        logging: logging(reader),
        telemetry: telemetry(reader),
        pid_file: reader.some_text("pid_file").map(PathBuf::from),
        enable_debug: reader.flag("enable_debug"),
        enable_script_checks: reader.flag("enable_script_checks"),
        enable_local_script_checks: reader.flag("enable_local_script_checks"),
        check_update_interval: reader.duration("check_update_interval"),
        check_output_max_size: reader.size("check_output_max_size", 1),
        check_flap_half_life: reader.duration("check_flap_half_life"),
        mass_failure_brake_percent: reader.percent("mass_failure_brake_percent"),
        discard_check_output: reader.flag("discard_check_output"),
        services: reader.list("services"),
        checks: reader.list("checks"),
        watches: reader.list("watches"),
        performance: performance(reader),
        autopilot: autopilot(reader),
        non_voting_server: reader.flag("non_voting_server"),
        raft_snapshot_threshold: reader.count("raft_snapshot_threshold", 1),
        raft_snapshot_interval: reader.duration("raft_snapshot_interval"),
        raft_trailing_logs: reader.count("raft_trailing_logs", 1),
        gossip_encryption: gossip_encryption(reader),
        gossip_lan: gossip(reader, &LAN_KEYS),
        gossip_wan: gossip(reader, &WAN_KEYS),
        reconnect_timeout: reader.duration("reconnect_timeout"),
        reconnect_timeout_wan: reader.duration("reconnect_timeout_wan"),
        limits: limits(reader),
        translate_wan_addrs: reader.flag("translate_wan_addrs"),
        discovery_max_stale: reader.duration("discovery_max_stale"),
        disable_host_node_id: reader.flag("disable_host_node_id"),
        disable_remote_exec: reader.flag("disable_remote_exec"),
        disable_coordinates: reader.flag("disable_coordinates"),
        default_query_time: reader.duration("default_query_time"),
        max_query_time: reader.duration("max_query_time"),
        session_ttl_min: reader.duration("session_ttl_min"),
        connect: connect(reader),
        http: Http {
            response_headers: reader.text_map("http_config.response_headers"),
            use_cache: reader.flag("http_config.use_cache"),
            block_endpoints: reader.text_list("http_config.block_endpoints"),
            allow_write_http_from: reader.text_list("http_config.allow_write_http_from"),
        },
        ui: ui(reader, dev),
        acl: acl(reader),
    }
}

/// A folder is enough to ask for the page, as in Consul.
fn ui(reader: &mut Reader<'_>, dev: bool) -> Ui {
    let path = reader.text("ui_config.content_path");
    if !path.chars().all(|c| c.is_ascii_alphanumeric() || "-_/".contains(c)) {
        let text = format!("ui-content-path can only contain alphanumeric, -, _, or /. received: {path:?}");
        reader.refuse("ui_config.content_path", &text);
    }
    let trimmed = path.trim_matches('/');
    let dir = reader.some_text("ui_config.dir").map(PathBuf::from);
    let enabled = reader.flag("ui_config.enabled");
    if enabled && dir.is_some() && !dev {
        let text = "Both the ui and ui-dir flags were specified, please provide only one. If trying to use your own web \
                    page, use ui-dir; to use the one in the program, use ui.";
        reader.refuse("ui_config.dir", text);
    }
    Ui {
        enabled: enabled || dir.is_some(),
        dir,
        content_path: if trimmed.is_empty() { "/".to_owned() } else { format!("/{trimmed}/") },
        dashboards: reader.text_map("ui_config.dashboard_url_templates"),
    }
}

fn acl(reader: &mut Reader<'_>) -> Acl {
    let default_allow = match reader.text("acl.default_policy").as_str() {
        "allow" => true,
        "deny" => false,
        other => {
            reader.refuse("acl.default_policy", &format!("Unexpected default policy: {other:?}: use allow or deny"));
            false
        }
    };
    let down_policy = match reader.text("acl.down_policy").as_str() {
        "allow" => DownPolicy::Allow,
        "deny" => DownPolicy::Deny,
        "extend-cache" => DownPolicy::ExtendCache,
        "async-cache" => DownPolicy::AsyncCache,
        other => {
            let choice = "use allow, deny, extend-cache or async-cache";
            reader.refuse("acl.down_policy", &format!("invalid down policy {other:?}: {choice}"));
            DownPolicy::Deny
        }
    };
    let token = |key: &str| Token::new(reader.text(key));
    let either = |new: &str, old: &str| reader.some_text(new).map_or_else(|| token(old), Token::new);
    let tokens = AclTokens {
        default: token("acl.tokens.default"),
        agent: token("acl.tokens.agent"),
        agent_recovery: either("acl.tokens.agent_recovery", "acl.tokens.agent_master"),
        initial_management: either("acl.tokens.initial_management", "acl.tokens.master"),
        replication: token("acl.tokens.replication"),
    };
    Acl {
        enabled: reader.flag("acl.enabled"),
        default_allow,
        down_policy,
        token_ttl: reader.duration("acl.token_ttl"),
        key_list_policy: reader.flag("acl.enable_key_list_policy"),
        token_persistence: reader.flag("acl.enable_token_persistence"),
        tokens,
    }
}

fn addresses(reader: &mut Reader<'_>, client_addrs: &[IpAddr]) -> Addresses {
    let (http, http_sockets) = reader.ips_and_sockets("addresses.http");
    let or_default = |given: Vec<IpAddr>| if given.is_empty() { client_addrs.to_vec() } else { given };
    Addresses {
        dns: or_default(reader.ips("addresses.dns")),
        // Who asks for a socket alone does not want a port beside it.
        http: if http_sockets.is_empty() { or_default(http) } else { http },
        https: or_default(reader.ips("addresses.https")),
        http_sockets,
    }
}

fn unix_sockets(reader: &mut Reader<'_>) -> UnixSockets {
    let mode = reader.some_text("unix_sockets.mode").and_then(|text| {
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o7777);
        if mode.is_none() {
            reader
                .refuse("unix_sockets.mode", &format!("unix_sockets.mode: {text:?} is no octal mode such as \"0770\""));
        }
        mode
    });
    UnixSockets { user: reader.text("unix_sockets.user"), group: reader.text("unix_sockets.group"), mode }
}

fn bind_address(reader: &mut Reader<'_>) -> IpAddr {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    match reader.ips("bind_addr").as_slice() {
        [ip] => *ip,
        [] => {
            if !reader.has_refused("bind_addr") {
                reader.refuse("bind_addr", "bind_addr cannot be empty");
            }
            any
        }
        _ => {
            let text = "bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' instead.";
            reader.refuse("bind_addr", text);
            any
        }
    }
}

/// What was asked for, else the address bound to, else the only private (or global IPv6) address of the host.
fn advertise_address(reader: &mut Reader<'_>, bind: IpAddr, host: &Host) -> IpAddr {
    if let Some(ip) = reader.one_ip("advertise_addr") {
        if ip.is_unspecified() {
            reader.refuse("advertise_addr", "Advertise address cannot be 0.0.0.0, :: or [::]");
        }
        return ip;
    }
    if !bind.is_unspecified() {
        return bind;
    }
    let (kind, found): (&str, Vec<IpAddr>) = match bind {
        IpAddr::V4(_) => ("private IPv4", host.private_ipv4().into_iter().map(IpAddr::V4).collect()),
        IpAddr::V6(_) => ("public IPv6", host.global_ipv6()),
    };
    match found.as_slice() {
        [ip] => return *ip,
        [] => reader.refuse(
            "advertise_addr",
            &format!("No {kind} address found. Please configure one with 'bind' and/or 'advertise'."),
        ),
        _ => reader.refuse(
            "advertise_addr",
            &format!("Multiple {kind} addresses found. Please configure one with 'bind' and/or 'advertise'."),
        ),
    }
    if bind.is_ipv4() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) }
}

fn ports(reader: &mut Reader<'_>) -> Ports {
    let mut needed = |key: &'static str| {
        reader.port(key).unwrap_or_else(|| {
            if !reader.has_refused(key) {
                reader.refuse(key, &format!("{key} cannot be turned off"));
            }
            0
        })
    };
    let (serf_lan, server) = (needed("ports.serf_lan"), needed("ports.server"));
    Ports {
        dns: reader.port("ports.dns"),
        http: reader.port("ports.http"),
        https: reader.port("ports.https"),
        grpc: reader.port("ports.grpc"),
        serf_lan,
        serf_wan: reader.port("ports.serf_wan"),
        server,
        sidecars: sidecar_ports(reader),
        exposed: exposed_ports(reader),
    }
}

fn sidecar_ports(reader: &mut Reader<'_>) -> Option<(u16, u16)> {
    let (first, last) = (reader.port("ports.sidecar_min_port")?, reader.port("ports.sidecar_max_port")?);
    if first == 0 || last == 0 {
        return None;
    }
    if first > last {
        let text = format!("sidecar_min_port must be less than sidecar_max_port: {first} is above {last}");
        reader.refuse("ports.sidecar_min_port", &text);
    }
    Some((first, last))
}

fn exposed_ports(reader: &mut Reader<'_>) -> (u16, u16) {
    let mut port = |key| reader.port(key).unwrap_or(0);
    let (first, last) = (port("ports.expose_min_port"), port("ports.expose_max_port"));
    if first > last {
        let text = format!("expose_min_port must be less than expose_max_port: {first} is above {last}");
        reader.refuse("ports.expose_min_port", &text);
    }
    (first, last)
}

fn dns(reader: &mut Reader<'_>) -> Dns {
    Dns {
        allow_stale: reader.flag("dns_config.allow_stale"),
        max_stale: reader.duration("dns_config.max_stale"),
        use_cache: reader.flag("dns_config.use_cache"),
        cache_max_age: reader.duration("dns_config.cache_max_age"),
        node_ttl: reader.duration("dns_config.node_ttl"),
        service_ttl: reader.duration_map("dns_config.service_ttl"),
        enable_truncate: reader.flag("dns_config.enable_truncate"),
        only_passing: reader.flag("dns_config.only_passing"),
        recursor_timeout: reader.duration("dns_config.recursor_timeout"),
        disable_compression: reader.flag("dns_config.disable_compression"),
        udp_answer_limit: reader.size("dns_config.udp_answer_limit", 0),
        a_record_limit: reader.size("dns_config.a_record_limit", 0),
        enable_additional_node_meta_txt: reader.flag("dns_config.enable_additional_node_meta_txt"),
        soa: Soa {
            refresh: reader.at_least_zero("dns_config.soa.refresh"),
            retry: reader.at_least_zero("dns_config.soa.retry"),
            expire: reader.at_least_zero("dns_config.soa.expire"),
            min_ttl: reader.at_least_zero("dns_config.soa.min_ttl"),
        },
    }
}

fn logging(reader: &mut Reader<'_>) -> Logging {
    let facility = reader.text("syslog_facility");
    Logging {
        rotate_bytes: reader.count("log_rotate_bytes", 0),
        rotate_duration: reader.duration("log_rotate_duration"),
        rotate_max_files: reader.int("log_rotate_max_files"),
        syslog_facility: reader.flag("enable_syslog").then_some(facility),
    }
}

fn telemetry(reader: &mut Reader<'_>) -> Telemetry {
    Telemetry {
        prefix: reader.text("telemetry.metrics_prefix"),
        disable_hostname: reader.flag("telemetry.disable_hostname"),
        prometheus_retention_time: reader.duration("telemetry.prometheus_retention_time"),
        filter_default: reader.flag("telemetry.filter_default"),
        prefix_filter: reader.text_list("telemetry.prefix_filter"),
        statsd_address: reader.some_text("telemetry.statsd_address"),
        statsite_address: reader.some_text("telemetry.statsite_address"),
        dogstatsd_addr: reader.some_text("telemetry.dogstatsd_addr"),
        dogstatsd_tags: reader.text_list("telemetry.dogstatsd_tags"),
    }
}

fn log_level(reader: &mut Reader<'_>) -> LogLevel {
    match reader.text("log_level").to_ascii_lowercase().as_str() {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "err" | "error" => LogLevel::Error,
        other => {
            let text = format!(
                "Invalid log level: {}. Valid log levels are: [TRACE DEBUG INFO WARN ERR]",
                other.to_uppercase()
            );
            reader.refuse("log_level", &text);
            LogLevel::Info
        }
    }
}

fn performance(reader: &mut Reader<'_>) -> Performance {
    let factor = reader.int("performance.raft_multiplier");
    if !(1..=RAFT_MULTIPLIER_MAX).contains(&factor) {
        let text =
            format!("performance.raft_multiplier cannot be {factor}. Must be between 1 and {RAFT_MULTIPLIER_MAX}");
        reader.refuse("performance.raft_multiplier", &text);
    }
    Performance {
        raft_multiplier: u32::try_from(factor).unwrap_or(1),
        leave_drain_time: reader.duration("performance.leave_drain_time"),
        rpc_hold_timeout: reader.duration("performance.rpc_hold_timeout"),
    }
}

fn autopilot(reader: &mut Reader<'_>) -> AutopilotConfig {
    if reader.int("autopilot.max_trailing_logs") < 0 {
        let text = "autopilot.max_trailing_logs cannot be -1. Must be greater than or equal to zero";
        reader.refuse("autopilot.max_trailing_logs", text);
    }
    AutopilotConfig {
        cleanup_dead_servers: reader.flag("autopilot.cleanup_dead_servers"),
        last_contact_threshold: reader.duration("autopilot.last_contact_threshold"),
        max_trailing_logs: u64::try_from(reader.int("autopilot.max_trailing_logs")).unwrap_or(0),
        min_quorum: u64::try_from(reader.int("autopilot.min_quorum")).unwrap_or(0),
        server_stabilization_time: reader.duration("autopilot.server_stabilization_time"),
        redundancy_zone_tag: reader.text("autopilot.redundancy_zone_tag"),
        ..AutopilotConfig::default()
    }
}

const LAN_KEYS: [&str; 6] = [
    "gossip_lan.gossip_interval",
    "gossip_lan.gossip_nodes",
    "gossip_lan.probe_interval",
    "gossip_lan.probe_timeout",
    "gossip_lan.suspicion_mult",
    "gossip_lan.retransmit_mult",
];
const WAN_KEYS: [&str; 6] = [
    "gossip_wan.gossip_interval",
    "gossip_wan.gossip_nodes",
    "gossip_wan.probe_interval",
    "gossip_wan.probe_timeout",
    "gossip_wan.suspicion_mult",
    "gossip_wan.retransmit_mult",
];

fn gossip_encryption(reader: &mut Reader<'_>) -> GossipEncryption {
    let key = reader.some_text("encrypt").and_then(|text| {
        let key = model::decode_base64(&text).and_then(|key| match key.len() {
            16 | 24 | 32 => Ok(key),
            _ => Err("key size must be 16, 24 or 32 bytes".to_owned()),
        });
        key.map_err(|cause| reader.refuse("encrypt", &format!("encrypt has invalid key: {cause}"))).ok()
    });
    GossipEncryption {
        key,
        verify_incoming: reader.flag("encrypt_verify_incoming"),
        verify_outgoing: reader.flag("encrypt_verify_outgoing"),
        disable_keyring_file: reader.flag("disable_keyring_file"),
    }
}

fn gossip(reader: &mut Reader<'_>, keys: &[&'static str; 6]) -> GossipTiming {
    let [interval, nodes, probe_interval, probe_timeout, suspicion, retransmit] = *keys;
    GossipTiming {
        gossip_interval: reader.positive_duration(interval),
        gossip_nodes: reader.count(nodes, 1) as u32,
        probe_interval: reader.positive_duration(probe_interval),
        probe_timeout: reader.positive_duration(probe_timeout),
        suspicion_mult: reader.count(suspicion, 1) as u32,
        retransmit_mult: reader.count(retransmit, 1) as u32,
    }
}

fn limits(reader: &mut Reader<'_>) -> Limits {
    let kv_max_value_size = reader.size("limits.kv_max_value_size", 1);
    let rate = reader.float("limits.rpc_rate");
    let kv_history_versions = reader.at_least_zero("limits.kv_history_versions");
    if kv_history_versions > KV_HISTORY_VERSIONS_MAX {
        reader.refuse(
            "limits.kv_history_versions",
            &format!(
                "limits.kv_history_versions cannot be {kv_history_versions}. Must be at most {KV_HISTORY_VERSIONS_MAX}"
            ),
        );
    }
    Limits {
        http_max_conns_per_client: reader.at_least_zero("limits.http_max_conns_per_client"),
        rpc_max_conns_per_client: reader.at_least_zero("limits.rpc_max_conns_per_client"),
        rpc_rate: (rate >= 0.0).then_some(rate),
        rpc_max_burst: reader.at_least_zero("limits.rpc_max_burst"),
        requests: request_limits(reader),
        kv_max_value_size,
        txn_max_req_len: match reader.is_set("limits.txn_max_req_len") {
            true => reader.size("limits.txn_max_req_len", 1),
            false => kv_max_value_size,
        },
        txn_max_ops: reader.size("limits.txn_max_ops", 1),
        kv_history_versions,
        kv_history_max_bytes: reader.count("limits.kv_history_max_bytes", 0),
    }
}

fn request_limits(reader: &mut Reader<'_>) -> Option<RequestLimits> {
    let (read, write) = ("limits.request_limits.read_rate", "limits.request_limits.write_rate");
    let rate = |rate: f64| (rate >= 0.0).then_some(rate);
    let rates = (rate(reader.float(read)), rate(reader.float(write)));
    let enforce = match reader.text("limits.request_limits.mode").as_str() {
        "disabled" => return None,
        "permissive" => false,
        "enforcing" => true,
        other => {
            let text = format!(
                "limits.request_limits.mode: {other:?} is none of \"disabled\", \"permissive\" and \"enforcing\""
            );
            reader.refuse("limits.request_limits.mode", &text);
            return None;
        }
    };
    Some(RequestLimits { enforce, read_rate: rates.0, write_rate: rates.1 })
}

fn check_identity(reader: &mut Reader<'_>, config: &Config, warnings: &mut Vec<String>) {
    for (key, dc) in [("datacenter", &config.datacenter), ("primary_datacenter", &config.primary_datacenter)] {
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if key == "primary_datacenter" && reader.some_text(key).is_none() {
            continue;
        }
        if dc.is_empty() {
            reader.refuse(key, &format!("{key} cannot be empty"));
        } else if !dc.bytes().all(valid) {
            reader.refuse(key, &format!("{key} cannot be {dc:?}. Please use only [a-z0-9-_]"));
        }
    }
    let name = &config.node_name;
    if name.is_empty() {
        reader.refuse("node_name", "node_name cannot be empty");
    } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        warnings.push(format!(
            "Node name {name:?} will not be discoverable via DNS due to invalid characters. Valid characters include all \
             alpha-numerics and dashes."
        ));
    } else if name.len() > 63 {
        warnings.push(format!(
            "Node name {name:?} will not be discoverable via DNS due to it being too long. Valid lengths are between 1 and \
             63 bytes."
        ));
    }
    if let Some(id) = &config.node_id
        && !is_uuid(id)
    {
        reader.refuse("node_id", &format!("node_id {id:?} is not a UUID (8-4-4-4-12 hexadecimal digits)"));
    }
    if let Err(text) = model::validate_meta(&config.node_meta) {
        reader.refuse("node_meta", &format!("node_meta invalid: {text}"));
    }
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn check_roles(reader: &mut Reader<'_>, config: &Config, warnings: &mut Vec<String>) {
    let expect = config.bootstrap_expect;
    if config.bootstrap && !config.server {
        reader.refuse("bootstrap", "'bootstrap = true' requires 'server = true'");
    }
    if expect > 0 && !config.server {
        reader.refuse("bootstrap_expect", "'bootstrap_expect > 0' requires 'server = true'");
    }
    if expect > 0 && config.dev_mode {
        reader.refuse("bootstrap_expect", "'bootstrap_expect > 0' not allowed in dev mode");
    } else if expect > 0 && config.bootstrap {
        reader.refuse("bootstrap_expect", "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive");
    }
    if config.dev_mode && !config.server {
        reader.refuse("server", "dev mode runs a server; remove 'server = false' or '-dev'");
    }
    match expect {
        0 => {}
        1 => warnings.push("BootstrapExpect is set to 1; this is the same as Bootstrap mode.".to_owned()),
        2 => warnings.push("bootstrap_expect = 2: A cluster with 2 servers will provide no failure tolerance.".to_owned()),
        even if even % 2 == 0 => warnings.push(format!(
            "bootstrap_expect = {even} is even number: a cluster with an even number of servers does not achieve optimum \
             fault tolerance."
        )),
        _ => {}
    }
    if expect > 1 {
        warnings.push(format!("bootstrap_expect > 0: expecting {expect} servers"));
    }
    if config.bootstrap && !config.dev_mode {
        warnings.push("bootstrap = true: do not enable unless necessary".to_owned());
    }
    for (key, joins) in [("retry_join", &config.retry_join), ("retry_join_wan", &config.retry_join_wan)] {
        for cause in joins.iter().filter_map(|join| KubernetesPods::parse(join)?.err()) {
            reader.refuse(key, &format!("{key}: {cause}"));
        }
    }
}

/// No two listeners on one address. TCP only: all of these are.
fn check_listeners(reader: &mut Reader<'_>, config: &Config) {
    let mut taken: Vec<(IpAddr, u16, &str)> = Vec::new();
    let (ports, addresses) = (&config.ports, &config.addresses);
    let listeners = [
        ("DNS", &addresses.dns[..], ports.dns),
        ("HTTP", &addresses.http[..], ports.http),
        ("HTTPS", &addresses.https[..], ports.https),
        ("RPC Advertise", &[config.advertise_addr][..], Some(ports.server)),
        ("Serf Advertise LAN", &[config.advertise_addr][..], Some(ports.serf_lan)),
        ("Serf Advertise WAN", &[config.advertise_addr_wan][..], ports.serf_wan.filter(|_| config.server)),
    ];
    for (name, ips, port) in listeners {
        let Some(port) = port.filter(|port| *port != 0) else { continue };
        for ip in ips {
            match taken.iter().find(|(other, other_port, _)| other == ip && *other_port == port) {
                Some((_, _, owner)) => {
                    let address = std::net::SocketAddr::new(*ip, port);
                    reader.refuse("ports", &format!("{name} address {address} already configured for {owner}"));
                }
                None => taken.push((*ip, port, name)),
            }
        }
    }
}

fn check_definitions(reader: &mut Reader<'_>, config: &Config) {
    let named = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    for (index, service) in config.services.iter().enumerate() {
        if !named(service, "Name") {
            reader.refuse("services", &format!("services[{index}]: a service needs a name"));
        }
    }
    for (index, check) in config.checks.iter().enumerate() {
        if !named(check, "Name") && !named(check, "ID") {
            reader.refuse("checks", &format!("checks[{index}]: a check needs a name"));
        }
    }
}

fn check_limits(reader: &mut Reader<'_>, config: &Config, warnings: &mut Vec<String>) {
    for (key, timeout) in
        [("reconnect_timeout", config.reconnect_timeout), ("reconnect_timeout_wan", config.reconnect_timeout_wan)]
    {
        if timeout < RECONNECT_TIMEOUT_MIN && !reader.has_refused(key) {
            let shown = model::format_duration(timeout);
            reader.refuse(key, &format!("{key} cannot be {shown}. Must be at least 8h0m0s"));
        }
    }
    if config.limits.kv_max_value_size > KV_VALUE_SUGGESTED_MAX {
        warnings.push(format!(
            "limits.kv_max_value_size is set to {} bytes, more than the suggested maximum of {KV_VALUE_SUGGESTED_MAX} bytes; \
             large values slow the servers down",
            config.limits.kv_max_value_size
        ));
    }
    for cidr in &config.http.allow_write_http_from {
        if cidr.parse::<Network>().is_err() {
            let text = format!("http_config.allow_write_http_from: invalid CIDR address: {cidr}");
            reader.refuse("http_config.allow_write_http_from", &text);
        }
    }
}
