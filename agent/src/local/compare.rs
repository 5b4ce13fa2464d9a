//! Anti-entropy as pure functions: what differs between this agent and the catalog, and the writes that end it.
//!
//! The agent decides about its own node: what it does not know is removed from the catalog, except the server's own
//! service and the check that mirrors the gossip pool, which the leader keeps.

use std::sync::Arc;

use model::{
    CheckId, Deregistration, HealthCheck, Node, NodeService, NodeServices, Registration, SERF_CHECK_ID, ServiceId,
    TextMap, Token,
};
use server::request::Write;

use super::limits::{REGISTRATION_BYTES_PER_WRITE_MAX, REGISTRATIONS_PER_WRITE_MAX};
use super::registry::{CheckEntry, Registry, ServiceEntry};

/// Id of the service that the leader registers for each server.
const CONSUL_SERVICE_ID: &str = "consul";

/// What the catalog has for this node, or `None` when it does not know the node.
pub type Dump = Option<(NodeServices, Vec<Arc<HealthCheck>>)>;

/// What differs between the registry and the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The node's own record.
    pub node: bool,
    /// Services to write.
    pub services: Vec<ServiceId>,
    /// Checks to write.
    pub checks: Vec<CheckId>,
    /// Services to remove.
    pub unknown_services: Vec<ServiceId>,
    /// Checks to remove.
    pub unknown_checks: Vec<CheckId>,
    /// Services whose tags are taken over from the catalog (`EnableTagOverride`).
    pub overridden_tags: Vec<(ServiceId, Vec<String>)>,
}

/// Compares all that is registered here with what the catalog has.
#[must_use]
pub fn compare(registry: &Registry, node: &Node, catalog: &Dump) -> Differences {
    let Some((catalog_node, catalog_checks)) = catalog else {
        return Differences {
            node: true,
            services: registry.services().keys().cloned().collect(),
            checks: registry.checks().keys().cloned().collect(),
            ..Differences::default()
        };
    };
    let mut found = Differences { node: !is_same_node(node, &catalog_node.node), ..Differences::default() };
    for (id, entry) in registry.services() {
        match catalog_node.services.get(&**id) {
            None => found.services.push(id.clone()),
            Some(theirs) => compare_service(&entry.service, theirs, &mut found),
        }
    }
    for theirs in catalog_node.services.values() {
        if &*theirs.id != CONSUL_SERVICE_ID && !registry.services().contains_key(&theirs.id) {
            found.unknown_services.push(theirs.id.clone());
        }
    }
    for (id, entry) in registry.checks() {
        let theirs = catalog_checks.iter().find(|check| check.check_id == *id);
        if !theirs.is_some_and(|theirs| is_same_check(entry, theirs)) {
            found.checks.push(id.clone());
        }
    }
    for theirs in catalog_checks {
        // The checks of a removed service go with it.
        let goes_anyway = found.unknown_services.contains(&theirs.service_id);
        if &*theirs.check_id != SERF_CHECK_ID && !goes_anyway && !registry.checks().contains_key(&theirs.check_id) {
            found.unknown_checks.push(theirs.check_id.clone());
        }
    }
    found
}

fn compare_service(ours: &NodeService, theirs: &NodeService, found: &mut Differences) {
    let tags_are_theirs = ours.enable_tag_override;
    if tags_are_theirs && ours.tags != theirs.tags {
        found.overridden_tags.push((ours.id.clone(), theirs.tags.clone()));
    }
    let same = ours.kind == theirs.kind
        && ours.service == theirs.service
        && (tags_are_theirs || ours.tags == theirs.tags)
        && ours.address == theirs.address
        && ours.tagged_addresses == theirs.tagged_addresses
        && is_same_map(ours.meta.as_ref(), theirs.meta.as_ref())
        && ours.port == theirs.port
        && ours.weights == theirs.weights
        && ours.enable_tag_override == theirs.enable_tag_override
        && ours.proxy == theirs.proxy
        && ours.connect == theirs.connect;
    if !same {
        found.services.push(ours.id.clone());
    }
}

/// The name and tags of the check's service are the catalog's own copy, so they do not count; an output that waits for
/// its time does not count either.
fn is_same_check(entry: &CheckEntry, theirs: &HealthCheck) -> bool {
    let ours = &entry.check;
    ours.name == theirs.name
        && ours.status == theirs.status
        && ours.notes == theirs.notes
        && (entry.output_due.is_some() || ours.output == theirs.output)
        && ours.service_id == theirs.service_id
        && ours.kind == theirs.kind
}

