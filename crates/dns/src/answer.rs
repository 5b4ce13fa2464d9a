//! Rows of the catalog to answers.

use std::collections::HashSet;
use std::net::IpAddr;

use model::{CheckServiceNode, Node, NodeService, QueryExecution};
use rand::Rng;

use crate::address::{Address, Preference};
use crate::draft::{Data, Draft, Group, Owner, Rcode, Record, soa};
use crate::limits::NAME_SERVERS_MAX;
use crate::pack::answers_wanted;
use crate::question::RecordType;
use crate::{Context, Name};

/// The answer about a service, from all its instances: healthy ones in random order, not many more than fit the client.
/// `datacenter` is that of the lookup, empty for the agent's own.
#[must_use]
pub fn service(context: Context<'_>, datacenter: &str, rows: &[CheckServiceNode], rng: &mut impl Rng) -> Draft {
    let settings = context.settings;
    let mut rows = shuffled(rows, rng).filter(|row| is_usable(row, settings.only_passing)).peekable();
    let Some(first) = rows.peek() else { return Draft::no_such_name(context) };
    let ttl = settings.service_ttls.get(&first.service.service);
    instances(context, datacenter, rows, ttl)
}

/// The answer about a prepared query, from what it found, in that order. `ttl` in seconds is that of the query; `None`
/// for the one of the service.
#[must_use]
pub fn query(context: Context<'_>, datacenter: &str, found: &QueryExecution, ttl: Option<u32>) -> Draft {
    if found.nodes.is_empty() {
        return Draft::no_such_name(context);
    }
    let ttl = ttl.unwrap_or_else(|| context.settings.service_ttls.get(&found.service));
    instances(context, datacenter, found.nodes.iter(), ttl)
}

fn instances<'r>(
    context: Context<'_>,
    datacenter: &str,
    rows: impl Iterator<Item = &'r CheckServiceNode>,
    ttl: u32,
) -> Draft {
    let zone = Zone::new(context, datacenter);
    let mut draft = Draft::empty(context, Rcode::NoError);
    draft.is_limited = true;
    if context.question.record_type == RecordType::Srv {
        draft.groups = srv_groups(&zone, rows, ttl);
    } else {
        add_addresses(&zone, rows, ttl, &mut draft);
    }
    draft.with_soa(context)
}

/// The rows in random order, shuffled only as far as they are taken.
fn shuffled<'r>(rows: &'r [CheckServiceNode], rng: &mut impl Rng) -> impl Iterator<Item = &'r CheckServiceNode> {
    let mut order: Vec<&CheckServiceNode> = rows.iter().collect();
    (0..order.len()).map(move |at| {
        let other = rng.random_range(at..order.len());
        order.swap(at, other);
        order[at]
    })
}

/// The answer about a node; `None` when there is no such node.
#[must_use]
pub fn node(context: Context<'_>, datacenter: &str, node: Option<&Node>) -> Draft {
    let Some(node) = node else { return Draft::no_such_name(context) };
    let record_type = context.question.record_type;
    let mut draft = Draft::empty(context, Rcode::NoError);
    let asks_addresses = matches!(record_type, RecordType::A | RecordType::Aaaa | RecordType::Any);
    if !asks_addresses && record_type != RecordType::Txt {
        return draft.with_soa(context);
    }
    let ttl = context.settings.node_ttl;
    let zone = Zone::new(context, datacenter);
    if asks_addresses {
        let address = Address::read(zone.preference.of_node(node));
        let data = address.and_then(|address| address_data(&address, record_type).or_else(|| host_data(&address)));
        draft.groups.extend(data.map(|data| Group { answer: zone.own(ttl, data), extras: Vec::new() }));
    }
    let meta = node_meta(node).map(|text| zone.own(ttl, Data::Txt(text)));
    if matches!(record_type, RecordType::Txt | RecordType::Any) {
        draft.groups.extend(meta.map(|answer| Group { answer, extras: Vec::new() }));
    } else if context.settings.additional_node_meta {
        draft.additional.extend(meta);
    }
    draft.with_soa(context)
}

