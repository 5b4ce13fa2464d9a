//! Which address of a node or an instance answers a question.

use std::net::IpAddr;

use model::{Node, NodeService};

use crate::Name;
use crate::question::RecordType;

/// An address as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// An IP address.
    Ip(IpAddr),
    /// The name of a host.
    Host(Name),
}

impl Address {
    /// Reads a catalog address; `None` when it is empty or neither an address nor a name.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        match text.parse() {
            Ok(ip) => Some(Self::Ip(ip)),
            Err(_) => Name::parse(text).ok().map(Self::Host),
        }
    }
}

/// Which tagged addresses may stand in for the plain one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preference {
    record_type: RecordType,
    is_wan: bool,
}

impl Preference {
    /// For a type of record, and for rows of another datacenter when WAN addresses are wanted for those.
    pub(crate) fn new(record_type: RecordType, is_wan: bool) -> Self {
        Self { record_type, is_wan }
    }

    /// The names of the tags, the most wanted first. A question for one family takes only that family's address.
    fn tags(self) -> &'static [&'static str] {
        match (self.record_type, self.is_wan) {
            (RecordType::A, false) => &["lan_ipv4"],
            (RecordType::Aaaa, false) => &["lan_ipv6"],
            (_, false) => &["lan_ipv6", "lan_ipv4"],
            (RecordType::A, true) => &["wan_ipv4", "wan"],
            (RecordType::Aaaa, true) => &["wan_ipv6", "wan"],
            (_, true) => &["wan_ipv6", "wan_ipv4", "wan"],
        }
    }

    /// The address of a node.
    pub(crate) fn of_node(self, node: &Node) -> &str {
        let tagged = node.tagged_addresses.as_ref().filter(|tagged| !tagged.is_empty());
        let found = tagged.and_then(|tagged| self.tags().iter().find_map(|tag| tagged.get(*tag)));
        found.filter(|address| !address.is_empty()).unwrap_or(&node.address)
    }

    /// The address of an instance itself; empty when it has none and is reached at its node's.
    pub(crate) fn of_service(self, service: &NodeService) -> &str {
        if service.tagged_addresses.is_empty() {
            return &service.address;
        }
        let found = self.tags().iter().find_map(|tag| service.tagged_addresses.get(*tag));
        found.map(|tagged| tagged.address.as_str()).filter(|address| !address.is_empty()).unwrap_or(&service.address)
    }
}
