//! What a question asks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::draft::{Data, Draft, Owner, Rcode};
use crate::question::RecordType;
use crate::{Context, Name};

/// How a question is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// By this; nothing needs to be looked up.
    Reply(Draft),
    /// From rows of the catalog.
    Lookup(Lookup),
    /// By a recursor, or with a refusal: the name is outside the zone.
    Recurse,
}

/// Rows that are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Datacenter to ask, in small letters; empty for the agent's own.
    pub datacenter: String,
    /// Which rows.
    pub target: Target,
}

/// Which rows are needed. Names are in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Instances of a service with their checks; with the tag, if one is given.
    Service {
        /// Name of the service.
        service: String,
        /// Tag that instances must have.
        tag: Option<String>,
    },
    /// Ways to a service through the mesh with their checks.
    Mesh {
        /// Name of the service.
        service: String,
    },
    /// Gateways that lead into the mesh to a service, with their checks.
    Ingress {
        /// Name of the service.
        service: String,
    },
    /// What a prepared query finds.
    Query {
        /// Name or id of the query.
        name: String,
    },
    /// A node.
    Node {
        /// Name of the node.
        node: String,
    },
    /// The servers: instances of the service `consul` with their checks.
    Servers,
    /// Nodes with an address, else instances with it.
    Reverse {
        /// The address.
        address: IpAddr,
    },
}

/// Decides what a question asks for.
#[must_use]
pub fn plan(context: Context<'_>) -> Plan {
    let name = &context.question.name;
    let domains = std::iter::once(&context.settings.domain).chain(&context.settings.alt_domain);
    // The longest domain counts, should one lie in the other.
    let inside = domains.filter_map(|domain| name.labels_before(domain)).min_by_key(Vec::len);
    if let Some(labels) = inside {
        return plan_inside(context, &labels);
    }
    let is_reverse = name.labels().last().is_some_and(|label| label.eq_ignore_ascii_case(b"arpa"));
    if !is_reverse {
        return Plan::Recurse;
    }
    match reverse_address(name) {
        Some(address) => Plan::Lookup(Lookup { datacenter: String::new(), target: Target::Reverse { address } }),
        None if context.settings.has_recursors => Plan::Recurse,
        None => Plan::Reply(Draft::not_resolved(context)),
    }
}

fn plan_inside(context: Context<'_>, labels: &[&[u8]]) -> Plan {
    match context.question.record_type {
        RecordType::Soa | RecordType::Ns => {
            return Plan::Lookup(Lookup { datacenter: String::new(), target: Target::Servers });
        }
        RecordType::Axfr => return Plan::Reply(Draft::empty(context, Rcode::NotImplemented)),
        _ => {}
    }
    let Some(labels) = labels.iter().map(|label| small_text(label)).collect::<Option<Vec<_>>>() else {
        return Plan::Reply(Draft::no_such_name(context));
    };
    plan_labels(context, &labels).unwrap_or_else(|| Plan::Reply(Draft::no_such_name(context)))
}

/// The plan for the labels left of the domain; `None` when they make no name of ours.
fn plan_labels(context: Context<'_>, labels: &[String]) -> Option<Plan> {
    let is_srv = context.question.record_type == RecordType::Srv;
    let (kind, at) = labels.iter().enumerate().rev().find_map(|(i, label)| match label.as_str() {
        kind @ ("service" | "node" | "addr" | "connect" | "ingress" | "query") => Some((kind, i)),
        // With RFC 2782 names the word `service` may be left out.
        label if is_srv && label.starts_with('_') => Some(("service", i + 1)),
        _ => None,
    })?;
    let parts = &labels[..at];
    let after = labels.get(at + usize::from(labels.get(at).is_some_and(|label| label == kind))..).unwrap_or_default();
    let datacenter = match after {
        [] => String::new(),
        [datacenter] if datacenter.eq_ignore_ascii_case(&context.settings.datacenter) => String::new(),
        [datacenter] => datacenter.clone(),
        _ => return None,
    };
    let target = match kind {
        "service" => service_target(parts)?,
        "ingress" => Target::Ingress { service: mesh_service(parts)? },
        "connect" => Target::Mesh { service: mesh_service(parts)? },
        "query" if !parts.is_empty() => Target::Query { name: parts.join(".") },
        "node" if !parts.is_empty() => Target::Node { node: parts.join(".") },
        "addr" => match parts {
            [hex] => return Some(Plan::Reply(address_reply(context, hex))),
            _ => return None,
        },
        _ => return None,
    };
    Some(Plan::Lookup(Lookup { datacenter, target }))
}

/// The service of `NAME.connect`; tags do not exist there.
fn mesh_service(parts: &[String]) -> Option<String> {
    parts.last().cloned()
}

fn service_target(parts: &[String]) -> Option<Target> {
    if let [service, protocol] = parts
        && let (Some(service), Some(protocol)) = (service.strip_prefix('_'), protocol.strip_prefix('_'))
    {
        let tag = (protocol != "tcp").then(|| protocol.to_owned());
        return Some(Target::Service { service: service.to_owned(), tag });
    }
    let (service, tag) = parts.split_last()?;
    let tag = (!tag.is_empty()).then(|| tag.join("."));
    Some(Target::Service { service: service.clone(), tag })
}

/// The answer to `<hex digits>.addr`: the address that the digits spell, whatever type is asked for.
fn address_reply(context: Context<'_>, hex: &str) -> Draft {
    let mut draft = Draft::empty(context, Rcode::NoError);
    let is_hex = hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    let data = match hex.len() {
        8 if is_hex => u32::from_str_radix(hex, 16).ok().map(|bits| Data::A(Ipv4Addr::from_bits(bits))),
        32 if is_hex => u128::from_str_radix(hex, 16).ok().map(|bits| Data::Aaaa(Ipv6Addr::from_bits(bits))),
        _ => None,
    };
    if let Some(data) = data {
        draft.push(Owner::Question, context.settings.node_ttl, data);
    }
    draft.with_soa(context)
}

/// A label as text in small letters; `None` when it is no text, or has a dot inside and would be taken for two.
fn small_text(label: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(label).ok()?;
    (!text.contains('.')).then(|| text.to_ascii_lowercase())
}

/// The address that a name below `in-addr.arpa` or `ip6.arpa` spells backwards.
fn reverse_address(name: &Name) -> Option<IpAddr> {
    let labels = name.labels().map(small_text).collect::<Option<Vec<_>>>()?;
    let (digits, zone) = labels.split_at_checked(labels.len().checked_sub(2)?)?;
    match (zone[0].as_str(), digits.len()) {
        ("in-addr", 4) => {
            let text: Vec<&str> = digits.iter().rev().map(String::as_str).collect();
            text.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4)
        }
        ("ip6", 32) => digits
            .iter()
            .rev()
            .try_fold(0_u128, |bits, digit| {
                let is_digit = digit.len() == 1;
                let value = is_digit.then(|| u128::from_str_radix(digit, 16).ok()).flatten()?;
                Some(bits << 4 | value)
            })
            .map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        _ => None,
    }
}