/// The answer about name servers (`NS`, `SOA`), from the instances of the service `consul`.
#[must_use]
pub fn servers(context: Context<'_>, rows: &[CheckServiceNode], rng: &mut impl Rng) -> Draft {
    let zone = Zone::new(context, "");
    let ttl = context.settings.node_ttl;
    let groups = shuffled(rows, rng).filter(|row| is_usable(row, false)).filter_map(|row| {
        let name = zone.node_name(&row.node)?;
        let data = Address::read(zone.preference.of_node(&row.node)).and_then(|a| address_data(&a, RecordType::Any));
        let owner = Owner::Name(context.settings.domain.clone());
        let glue = data.map(|data| Record { owner: Owner::Name(name.clone()), ttl, data });
        Some(Group { answer: Record { owner, ttl, data: Data::Ns(name) }, extras: glue.into_iter().collect() })
    });
    let groups: Vec<Group> = groups.take(NAME_SERVERS_MAX).collect();
    let mut draft = Draft::empty(context, Rcode::NoError);
    if context.question.record_type == RecordType::Soa {
        draft.groups.push(Group { answer: soa(context), extras: Vec::new() });
        for group in groups {
            draft.authority.push(group.answer);
            draft.additional.extend(group.extras);
        }
    } else {
        draft.groups = groups;
    }
    draft
}

/// The answer to a reverse question: the first node with the address, else the first instance with it; `None` when
/// nobody has it, which is then a question for recursors.
#[must_use]
pub fn reverse(context: Context<'_>, nodes: &[&Node], services: &[&NodeService]) -> Option<Draft> {
    let zone = Zone::new(context, "");
    let name = nodes
        .iter()
        .find_map(|node| zone.node_name(node))
        .or_else(|| services.iter().find_map(|service| zone.name([service.service.as_str(), "service"])))?;
    let mut draft = Draft::empty(context, Rcode::NoError);
    draft.push(Owner::Question, 0, Data::Ptr(name));
    Some(draft)
}

/// The zone as names of one datacenter see it.
struct Zone<'a> {
    asked: &'a Name,
    domain: &'a Name,
    datacenter: &'a str,
    preference: Preference,
    has_meta: bool,
    address_limit: usize,
    answers_wanted: usize,
    record_type: RecordType,
}

impl<'a> Zone<'a> {
    fn new(context: Context<'a>, datacenter: &'a str) -> Self {
        let settings = context.settings;
        let record_type = context.question.record_type;
        let is_remote = !datacenter.is_empty();
        Self {
            asked: &context.question.name,
            domain: &settings.domain,
            datacenter: if is_remote { datacenter } else { &settings.datacenter },
            preference: Preference::new(record_type, is_remote && settings.translate_wan_addresses),
            has_meta: settings.additional_node_meta,
            address_limit: if settings.a_record_limit == 0 { usize::MAX } else { settings.a_record_limit },
            answers_wanted: answers_wanted(context),
            record_type,
        }
    }

    fn own(&self, ttl: u32, data: Data) -> Record {
        Record { owner: Owner::Question, ttl, data }
    }

    /// `<name>.<kind>.<datacenter>.<domain>`; `None` when the parts make no valid name.
    fn name(&self, [name, kind]: [&str; 2]) -> Option<Name> {
        let labels = name.split('.').chain([kind, self.datacenter]).map(str::as_bytes);
        Name::from_labels(labels.chain(self.domain.labels())).ok()
    }

    fn node_name(&self, node: &Node) -> Option<Name> {
        self.name([&node.node, "node"])
    }

    /// `<hex digits>.addr.<datacenter>.<domain>`, a name that spells the address.
    fn address_name(&self, ip: IpAddr) -> Option<Name> {
        let hex = match ip {
            IpAddr::V4(ip) => format!("{:08x}", ip.to_bits()),
            IpAddr::V6(ip) => format!("{:032x}", ip.to_bits()),
        };
        self.name([&hex, "addr"])
    }
}

fn is_usable(row: &CheckServiceNode, only_passing: bool) -> bool {
    row.checks.iter().all(|check| if only_passing { check.is_passing() } else { !check.is_critical() })
}

