//! The row types of the catalog and health endpoints, as expressions see them (field names of the HTTP API).
//!
//! Indexes, check definitions and free-form proxy configuration cannot be selected, as in Consul.

use crate::schema::Kind::{Bool, Int, List, Map, Struct, Text, Texts};
use crate::schema::Schema;

/// Rows of `/v1/catalog/nodes`.
pub static NODE: Schema = Schema(&[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("TaggedAddresses", Map(&Text)),
    ("Meta", Map(&Text)),
]);

/// Services of `/v1/catalog/node/:node` and `/v1/agent/services`.
pub static NODE_SERVICE: Schema = Schema(&[
    ("Kind", Text),
    ("ID", Text),
    ("Service", Text),
    ("Tags", Texts),
    ("Address", Text),
    ("TaggedAddresses", Map(&Struct(&SERVICE_ADDRESS))),
    ("Meta", Map(&Text)),
    ("Port", Int),
    ("Weights", Struct(&WEIGHTS)),
    ("EnableTagOverride", Bool),
    ("Proxy", Struct(&PROXY)),
    ("Connect", Struct(&CONNECT)),
]);

/// Rows of `/v1/catalog/service/:service`.
pub static SERVICE_INSTANCE: Schema = Schema(&[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("TaggedAddresses", Map(&Text)),
    ("NodeMeta", Map(&Text)),
    ("ServiceKind", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", Texts),
    ("ServiceAddress", Text),
    ("ServiceTaggedAddresses", Map(&Struct(&SERVICE_ADDRESS))),
    ("ServiceMeta", Map(&Text)),
    ("ServicePort", Int),
    ("ServiceWeights", Struct(&WEIGHTS)),
    ("ServiceEnableTagOverride", Bool),
    ("ServiceProxy", Struct(&PROXY)),
    ("ServiceConnect", Struct(&CONNECT)),
]);

/// Rows of `/v1/health/service/:service`.
pub static HEALTH: Schema =
    Schema(&[("Node", Struct(&NODE)), ("Service", Struct(&NODE_SERVICE)), ("Checks", List(&CHECK))]);

/// Rows of `/v1/health/node/:node`, `/v1/health/checks/:service`, `/v1/health/state/:state` and `/v1/agent/checks`.
pub static CHECK: Schema = Schema(&[
    ("Node", Text),
    ("CheckID", Text),
    ("Name", Text),
    ("Status", Text),
    ("Notes", Text),
    ("Output", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("ServiceTags", Texts),
    ("Type", Text),
]);

static SERVICE_ADDRESS: Schema = Schema(&[("Address", Text), ("Port", Int)]);

static WEIGHTS: Schema = Schema(&[("Passing", Int), ("Warning", Int)]);

/// The `Connect` structure of a service.
pub static CONNECT: Schema = Schema(&[("Native", Bool)]);

static MESH_GATEWAY: Schema = Schema(&[("Mode", Text)]);

/// The `Proxy` structure of a service.
pub static PROXY: Schema = Schema(&[
    ("DestinationServiceName", Text),
    ("DestinationServiceID", Text),
    ("LocalServiceAddress", Text),
    ("LocalServicePort", Int),
    ("Upstreams", List(&UPSTREAM)),
    ("MeshGateway", Struct(&MESH_GATEWAY)),
    ("Expose", Struct(&EXPOSE)),
]);

static UPSTREAM: Schema = Schema(&[
    ("DestinationType", Text),
    ("DestinationNamespace", Text),
    ("DestinationName", Text),
    ("Datacenter", Text),
    ("LocalBindAddress", Text),
    ("LocalBindPort", Int),
    ("MeshGateway", Struct(&MESH_GATEWAY)),
]);

static EXPOSE: Schema = Schema(&[("Checks", Bool), ("Paths", List(&EXPOSED_PATH))]);

static EXPOSED_PATH: Schema = Schema(&[
    ("ListenerPort", Int),
    ("Path", Text),
    ("LocalPathPort", Int),
    ("Protocol", Text),
    ("ParsedFromCheck", Bool),
]);

/// A row of `/v1/connect/intentions`.
pub static INTENTION: Schema = Schema(&[
    ("ID", Text),
    ("Description", Text),
    ("SourceNS", Text),
    ("SourceName", Text),
    ("DestinationNS", Text),
    ("DestinationName", Text),
    ("SourceType", Text),
    ("Action", Text),
    ("Precedence", Int),
    ("Meta", Map(&Text)),
]);
