//! Settings of the answers.

use crate::Name;

/// What the agent's configuration says about DNS answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The zone, `consul.` unless configured.
    pub domain: Name,
    /// A second name of the zone.
    pub alt_domain: Option<Name>,
    /// Datacenter of this agent: what names without one mean.
    pub datacenter: String,
    /// Seconds that node, NS and `.addr` records may be cached.
    pub node_ttl: u32,
    /// Seconds that records of services may be cached.
    pub service_ttls: ServiceTtls,
    /// Leave out instances with warnings too.
    pub only_passing: bool,
    /// Set TC when records were left out.
    pub enable_truncate: bool,
    /// Write every name in full.
    pub disable_compression: bool,
    /// Most records of a service in a UDP answer to a client without EDNS.
    pub udp_answer_limit: usize,
    /// Most addresses of a service in any answer; 0 for no limit.
    pub a_record_limit: usize,
    /// Add the node's metadata as TXT records to answers about other types.
    pub additional_node_meta: bool,
    /// Prefer the WAN addresses of nodes and instances in other datacenters.
    pub translate_wan_addresses: bool,
    /// Whether names outside the zone are asked of recursors.
    pub has_recursors: bool,
    /// Numbers of the SOA record.
    pub soa: Soa,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            domain: Name::parse("consul").unwrap_or_else(|_| Name::root()),
            alt_domain: None,
            datacenter: "dc1".to_owned(),
            node_ttl: 0,
            service_ttls: ServiceTtls::default(),
            only_passing: false,
            enable_truncate: false,
            disable_compression: false,
            udp_answer_limit: 3,
            a_record_limit: 0,
            additional_node_meta: true,
            translate_wan_addresses: false,
            has_recursors: false,
            soa: Soa::default(),
        }
    }
}

/// Numbers of the SOA record, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa {
    /// How often a secondary server asks.
    pub refresh: u32,
    /// How soon it asks again after a failure.
    pub retry: u32,
    /// How long it keeps answering without an answer.
    pub expire: u32,
    /// How long the absence of a name or record may be cached; also the TTL of the record itself.
    pub min_ttl: u32,
}

impl Default for Soa {
    fn default() -> Self {
        Self { refresh: 3600, retry: 600, expire: 86400, min_ttl: 0 }
    }
}

/// TTLs by service name: exact names, and prefixes written with a `*` at the end, of which the longest counts.
#[derive(Clone, Debug, Default)]
pub struct ServiceTtls {
    exact: Vec<(String, u32)>,
    prefixes: Vec<(String, u32)>,
}

impl ServiceTtls {
    /// The TTL of a service, 0 when nothing matches. Case does not matter.
    #[must_use]
    pub fn get(&self, service: &str) -> u32 {
        if self.exact.is_empty() && self.prefixes.is_empty() {
            return 0;
        }
        let service = service.to_ascii_lowercase();
        let exact = self.exact.iter().find(|(name, _)| *name == service);
        let found = exact.or_else(|| self.prefixes.iter().find(|(prefix, _)| service.starts_with(prefix)));
        found.map_or(0, |(_, ttl)| *ttl)
    }
}

impl FromIterator<(String, u32)> for ServiceTtls {
    fn from_iter<I: IntoIterator<Item = (String, u32)>>(entries: I) -> Self {
        let mut ttls = Self::default();
        for (name, ttl) in entries {
            let name = name.to_ascii_lowercase();
            match name.strip_suffix('*') {
                Some(prefix) => ttls.prefixes.push((prefix.to_owned(), ttl)),
                None => ttls.exact.push((name, ttl)),
            }
        }
        ttls.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        ttls
    }
}
