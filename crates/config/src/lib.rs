//! The configuration: schema, parse, merge, validate, render. Pure: text and facts about the host go in, a checked
//! [`Config`] or a list of all problems comes out. Reading files and asking the host for its name and addresses is the
//! caller's.

mod audit;
mod config;
mod connect;
mod definition;
mod entry;
mod host;
mod layer;
mod load;
mod network;
mod problem;
mod provider;
mod read;
mod render;
pub mod schema;
mod shown;
mod suggest;
mod template;
mod tls;
mod validate;

pub use audit::AuditSink;
pub use config::{
    Acl, AclTokens, Addresses, Config, Connect, Dns, DownPolicy, GossipTiming, Http, Limits, LogLevel, Performance,
    Ports, RequestLimits, Soa, Ui, UnixSockets,
};
pub use entry::{EntryError, parse_document, parse_entry, read_entry};
pub use host::{Host, Interface};
pub use layer::{Format, Source, parse_bool};
pub use load::{Inputs, Loaded, Settings, load, services};
pub use network::Network;
pub use problem::{Origin, Problem, Problems};
pub use provider::KubernetesPods;
pub use render::Draft;
pub use suggest::closest;
pub use template::TemplateError;
pub use tls::{Tls, TlsProtocol};