fn is_same_node(ours: &Node, theirs: &Node) -> bool {
    ours.id.eq_ignore_ascii_case(&theirs.id)
        && ours.address == theirs.address
        && is_same_map(ours.tagged_addresses.as_ref(), theirs.tagged_addresses.as_ref())
        && is_same_map(ours.meta.as_ref(), theirs.meta.as_ref())
}

fn is_same_map(ours: Option<&TextMap>, theirs: Option<&TextMap>) -> bool {
    let empty = TextMap::new();
    ours.unwrap_or(&empty) == theirs.unwrap_or(&empty)
}

/// One write to the servers, with what the catalog has once it is done.
#[derive(Clone, Debug)]
pub struct Push {
    /// Token to write with; empty for the agent's own.
    pub token: Token,
    /// The write.
    pub write: Write,
    /// What it settles.
    pub settles: Settled,
}

/// What a write settles, with the revisions it was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The node's record.
    pub node: bool,
    /// Services written.
    pub services: Vec<(ServiceId, u64)>,
    /// Checks written.
    pub checks: Vec<(CheckId, u64)>,
    /// A service removed.
    pub gone_service: Option<ServiceId>,
    /// A check removed.
    pub gone_check: Option<CheckId>,
}

impl Registry {
    /// Takes over the result of a comparison: afterwards exactly what differs is out of sync.
    pub fn absorb(&mut self, found: Differences) {
        self.node_in_sync = !found.node;
        for (id, tags) in found.overridden_tags {
            if let Some(entry) = self.services.get_mut(&id) {
                Arc::make_mut(&mut entry.service).tags = tags;
            }
        }
        for (id, entry) in &mut self.services {
            entry.in_sync = !found.services.contains(id);
        }
        for (id, entry) in &mut self.checks {
            entry.in_sync = !found.checks.contains(id);
        }
        // What was removed here and is gone there too needs no further write.
        self.gone_services.retain(|id, _| found.unknown_services.contains(id));
        self.gone_checks.retain(|id, _| found.unknown_checks.contains(id));
        for id in found.unknown_services {
            self.gone_services.entry(id).or_default();
        }
        for id in found.unknown_checks {
            self.gone_checks.entry(id).or_default();
        }
    }

    /// Marks as written what a push settled, unless it changed meanwhile.
    pub fn settle(&mut self, settled: &Settled) {
        self.node_in_sync |= settled.node;
        for (id, revision) in &settled.services {
            if let Some(entry) = self.services.get_mut(id).filter(|entry| entry.revision == *revision) {
                entry.in_sync = true;
            }
        }
        for (id, revision) in &settled.checks {
            if let Some(entry) = self.checks.get_mut(id).filter(|entry| entry.revision == *revision) {
                entry.in_sync = true;
            }
        }
        if let Some(id) = &settled.gone_service {
            self.gone_services.remove(id);
        }
        if let Some(id) = &settled.gone_check {
            self.gone_checks.remove(id);
        }
    }

    /// The writes that bring the catalog up to date, removals first; registrations of one token go together.
    #[must_use]
    pub fn pending(&self, node: &Node) -> Vec<Push> {
        let mut pushes: Vec<Push> = self.pending_removals(node);
        let mut batches: Vec<Batch> = Vec::new();
        for entry in self.services.values().filter(|entry| !entry.in_sync) {
            let checks: Vec<&CheckEntry> = self
                .checks
                .values()
                .filter(|check| !check.in_sync && check.check.service_id == entry.service.id)
                .filter(|check| check.token == entry.token)
                .collect();
            batch_of(&mut batches, &entry.token).add_service(node, entry, &checks);
        }
        for entry in self.checks.values().filter(|entry| !entry.in_sync) {
            let with_its_service = self
                .services
                .get(&entry.check.service_id)
                .is_some_and(|service| !service.in_sync && service.token == entry.token);
            if !with_its_service {
                batch_of(&mut batches, &entry.token).add_check(node, entry);
            }
        }
        if !self.node_in_sync {
            let mut batch = Batch::new(Token::default());
            batch.settles.node = true;
            batch.registrations.push(Registration { skip_node_update: false, ..registration_of(node) });
            batches.insert(0, batch);
        }
        pushes.extend(batches.into_iter().filter_map(Batch::finish));
        pushes
    }

