//! The rows of what Consul has and Concord has not, or needs nothing for. Nothing here is ignored in silence unless
//! there is nothing to do for it.

use super::Kind::{Any, Bool, Duration, Int, Text, TextList};
use super::{Kind, Setting, Support};

const AUTO: &str =
    "automatic certificates are not available yet; remove it and give each agent a cert_file and a key_file";
const PROXIES: &str = "the configuration of proxies is not served yet; remove it";
const WAN: &str = "mesh gateways are not available yet; remove it and join the servers directly";
const CIDRS: &str = "limiting gossip to networks is not available yet; remove it and use a firewall";
const UI_METRICS: &str =
    "the web page draws no metrics; link to your dashboards with ui_config.dashboard_url_templates";
const CIRCONUS: &str = "Circonus is not supported; use a statsd, DogStatsD or Prometheus collector";
const ENTERPRISE: &str = "it is a Consul Enterprise configuration";
const ADDRESS: &str = "the interface is not available yet; remove it";

const fn not_yet(key: &'static str, kind: Kind, default: &'static str, what_to_do: &'static str) -> Setting {
    Setting::new(key, kind, default, "Not available yet.").support(Support::NotYet(what_to_do))
}

const fn moot(key: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Setting {
    Setting::new(key, kind, default, doc).support(Support::Moot)
}

const fn no_effect(key: &'static str, kind: Kind, default: &'static str, why: &'static str) -> Setting {
    Setting::new(key, kind, default, "Accepted without effect.").support(Support::NoEffect(why))
}

/// The rows.
pub(super) static FOREIGN: &[Setting] = &[
    // Encryption and access.
    not_yet("acl_datacenter", Text, "\"\"", "it is deprecated; use primary_datacenter instead"),
    moot("acl_enforce_version_8", Bool, "true", "Always so."),
    moot("acl.tokens.managed_service_provider", Any, "[]", "Only Consul Enterprise has it."),
    moot("tls_prefer_server_cipher_suites", Bool, "false", "The suites are all good; the client chooses."),
    not_yet("auto_encrypt.allow_tls", Bool, "false", AUTO),
    not_yet("auto_encrypt.tls", Bool, "false", AUTO),
    moot("auto_encrypt.dns_san", TextList, "[]", "Matters only with auto_encrypt."),
    moot("auto_encrypt.ip_san", TextList, "[]", "Matters only with auto_encrypt."),
    not_yet("auto_config", Any, "null", AUTO),
    // Service mesh and federation.
    not_yet("connect.enable_mesh_gateway_wan_federation", Bool, "false", WAN),
    moot("enable_central_service_config", Bool, "false", "Matters only with Connect."),
    not_yet("primary_gateways", TextList, "[]", WAN).flag("primary-gateway"),
    moot("primary_gateways_interval", Duration, "\"30s\"", "Matters only with mesh gateways."),
    not_yet("peering.enabled", Bool, "false", "peering is not available yet; remove it"),
    not_yet("xds", Any, "null", PROXIES),
    // Servers.
    moot("autopilot.disable_upgrade_migration", Bool, "false", "There are no upgrade migrations."),
    no_effect("autopilot.upgrade_version_tag", Text, "\"\"", ENTERPRISE),
    no_effect("segment", Text, "\"\"", ENTERPRISE).flag("segment"),
    not_yet("segments", Any, "null", "network segments are not supported; remove it"),
    no_effect("license_path", Text, "\"\"", ENTERPRISE),
    moot("protocol", Int, "2", "There is one protocol version.").flag("protocol"),
    moot("raft_protocol", Int, "0", "There is one protocol version.").flag("raft-protocol"),
    moot("raft_logstore", Any, "{}", "There is one log store, and it is verified."),
    moot("limits.rpc_client_timeout", Duration, "\"60s\"", "Requests carry their own deadlines."),
    // Gossip and addresses.
    not_yet("serf_lan_allowed_cidrs", TextList, "[]", CIDRS).flag("serf-lan-allowed-cidrs"),
    not_yet("serf_wan_allowed_cidrs", TextList, "[]", CIDRS).flag("serf-wan-allowed-cidrs"),
    not_yet("advertise_addr_ipv4", Text, "\"\"", "use advertise_addr"),
    not_yet("advertise_addr_ipv6", Text, "\"\"", "use advertise_addr"),
    not_yet("advertise_addr_wan_ipv4", Text, "\"\"", "use advertise_addr_wan"),
    not_yet("advertise_addr_wan_ipv6", Text, "\"\"", "use advertise_addr_wan"),
    not_yet("addresses.grpc", Text, "\"\"", ADDRESS),
    not_yet("addresses.grpc_tls", Text, "\"\"", ADDRESS),
    // Log, telemetry, web page.
    no_effect("telemetry.circonus_api_app", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_api_token", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_api_url", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_broker_id", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_broker_select_tag", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_check_display_name", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_check_force_metric_activation", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_check_id", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_check_instance_id", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_check_search_tag", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_check_tags", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_submission_interval", Any, "\"\"", CIRCONUS),
    no_effect("telemetry.circonus_submission_url", Any, "\"\"", CIRCONUS),
    moot("telemetry.enable_host_metrics", Bool, "false", "Figures of the host are for its own exporter."),
    moot("telemetry.retry_failed_connection", Bool, "true", "Sinks are always tried again."),
    moot("telemetry.disable_compat_1.9", Bool, "false", "The names of 1.8 are kept."),
    no_effect("ui_config.metrics_provider", Text, "\"\"", UI_METRICS),
    no_effect("ui_config.metrics_provider_files", TextList, "[]", UI_METRICS),
    no_effect("ui_config.metrics_provider_options_json", Text, "\"\"", UI_METRICS),
    no_effect("ui_config.metrics_proxy", Any, "null", UI_METRICS),
    // Agent.
    not_yet("auto_reload_config", Bool, "false", "automatic reload is not available yet; send SIGHUP")
        .flag("auto-reload-config"),
    moot("disable_update_check", Bool, "false", "Concord never looks for updates."),
    moot("disable_anonymous_signature", Bool, "false", "Concord never looks for updates."),
    moot(
        "disable_http_unprintable_char_filter",
        Bool,
        "false",
        "Requests with such characters are answered as they come.",
    ),
    moot("http_config.max_header_bytes", Int, "0", "The limit on headers is fixed."),
    not_yet("dns_config.recursor_strategy", Text, "\"sequential\"", "only \"sequential\" is available; remove it"),
    moot("use_streaming_backend", Bool, "true", "There is one backend."),
    moot("rpc.enable_streaming", Bool, "true", "There is one backend."),
    moot("cache", Any, "null", "The limits of the cache are fixed."),
    moot("reporting", Any, "null", "Concord reports nothing to anyone."),
    moot("cloud", Any, "null", "Concord reports nothing to anyone."),
    no_effect("locality", Any, "null", "locality is not used yet"),
    moot("default_intention_policy", Text, "\"\"", "Matters only with Connect."),
    no_effect("partition", Text, "\"\"", ENTERPRISE),
];
