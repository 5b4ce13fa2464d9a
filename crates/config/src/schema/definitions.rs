//! The fields of service and check definitions: their names in files and in the HTTP registration they turn into.

/// One field of a definition.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in files.
    pub name: &'static str,
    /// Name in the JSON of the HTTP registration.
    pub json: &'static str,
    /// Type.
    pub kind: FieldKind,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// Text.
    Text,
    /// A duration as Go writes it; stays text.
    Duration,
    /// A list of texts.
    TextList,
    /// Texts by name.
    TextMap,
    /// Lists of texts by name, as HTTP headers.
    TextListMap,
    /// A structure, or a list of one.
    One(&'static [Field]),
    /// A list of structures, or one.
    Many(&'static [Field]),
    /// Structures by name.
    ByName(&'static [Field]),
    /// Kept as it is.
    Free,
    /// Refused with this advice.
    NotYet(&'static str),
}

use FieldKind::{Bool, ByName, Duration, Free, Int, Many, NotYet, One, Text, TextList, TextListMap, TextMap};

const fn field(name: &'static str, json: &'static str, kind: FieldKind) -> Field {
    Field { name, json, kind }
}

const SCRIPT: &str = "it was removed from Consul; use \"args\"";

/// Fields of a service definition.
pub static SERVICE: [Field; 17] = [
    field("id", "ID", Text),
    field("name", "Name", Text),
    field("tags", "Tags", TextList),
    field("address", "Address", Text),
    field("tagged_addresses", "TaggedAddresses", ByName(&ADDRESS)),
    field("meta", "Meta", TextMap),
    field("port", "Port", Int),
    field("kind", "Kind", Text),
    field("enable_tag_override", "EnableTagOverride", Bool),
    field("token", "Token", Text),
    field("weights", "Weights", One(&WEIGHTS)),
    field("check", "Check", One(&SERVICE_CHECK)),
    field("checks", "Checks", Many(&SERVICE_CHECK)),
    field("proxy", "Proxy", One(&PROXY)),
    field("connect", "Connect", One(&CONNECT)),
    field("socket_path", "SocketPath", Text),
    field("locality", "Locality", Free),
];

/// Fields of a watch. Its JSON has the names of the file.
pub static WATCH: [Field; 15] = [
    field("type", "type", Text),
    field("key", "key", Text),
    field("prefix", "prefix", Text),
    field("service", "service", Text),
    field("service_id", "service_id", Text),
    field("tag", "tag", Free),
    field("passingonly", "passingonly", Bool),
    field("state", "state", Text),
    field("name", "name", Text),
    field("datacenter", "datacenter", Text),
    field("token", "token", Text),
    field("handler", "handler", Text),
    field("args", "args", TextList),
    field("handler_type", "handler_type", Text),
    field("http_handler_config", "http_handler_config", One(&HTTP_HANDLER)),
];

static HTTP_HANDLER: [Field; 5] = [
    field("path", "path", Text),
    field("method", "method", Text),
    field("timeout", "timeout", Duration),
    field("header", "header", TextListMap),
    field("tls_skip_verify", "tls_skip_verify", Bool),
];

static ADDRESS: [Field; 2] = [field("address", "Address", Text), field("port", "Port", Int)];

static WEIGHTS: [Field; 2] = [field("passing", "Passing", Int), field("warning", "Warning", Int)];

static CONNECT: [Field; 2] =
    [field("native", "Native", Bool), field("sidecar_service", "SidecarService", One(&SERVICE))];

static PROXY: [Field; 9] = [
    field("destination_service_name", "DestinationServiceName", Text),
    field("destination_service_id", "DestinationServiceID", Text),
    field("local_service_address", "LocalServiceAddress", Text),
    field("local_service_port", "LocalServicePort", Int),
    field("mode", "Mode", Text),
    field("config", "Config", Free),
    field("upstreams", "Upstreams", Many(&UPSTREAM)),
    field("mesh_gateway", "MeshGateway", One(&MESH_GATEWAY)),
    field("expose", "Expose", One(&EXPOSE)),
];

static UPSTREAM: [Field; 8] = [
    field("destination_type", "DestinationType", Text),
    field("destination_name", "DestinationName", Text),
    field("destination_namespace", "DestinationNamespace", Text),
    field("datacenter", "Datacenter", Text),
    field("local_bind_address", "LocalBindAddress", Text),
    field("local_bind_port", "LocalBindPort", Int),
    field("config", "Config", Free),
    field("mesh_gateway", "MeshGateway", One(&MESH_GATEWAY)),
];

static MESH_GATEWAY: [Field; 1] = [field("mode", "Mode", Text)];

static EXPOSE: [Field; 2] = [field("checks", "Checks", Bool), field("paths", "Paths", Many(&EXPOSED_PATH))];

static EXPOSED_PATH: [Field; 4] = [
    field("path", "Path", Text),
    field("local_path_port", "LocalPathPort", Int),
    field("listener_port", "ListenerPort", Int),
    field("protocol", "Protocol", Text),
];

/// Fields of a check of the node, or of a service named by `service_id`.
pub static CHECK: [Field; 34] = check_fields("ID");

/// Fields of a check inside a service definition; only the name of the identity differs.
static SERVICE_CHECK: [Field; 34] = check_fields("CheckID");

const fn check_fields(id: &'static str) -> [Field; 34] {
    [
        field("id", id, Text),
        field("name", "Name", Text),
        field("notes", "Notes", Text),
        field("service_id", "ServiceID", Text),
        field("token", "Token", Text),
        field("status", "Status", Text),
        field("args", "Args", TextList),
        field("script", "Script", NotYet(SCRIPT)),
        field("shell", "Shell", Text),
        field("docker_container_id", "DockerContainerID", Text),
        field("http", "HTTP", Text),
        field("method", "Method", Text),
        field("header", "Header", TextListMap),
        field("body", "Body", Text),
        field("disable_redirects", "DisableRedirects", Bool),
        field("tls_server_name", "TLSServerName", Text),
        field("tls_skip_verify", "TLSSkipVerify", Bool),
        field("tcp", "TCP", Text),
        field("udp", "UDP", Text),
        field("grpc", "GRPC", Text),
        field("grpc_use_tls", "GRPCUseTLS", Bool),
        field("h2ping", "H2PING", Text),
        field("h2ping_use_tls", "H2PingUseTLS", Bool),
        field("alias_service", "AliasService", Text),
        field("alias_node", "AliasNode", Text),
        field("ttl", "TTL", Duration),
        field("interval", "Interval", Duration),
        field("timeout", "Timeout", Duration),
        field("success_before_passing", "SuccessBeforePassing", Int),
        field("failures_before_warning", "FailuresBeforeWarning", Int),
        field("failures_before_critical", "FailuresBeforeCritical", Int),
        field("deregister_critical_service_after", "DeregisterCriticalServiceAfter", Duration),
        field("output_max_size", "OutputMaxSize", Int),
        field("os_service", "OSService", Text),
    ]
}