    fn pending_removals(&self, node: &Node) -> Vec<Push> {
        let removal = |token: &Token, service_id: ServiceId, check_id: CheckId, settles: Settled| {
            let (node, datacenter) = (node.node.clone(), node.datacenter.clone());
            let write = Write::Deregister(Deregistration { node, service_id, check_id, datacenter });
            Push { token: token.clone(), write, settles }
        };
        let mut pushes = Vec::new();
        for (id, token) in &self.gone_services {
            let settles = Settled { gone_service: Some(id.clone()), ..Settled::default() };
            pushes.push(removal(token, id.clone(), CheckId::default(), settles));
        }
        for (id, token) in &self.gone_checks {
            let settles = Settled { gone_check: Some(id.clone()), ..Settled::default() };
            pushes.push(removal(token, ServiceId::default(), id.clone(), settles));
        }
        pushes
    }
}

fn registration_of(node: &Node) -> Registration {
    Registration {
        id: node.id.clone(),
        node: node.node.clone(),
        address: node.address.clone(),
        datacenter: node.datacenter.clone(),
        tagged_addresses: node.tagged_addresses.clone(),
        node_meta: node.meta.clone(),
        skip_node_update: true,
        ..Registration::default()
    }
}

struct Batch {
    token: Token,
    registrations: Vec<Registration>,
    bytes: usize,
    settles: Settled,
}

/// The last batch of the token if it has room, else a new one.
fn batch_of<'a>(batches: &'a mut Vec<Batch>, token: &Token) -> &'a mut Batch {
    let open = batches.iter().rposition(|batch| batch.token == *token && batch.has_room());
    let at = open.unwrap_or_else(|| {
        batches.push(Batch::new(token.clone()));
        batches.len() - 1
    });
    &mut batches[at]
}

impl Batch {
    fn new(token: Token) -> Self {
        Self { token, registrations: Vec::new(), bytes: 0, settles: Settled::default() }
    }

    fn has_room(&self) -> bool {
        self.registrations.len() < REGISTRATIONS_PER_WRITE_MAX && self.bytes < REGISTRATION_BYTES_PER_WRITE_MAX
    }

    fn add_service(&mut self, node: &Node, entry: &ServiceEntry, checks: &[&CheckEntry]) {
        self.bytes += weight_of_service(&entry.service);
        self.settles.services.push((entry.service.id.clone(), entry.revision));
        for check in checks {
            self.bytes += weight_of_check(&check.check);
            self.settles.checks.push((check.check.check_id.clone(), check.revision));
        }
        self.registrations.push(Registration {
            service: Some((*entry.service).clone()),
            checks: checks.iter().map(|check| (*check.check).clone()).collect(),
            ..registration_of(node)
        });
    }

    fn add_check(&mut self, node: &Node, entry: &CheckEntry) {
        self.bytes += weight_of_check(&entry.check);
        self.settles.checks.push((entry.check.check_id.clone(), entry.revision));
        self.registrations.push(Registration { check: Some((*entry.check).clone()), ..registration_of(node) });
    }

    fn finish(self) -> Option<Push> {
        let mut registrations = self.registrations;
        let write = match registrations.len() {
            0 => return None,
            1 => Write::Register(registrations.remove(0)),
            _ => Write::RegisterAll(registrations),
        };
        Some(Push { token: self.token, write, settles: self.settles })
    }
}

impl Push {
    /// The same as single registrations, for when the servers refuse some of a batch. A push of one is itself.
    #[must_use]
    pub fn split(self) -> Vec<Self> {
        let Write::RegisterAll(registrations) = self.write else { return vec![self] };
        let (token, settles) = (self.token, self.settles);
        let single = |registration: Registration| {
            let names_service = |id: &ServiceId| registration.service.as_ref().is_some_and(|service| service.id == *id);
            let names_check =
                |id: &CheckId| registration.check.iter().chain(&registration.checks).any(|check| check.check_id == *id);
            let settles = Settled {
                services: settles.services.iter().filter(|(id, _)| names_service(id)).cloned().collect(),
                checks: settles.checks.iter().filter(|(id, _)| names_check(id)).cloned().collect(),
                ..Settled::default()
            };
            Self { token: token.clone(), write: Write::Register(registration), settles }
        };
        registrations.into_iter().map(single).collect()
    }
}

