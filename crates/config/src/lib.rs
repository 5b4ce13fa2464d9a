//! The configuration: schema, parse, merge, validate, render. Pure: text and facts about the host go in, a checked
//! [`Config`] or a list of all problems comes out.

mod config;

pub use config::{Addresses, Config, Dns, GossipTiming, Http, Limits, LogLevel, Performance, Ports, RaftTiming, Soa};
