//! The two versions that an agent has: the one of the API it speaks, and its own.

/// Version of Consul whose API, gossip tags and behaviour this agent follows. Tools read it from
/// `Config.Version` of `/v1/agent/self` and from the `build` tag, and decide by it what they may use.
pub const CONSUL_API_VERSION: &str = "1.8.7";

/// Concord's own version.
pub const CONCORD_VERSION: &str = env!("CARGO_PKG_VERSION");