/// Roughly the bytes of a service in a write.
fn weight_of_service(service: &NodeService) -> usize {
    let meta: usize = service.meta.iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
    let tags: usize = service.tags.iter().map(String::len).sum();
    512 + meta + tags + service.proxy.as_object().map_or(0, |proxy| proxy.len() * 64)
}

/// Roughly the bytes of a check in a write.
fn weight_of_check(check: &HealthCheck) -> usize {
    let tags: usize = check.service_tags.iter().map(String::len).sum();
    256 + check.output.len() + check.notes.len() + tags
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    use model::Status;

    use super::super::build::{build_service, build_service_checks};
    use super::super::registry::{OutputDelay, Source};
    use super::super::spec::ServiceSpec;
    use super::*;

    fn node() -> Node {
        let meta = TextMap::from([("consul-network-segment".to_owned(), String::new())]);
        Node { id: "an-id".into(), node: "n1".into(), address: "127.0.0.1".into(), meta: Some(meta), ..Node::default() }
    }

    fn register(registry: &mut Registry, json: &str) {
        let spec: ServiceSpec = serde_json::from_str(json).expect("a test's own JSON");
        let service = build_service(&spec).expect("valid");
        let checks = build_service_checks(&node().node, &service, &spec).expect("valid checks");
        registry.put_service(service, spec.token.clone(), Source::Remote);
        for check in checks {
            registry.put_check(check, spec.token.clone(), Source::Remote, Instant::now());
        }
    }

    fn registry() -> Registry {
        let mut registry = Registry::default();
        register(&mut registry, r#"{"Name":"web","Port":80,"Tags":["a"],"Check":{"TTL":"1m"}}"#);
        register(&mut registry, r#"{"Name":"db","Token":"secret","Check":{"TTL":"1m"}}"#);
        registry
    }

    /// A catalog that holds exactly what the registry has, as the servers would answer it.
    fn catalog_of(registry: &Registry) -> (NodeServices, Vec<Arc<HealthCheck>>) {
        let mut services = BTreeMap::new();
        for entry in registry.services().values() {
            let stored = NodeService { create_index: 7, modify_index: 9, ..(*entry.service).clone() };
            services.insert(entry.service.id.to_string(), Arc::new(stored));
        }
        let consul = NodeService { id: "consul".into(), service: "consul".into(), ..NodeService::default() };
        services.insert("consul".to_owned(), Arc::new(consul));
        let mut checks: Vec<Arc<HealthCheck>> = registry.checks().values().map(|entry| entry.check.clone()).collect();
        let serf = HealthCheck { check_id: SERF_CHECK_ID.into(), ..HealthCheck::default() };
        checks.push(Arc::new(serf));
        (NodeServices { node: Arc::new(node()), services }, checks)
    }

    #[test]
    fn an_equal_catalog_needs_no_write() {
        let mut registry = registry();
        let found = compare(&registry, &node(), &Some(catalog_of(&registry)));
        assert_eq!(found, Differences::default());
        registry.absorb(found);
        assert!(registry.pending(&node()).is_empty());
    }

    #[test]
    fn an_unknown_node_gets_everything_in_one_write_for_each_token() {
        let mut registry = registry();
        let found = compare(&registry, &node(), &None);
        registry.absorb(found);
        let pushes = registry.pending(&node());
        assert_eq!(pushes.len(), 3, "the node, then one write for each token");
        assert!(pushes[0].settles.node);
        for push in &pushes[1..] {
            let Write::Register(registration) = &push.write else { panic!("one service each") };
            assert!(registration.skip_node_update);
            let service = registration.service.as_ref().expect("a service");
            assert_eq!(registration.checks.len(), 1, "its check goes with it");
            assert_eq!(push.token.secret().is_empty(), &*service.id == "web");
        }
        for push in &pushes {
            registry.settle(&push.settles);
        }
        assert!(registry.pending(&node()).is_empty());
    }

    #[test]
    fn only_what_differs_is_written() {
        let mut registry = registry();
        let (mut theirs, mut checks) = catalog_of(&registry);
        Arc::make_mut(theirs.services.get_mut("web").expect("there")).port = 81;
        let alien = NodeService { id: "alien".into(), service: "alien".into(), ..NodeService::default() };
        theirs.services.insert("alien".to_owned(), Arc::new(alien));
        for (id, service) in [("of-alien", "alien"), ("of-node", "")] {
            let check = HealthCheck { check_id: id.into(), service_id: service.into(), ..HealthCheck::default() };
            checks.push(Arc::new(check));
        }
        let found = compare(&registry, &node(), &Some((theirs, checks)));
        assert_eq!(found.services, [ServiceId::from("web")]);
        assert_eq!(found.unknown_services, [ServiceId::from("alien")], "neither consul nor what is ours");
        assert_eq!(found.unknown_checks, [CheckId::from("of-node")], "neither serfHealth nor the checks of alien");
        assert!(!found.node && found.checks.is_empty());
        registry.absorb(found);
        let writes: Vec<Write> = registry.pending(&node()).into_iter().map(|push| push.write).collect();
        assert_eq!(writes.len(), 3);
        assert!(matches!(&writes[0], Write::Deregister(gone) if &*gone.service_id == "alien"));
        assert!(matches!(&writes[1], Write::Deregister(gone) if &*gone.check_id == "of-node"));
        assert!(matches!(&writes[2], Write::Register(one) if one.checks.is_empty()));
    }

    #[test]
    fn overridden_tags_are_taken_over_and_not_written_back() {
        let mut registry = Registry::default();
        register(&mut registry, r#"{"Name":"web","Tags":["ours"],"EnableTagOverride":true}"#);
        let (mut theirs, checks) = catalog_of(&registry);
        Arc::make_mut(theirs.services.get_mut("web").expect("there")).tags = vec!["theirs".to_owned()];
        let found = compare(&registry, &node(), &Some((theirs, checks)));
        assert!(found.services.is_empty());
        registry.absorb(found);
        assert_eq!(registry.services()[&ServiceId::from("web")].service.tags, ["theirs"]);
        assert!(registry.pending(&node()).is_empty());
    }

    #[test]
    fn an_output_that_waits_is_no_difference() {
        let mut registry = registry();
        let catalog = Some(catalog_of(&registry));
        let (id, now) = (CheckId::from("service:web"), Instant::now());
        let delay = OutputDelay::After(Duration::from_secs(60));
        registry.set_result(&id, Status::Critical, "new", delay, now);
        assert!(compare(&registry, &node(), &catalog).checks.is_empty());
        registry.release_outputs(now + Duration::from_secs(60));
        assert_eq!(compare(&registry, &node(), &catalog).checks, [id]);
    }

    #[test]
    fn a_change_during_a_write_is_written_again() {
        let mut registry = registry();
        registry.absorb(Differences::default());
        let id = CheckId::from("service:web");
        registry.set_result(&id, Status::Passing, "", OutputDelay::None, Instant::now());
        let [push] = registry.pending(&node()).try_into().expect("one write");
        registry.set_result(&id, Status::Warning, "", OutputDelay::None, Instant::now());
        registry.settle(&push.settles);
        assert_eq!(registry.pending(&node()).len(), 1);
    }

    #[test]
    fn removals_go_with_the_token_of_what_was_removed() {
        let mut registry = registry();
        registry.absorb(Differences::default());
        registry.remove_check(&"service:db".into());
        registry.remove_service(&"db".into());
        let pushes = registry.pending(&node());
        assert_eq!(pushes.len(), 2);
        assert!(pushes.iter().all(|push| push.token == Token::new("secret")));
        for push in &pushes {
            registry.settle(&push.settles);
        }
        assert!(registry.pending(&node()).is_empty());
    }

    #[test]
    fn many_services_go_in_batches_that_can_be_split() {
        let mut registry = Registry::default();
        for at in 0..REGISTRATIONS_PER_WRITE_MAX + 1 {
            register(&mut registry, &format!(r#"{{"Name":"s{at}","Check":{{"TTL":"1m"}}}}"#));
        }
        registry.node_in_sync = true;
        let pushes = registry.pending(&node());
        assert_eq!(pushes.len(), 2);
        let singles = pushes[0].clone().split();
        assert_eq!(singles.len(), REGISTRATIONS_PER_WRITE_MAX);
        for single in &singles {
            assert_eq!((single.settles.services.len(), single.settles.checks.len()), (1, 1));
        }
    }
}
