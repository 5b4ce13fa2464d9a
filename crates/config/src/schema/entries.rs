//! The fields of config entries, by kind, in the order of answers.

use model::EntryKind;

use self::EntryField as Field;

/// A field of a config entry.
#[derive(Clone, Copy, Debug)]
pub struct EntryField {
    /// Canonical name; users may write it in any case and with underscores.
    pub name: &'static str,
    /// Type.
    pub shape: EntryShape,
    /// Whether answers show it when it is empty.
    pub always: bool,
}

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub enum EntryShape {
    /// Text.
    Text,
    /// Text that is kept in small letters.
    SmallText,
    /// Text that is kept in capitals, in lists.
    CapitalTexts,
    /// A whole number.
    Int,
    /// A whole number of at least zero.
    Uint,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A duration, as text or as a number of nanoseconds.
    Duration,
    /// A list of texts.
    Texts,
    /// A list of whole numbers of at least zero.
    Uints,
    /// Texts by name.
    TextMap,
    /// Any values by name.
    Free,
    /// An object that is always there.
    Object(&'static [EntryField]),
    /// An object that may be absent, and may be there and empty.
    Maybe(&'static [EntryField]),
    /// A list of objects.
    List(&'static [EntryField]),
    /// Objects by name.
    ByName(&'static [EntryField]),
}

use EntryShape::{
    Bool, ByName, CapitalTexts, Duration, Float, Free, Int, List, Maybe, Object, SmallText, Text, TextMap, Texts, Uint,
    Uints,
};

const fn always(name: &'static str, shape: EntryShape) -> Field {
    Field { name, shape, always: true }
}

const fn field(name: &'static str, shape: EntryShape) -> Field {
    Field { name, shape, always: false }
}

/// The fields of a kind, besides `Kind` and `Name`.
#[must_use]
pub fn entry_fields(kind: EntryKind) -> &'static [EntryField] {
    match kind {
        EntryKind::ServiceDefaults => &SERVICE_DEFAULTS,
        EntryKind::ProxyDefaults => &PROXY_DEFAULTS,
        EntryKind::ServiceResolver => &RESOLVER,
        EntryKind::ServiceSplitter => &SPLITTER,
        EntryKind::ServiceRouter => &ROUTER,
        EntryKind::IngressGateway => &INGRESS,
        EntryKind::TerminatingGateway => &TERMINATING,
    }
}

static SERVICE_DEFAULTS: [Field; 5] = [
    always("Protocol", SmallText),
    always("MeshGateway", Object(&MESH_GATEWAY)),
    always("Expose", Object(&EXPOSE)),
    field("ExternalSNI", Text),
    field("Meta", TextMap),
];

static PROXY_DEFAULTS: [Field; 4] = [
    always("Config", Free),
    always("MeshGateway", Object(&MESH_GATEWAY)),
    always("Expose", Object(&EXPOSE)),
    field("Meta", TextMap),
];

static MESH_GATEWAY: [Field; 1] = [field("Mode", Text)];

static EXPOSE: [Field; 2] = [field("Checks", Bool), field("Paths", List(&EXPOSED_PATH))];

static EXPOSED_PATH: [Field; 5] = [
    field("ListenerPort", Int),
    field("Path", Text),
    field("LocalPathPort", Int),
    field("Protocol", Text),
    always("ParsedFromCheck", Bool),
];

static RESOLVER: [Field; 6] = [
    field("ConnectTimeout", Duration),
    field("DefaultSubset", Text),
    field("Subsets", ByName(&SUBSET)),
    field("Redirect", Maybe(&REDIRECT)),
    field("Failover", ByName(&FAILOVER)),
    field("Meta", TextMap),
];

static SUBSET: [Field; 2] = [field("Filter", Text), field("OnlyPassing", Bool)];

static REDIRECT: [Field; 4] =
    [field("Service", Text), field("ServiceSubset", Text), field("Namespace", Text), field("Datacenter", Text)];

static FAILOVER: [Field; 4] =
    [field("Service", Text), field("ServiceSubset", Text), field("Namespace", Text), field("Datacenters", Texts)];

static SPLITTER: [Field; 2] = [always("Splits", List(&SPLIT)), field("Meta", TextMap)];

static SPLIT: [Field; 4] =
    [always("Weight", Float), field("Service", Text), field("ServiceSubset", Text), field("Namespace", Text)];

static ROUTER: [Field; 2] = [always("Routes", List(&ROUTE)), field("Meta", TextMap)];

static ROUTE: [Field; 2] = [field("Match", Maybe(&MATCH)), field("Destination", Maybe(&DESTINATION))];

static MATCH: [Field; 1] = [field("HTTP", Maybe(&HTTP_MATCH))];

static HTTP_MATCH: [Field; 6] = [
    field("PathExact", Text),
    field("PathPrefix", Text),
    field("PathRegex", Text),
    field("Header", List(&HEADER)),
    field("QueryParam", List(&QUERY_PARAM)),
    field("Methods", CapitalTexts),
];

static HEADER: [Field; 7] = [
    always("Name", Text),
    field("Present", Bool),
    field("Exact", Text),
    field("Prefix", Text),
    field("Suffix", Text),
    field("Regex", Text),
    field("Invert", Bool),
];

static QUERY_PARAM: [Field; 4] =
    [always("Name", Text), field("Present", Bool), field("Exact", Text), field("Regex", Text)];

static DESTINATION: [Field; 8] = [
    field("RequestTimeout", Duration),
    field("Service", Text),
    field("ServiceSubset", Text),
    field("Namespace", Text),
    field("PrefixRewrite", Text),
    field("NumRetries", Uint),
    field("RetryOnConnectFailure", Bool),
    field("RetryOnStatusCodes", Uints),
];

static INGRESS: [Field; 3] =
    [always("TLS", Object(&TLS)), always("Listeners", List(&LISTENER)), field("Meta", TextMap)];

static TLS: [Field; 1] = [always("Enabled", Bool)];

static LISTENER: [Field; 3] =
    [always("Port", Int), always("Protocol", SmallText), always("Services", List(&INGRESS_SERVICE))];

static INGRESS_SERVICE: [Field; 4] =
    [always("Name", Text), always("Hosts", Texts), field("Namespace", Text), field("Meta", TextMap)];

static TERMINATING: [Field; 2] = [always("Services", List(&LINKED_SERVICE)), field("Meta", TextMap)];

static LINKED_SERVICE: [Field; 6] = [
    field("Namespace", Text),
    field("Name", Text),
    field("CAFile", Text),
    field("CertFile", Text),
    field("KeyFile", Text),
    field("SNI", Text),
];