/// Addresses without duplicates; where no instance has one of the wanted family, the name of one host.
fn add_addresses<'r>(zone: &Zone<'_>, rows: impl Iterator<Item = &'r CheckServiceNode>, ttl: u32, draft: &mut Draft) {
    let mut seen = HashSet::new();
    let mut host = None;
    for row in rows {
        let Some(address) = instance_address(zone, row) else { continue };
        match address_data(&address, zone.record_type) {
            Some(data) => {
                if let Address::Ip(ip) = address
                    && seen.insert(ip)
                {
                    draft.push(Owner::Question, ttl, data);
                    if draft.groups.len() >= zone.address_limit.min(zone.answers_wanted) {
                        return;
                    }
                }
            }
            None => host = host.or_else(|| host_data(&address)),
        }
    }
    if let (true, Some(host)) = (draft.groups.is_empty(), host) {
        draft.push(Owner::Question, ttl, host);
    }
}

/// The address of an instance, else of its node. A service whose address is the very name asked for would be an alias of
/// itself, and is taken to be at its node.
fn instance_address(zone: &Zone<'_>, row: &CheckServiceNode) -> Option<Address> {
    let node = || Address::read(zone.preference.of_node(&row.node));
    match zone.preference.of_service(&row.service) {
        "" => node(),
        address => match Address::read(address) {
            Some(Address::Host(name)) if name.is_same(zone.asked) => node(),
            address => address,
        },
    }
}

/// The record of an IP address, if a question for the type takes it. `ANY` and `TXT` take both families.
fn address_data(address: &Address, record_type: RecordType) -> Option<Data> {
    let takes = |family| [family, RecordType::Any, RecordType::Txt].contains(&record_type);
    match address {
        Address::Ip(IpAddr::V4(ip)) if takes(RecordType::A) => Some(Data::A(*ip)),
        Address::Ip(IpAddr::V6(ip)) if takes(RecordType::Aaaa) => Some(Data::Aaaa(*ip)),
        _ => None,
    }
}

fn host_data(address: &Address) -> Option<Data> {
    match address {
        Address::Host(name) => Some(Data::Cname(name.clone())),
        Address::Ip(_) => None,
    }
}

fn srv_groups<'r>(zone: &Zone<'_>, rows: impl Iterator<Item = &'r CheckServiceNode>, ttl: u32) -> Vec<Group> {
    let mut seen = HashSet::new();
    let distinct = rows.filter(|row| {
        let service = &*row.service;
        seen.insert((&*row.node.node, service.address.as_str(), service.port))
    });
    distinct.filter_map(|row| srv_group(zone, row, ttl)).take(zone.answers_wanted).collect()
}

/// The SRV record of an instance, with the address of its target and the metadata of its node.
fn srv_group(zone: &Zone<'_>, row: &CheckServiceNode, ttl: u32) -> Option<Group> {
    let own = zone.preference.of_service(&row.service);
    let node_address = zone.preference.of_node(&row.node);
    let address = Address::read(if own.is_empty() { node_address } else { own })?;
    let is_plain_node = own.is_empty() && node_address == row.node.address;
    let target = match &address {
        Address::Host(name) => name.clone(),
        // A node whose name cannot be spelled in DNS is still reached by its address.
        Address::Ip(ip) if is_plain_node => zone.node_name(&row.node).or_else(|| zone.address_name(*ip))?,
        Address::Ip(ip) => zone.address_name(*ip)?,
    };
    let mut extras = Vec::new();
    if let Some(data) = address_data(&address, RecordType::Any) {
        extras.push(Record { owner: Owner::Name(target.clone()), ttl, data });
    }
    if let (true, Some(owner)) = (zone.has_meta, zone.node_name(&row.node)) {
        let meta = node_meta(&row.node);
        extras.extend(meta.map(|text| Record { owner: Owner::Name(owner.clone()), ttl, data: Data::Txt(text) }));
    }
    let port = u16::try_from(row.service.port).unwrap_or_default();
    let data = Data::Srv { priority: 1, weight: weight(row), port, target };
    Some(Group { answer: zone.own(ttl, data), extras })
}

fn weight(row: &CheckServiceNode) -> u16 {
    let warns = row.checks.iter().any(|check| check.status == "warning");
    let weight = if warns { row.service.weights.warning } else { row.service.weights.passing };
    weight.clamp(0, i64::from(u16::MAX)) as u16
}

/// The texts of a node's metadata: `key=value`, or the value alone for keys that ask for it.
fn node_meta(node: &Node) -> impl Iterator<Item = String> {
    node.meta.iter().flatten().map(|(key, value)| {
        let is_bare = key.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("rfc1035-"));
        if is_bare { value.clone() } else { format!("{key}={value}") }
    })
}
