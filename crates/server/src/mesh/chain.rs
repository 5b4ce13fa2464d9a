//! The discovery chain of a service: from its router over splitters to resolvers and the targets where instances are
//! found. Pure: config entries in, a graph or the text of what is wrong with them out.

use std::collections::{BTreeMap, BTreeSet};

use model::{ConfigEntry, DEFAULT_NAMESPACE, EntryKind, Json, ServiceName, WILDCARD, parse_nanos};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::graph::{Entries, text};

/// How long a connection may take to be made when nothing says so, nanoseconds.
const CONNECT_TIMEOUT_DEFAULT: i64 = 5_000_000_000;

/// What a caller wants otherwise than the entries say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// Protocol; empty for none.
    pub protocol: String,
    /// Time for making a connection, nanoseconds; 0 for none.
    pub connect_timeout: i64,
    /// Mode of mesh gateways; empty for none.
    pub mesh_gateway: String,
}

/// A compiled chain.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) service: String,
    pub(super) datacenter: String,
    pub(super) protocol: String,
    pub(super) start: String,
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) targets: BTreeMap<String, Target>,
    /// The overrides that made a difference.
    pub(super) customized: Overrides,
}

/// A node of the graph.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Routes with the node that follows.
    Router(Vec<(Json, String)>),
    /// Weights in hundredths of a percent with the node that follows.
    Splitter(Vec<(i64, String)>),
    /// A target with what is tried when it fails.
    Resolver(Resolver),
}

#[derive(Clone, Debug)]
pub(super) struct Resolver {
    pub(super) is_default: bool,
    pub(super) connect_timeout: i64,
    pub(super) target: String,
    pub(super) failover: Vec<String>,
}

/// Where instances are found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Target {
    pub(super) service: String,
    pub(super) subset: String,
    pub(super) namespace: String,
    pub(super) datacenter: String,
    pub(super) mesh_gateway: String,
    pub(super) subset_definition: Json,
    pub(super) external_sni: String,
}

impl Target {
    pub(super) fn id(&self) -> String {
        let plain = format!("{}.{}.{}", self.service, self.namespace, self.datacenter);
        if self.subset.is_empty() { plain } else { format!("{}.{plain}", self.subset) }
    }

    /// The target that a redirect or failover names; what it leaves out stays.
    fn rewritten(&self, rule: &Json, datacenter: &str) -> Self {
        let mut target = Self {
            service: self.service.clone(),
            subset: self.subset.clone(),
            namespace: self.namespace.clone(),
            datacenter: self.datacenter.clone(),
            ..Self::default()
        };
        let (service, subset, namespace) =
            (text(rule, "Service"), text(rule, "ServiceSubset"), text(rule, "Namespace"));
        if !service.is_empty() && service != target.service {
            service.clone_into(&mut target.service);
            // A subset of one service means nothing in another.
            target.subset.clear();
        }
        if !subset.is_empty() {
            subset.clone_into(&mut target.subset);
        }
        if !namespace.is_empty() {
            namespace.clone_into(&mut target.namespace);
        }
        if !datacenter.is_empty() {
            datacenter.clone_into(&mut target.datacenter);
        }
        target
    }
}

/// Compiles the chain of a service as seen from a datacenter. Who asks is in its own, and gets there without gateways.
pub(super) fn compile(
    entries: &Entries<'_>,
    service: &ServiceName,
    datacenter: &str,
    own_datacenter: &str,
    overrides: &Overrides,
) -> Result<Chain, String> {
    let mut compiler = Compiler {
        entries,
        service: service.to_string(),
        datacenter: datacenter.to_owned(),
        own_datacenter,
        overrides,
        protocol: String::new(),
        is_advanced: false,
        nodes: BTreeMap::new(),
        targets: BTreeMap::new(),
        customized: Overrides::default(),
    };
    let start = compiler.assemble()?;
    compiler.refuse_circles(&start, &mut Vec::new())?;
    compiler.flatten_splitters();
    compiler.drop_unused(&start);
    let natural = if compiler.protocol.is_empty() { "tcp".to_owned() } else { std::mem::take(&mut compiler.protocol) };
    let mut protocol = natural.clone();
    if !overrides.protocol.is_empty() && overrides.protocol != natural {
        compiler.customized.protocol.clone_from(&overrides.protocol);
        protocol.clone_from(&overrides.protocol);
    }
    if compiler.is_advanced && !is_http_like(&protocol) {
        return Err(format!(
            "discovery chain \"{service}\" uses a protocol \"{protocol}\" that does not permit advanced routing or \
             splitting behavior"
        ));
    }
    Ok(Chain {
        service: compiler.service,
        datacenter: compiler.datacenter,
        protocol,
        start,
        nodes: compiler.nodes,
        targets: compiler.targets,
        customized: compiler.customized,
    })
}

fn is_http_like(protocol: &str) -> bool {
    matches!(protocol, "http" | "http2" | "grpc")
}

struct Compiler<'a> {
    entries: &'a Entries<'a>,
    service: String,
    datacenter: String,
    own_datacenter: &'a str,
    overrides: &'a Overrides,
    protocol: String,
    is_advanced: bool,
    nodes: BTreeMap<String, Node>,
    targets: BTreeMap<String, Target>,
    customized: Overrides,
}

impl Compiler<'_> {
    /// An override to a protocol without requests turns routing and splitting off.
    fn may_route(&self) -> bool {
        self.overrides.protocol.is_empty() || is_http_like(&self.overrides.protocol)
    }

    fn target(&self, service: &str, subset: &str) -> Target {
        Target {
            service: service.to_owned(),
            subset: subset.to_owned(),
            namespace: DEFAULT_NAMESPACE.to_owned(),
            datacenter: self.datacenter.clone(),
            ..Target::default()
        }
    }

    fn assemble(&mut self) -> Result<String, String> {
        let own = self.service.clone();
        let router = self.entries.get(EntryKind::ServiceRouter, &own).filter(|_| self.may_route()).cloned();
        let Some(router) = router else { return self.splitter_or_resolver(&own) };
        self.is_advanced = true;
        self.record_protocol(&own)?;
        let mut routes = Vec::new();
        for route in router.fields.get("Routes").and_then(Json::as_array).into_iter().flatten() {
            let destination = route.get("Destination").unwrap_or(&Json::Null);
            let (service, subset) = (text(destination, "Service"), text(destination, "ServiceSubset"));
            let service = if service.is_empty() { &own } else { service };
            let next = if subset.is_empty() {
                self.splitter_or_resolver(service)?
            } else {
                let target = self.target(service, subset);
                self.resolver(target, false)?
            };
            routes.push((route.clone(), next));
        }
        let rest = json!({
            "Match": {"HTTP": {"PathPrefix": "/"}},
            "Destination": {"Service": own, "Namespace": DEFAULT_NAMESPACE},
        });
        let next = self.splitter_or_resolver(&own)?;
        routes.push((rest, next));
        let key = format!("router:{own}.{DEFAULT_NAMESPACE}");
        self.nodes.insert(key.clone(), Node::Router(routes));
        Ok(key)
    }

    fn splitter_or_resolver(&mut self, service: &str) -> Result<String, String> {
        if let Some(splitter) = self.splitter(service)? {
            return Ok(splitter);
        }
        let target = self.target(service, "");
        self.resolver(target, false)
    }

    fn splitter(&mut self, service: &str) -> Result<Option<String>, String> {
        let key = format!("splitter:{service}.{DEFAULT_NAMESPACE}");
        if self.nodes.contains_key(&key) {
            return Ok(Some(key));
        }
        let entry = self.entries.get(EntryKind::ServiceSplitter, service).filter(|_| self.may_route()).cloned();
        let Some(entry) = entry else { return Ok(None) };
        self.is_advanced = true;
        // Known before its splits are followed, so that a circle ends; it is refused afterwards.
        self.nodes.insert(key.clone(), Node::Splitter(Vec::new()));
        let mut splits = Vec::new();
        for split in entry.fields.get("Splits").and_then(Json::as_array).into_iter().flatten() {
            let weight = split.get("Weight").and_then(Json::as_f64).unwrap_or(0.0);
            let weight = (weight * 100.0).round() as i64;
            let other = text(split, "Service");
            let other = if other.is_empty() { service } else { other };
            let nested = if other == service { None } else { self.splitter(other)? };
            let next = match nested {
                Some(next) => next,
                None => {
                    let target = self.target(other, text(split, "ServiceSubset"));
                    self.resolver(target, false)?
                }
            };
            splits.push((weight, next));
        }
        self.nodes.insert(key.clone(), Node::Splitter(splits));
        Ok(Some(key))
    }

    /// All services of a chain must speak one protocol.
    fn record_protocol(&mut self, service: &str) -> Result<(), String> {
        let protocol = self.entries.protocol(service);
        if self.protocol.is_empty() {
            self.protocol = protocol;
        } else if self.protocol != protocol {
            return Err(format!(
                "discovery chain \"{}\" uses inconsistent protocols; service \"{service}\" has \"{protocol}\" which is \
                 not \"{}\"",
                self.service, self.protocol
            ));
        }
        Ok(())
    }

    fn resolver(&mut self, mut target: Target, is_failover: bool) -> Result<String, String> {
        let mut history: Vec<String> = Vec::new();
        loop {
            self.record_protocol(&target.service)?;
            let key = format!("resolver:{}", target.id());
            if self.nodes.contains_key(&key) {
                return Ok(key);
            }
            let entry = self.entries.get(EntryKind::ServiceResolver, &target.service).cloned();
            let field = |name: &str| entry.as_ref().and_then(|entry| entry.fields.get(name));
            if let Some(redirect) = field("Redirect") {
                let next = target.rewritten(redirect, text(redirect, "Datacenter"));
                if next.id() != target.id() {
                    history.push(target.id());
                    if history.contains(&next.id()) {
                        history.push(next.id());
                        return Err(format!("detected circular resolver redirect: [{}]", history.join(" -> ")));
                    }
                    target = next;
                    continue;
                }
            }
            let default = entry.as_ref().map(|entry| entry.text("DefaultSubset")).unwrap_or_default();
            if target.subset.is_empty() && !default.is_empty() {
                default.clone_into(&mut target.subset);
                continue;
            }
            let definition = field("Subsets").and_then(|subsets| subsets.get(&target.subset));
            if !target.subset.is_empty() && definition.is_none() {
                let (service, subset) = (&target.service, &target.subset);
                return Err(format!("service \"{service}\" does not have a subset named \"{subset}\""));
            }
            target.subset_definition = definition.cloned().unwrap_or_else(|| json!({}));
            return self.place_resolver(entry.as_ref(), target, is_failover);
        }
    }

    fn place_resolver(
        &mut self,
        entry: Option<&ConfigEntry>,
        mut target: Target,
        is_failover: bool,
    ) -> Result<String, String> {
        let given = entry.map(|entry| entry.text("ConnectTimeout")).unwrap_or_default();
        let given = parse_nanos(given).ok().filter(|nanos| *nanos > 0);
        let mut connect_timeout = given.unwrap_or(CONNECT_TIMEOUT_DEFAULT);
        let wanted = self.overrides.connect_timeout;
        if wanted > 0 && wanted != connect_timeout {
            connect_timeout = wanted;
            self.customized.connect_timeout = wanted;
        }
        self.add_defaults(&mut target);
        let key = format!("resolver:{}", target.id());
        let mut resolver = Resolver {
            is_default: entry.is_none_or(|entry| entry.fields.keys().all(|field| field == "Meta")),
            connect_timeout,
            target: target.id(),
            failover: Vec::new(),
        };
        self.targets.insert(target.id(), target.clone());
        self.nodes.insert(key.clone(), Node::Resolver(resolver.clone()));
        let failover = entry.and_then(|entry| entry.fields.get("Failover"));
        if let Some(failover) = failover.filter(|_| !is_failover) {
            resolver.failover = self.failover(&target, failover)?;
            self.nodes.insert(key.clone(), Node::Resolver(resolver));
        }
        Ok(key)
    }

    fn failover(&mut self, target: &Target, failover: &Json) -> Result<Vec<String>, String> {
        let rule =
            failover.get(&target.subset).filter(|_| !target.subset.is_empty()).or_else(|| failover.get(WILDCARD));
        let Some(rule) = rule else { return Ok(Vec::new()) };
        let datacenters: Vec<&str> =
            rule.get("Datacenters").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
        let datacenters = if datacenters.is_empty() { vec![""] } else { datacenters };
        let mut found = Vec::new();
        for datacenter in datacenters {
            let other = target.rewritten(rule, datacenter);
            if other.id() == target.id() {
                continue;
            }
            let key = self.resolver(other, true)?;
            if let Some(Node::Resolver(resolver)) = self.nodes.get(&key)
                && resolver.target != target.id()
            {
                found.push(resolver.target.clone());
            }
        }
        Ok(found)
    }

    /// What the defaults of the service and of all proxies say about a target.
    fn add_defaults(&mut self, target: &mut Target) {
        let own = self.entries.get(EntryKind::ServiceDefaults, &target.service);
        target.external_sni = own.map(|own| own.text("ExternalSNI").to_owned()).unwrap_or_default();
        if target.datacenter == self.own_datacenter {
            // No gateway is needed to reach what is near.
            return;
        }
        target.mesh_gateway = self.entries.gateway_mode(EntryKind::ServiceDefaults, &target.service);
        if target.mesh_gateway.is_empty() {
            target.mesh_gateway = self.entries.gateway_mode(EntryKind::ProxyDefaults, "global");
        }
        let wanted = &self.overrides.mesh_gateway;
        if !wanted.is_empty() && *wanted != target.mesh_gateway {
            target.mesh_gateway.clone_from(wanted);
            self.customized.mesh_gateway.clone_from(wanted);
        }
    }

    fn refuse_circles(&self, at: &str, path: &mut Vec<String>) -> Result<(), String> {
        let is_seen = path.iter().any(|seen| seen == at);
        path.push(at.to_owned());
        if is_seen {
            return Err(format!("detected circular reference: [{}]", path.join(" -> ")));
        }
        for next in self.nexts(at) {
            self.refuse_circles(&next, path)?;
        }
        path.pop();
        Ok(())
    }

    fn nexts(&self, key: &str) -> Vec<String> {
        match self.nodes.get(key) {
            Some(Node::Router(routes)) => routes.iter().map(|(_, next)| next.clone()).collect(),
            Some(Node::Splitter(splits)) => splits.iter().map(|(_, next)| next.clone()).collect(),
            Some(Node::Resolver(_)) | None => Vec::new(),
        }
    }

    /// Splits that lead to another splitter are replaced by its splits, with the weights multiplied.
    fn flatten_splitters(&mut self) {
        let keys: Vec<String> = self.nodes.keys().cloned().collect();
        for key in keys {
            while let Some(Node::Splitter(splits)) = self.nodes.get(&key) {
                let mut flat = Vec::new();
                let mut is_nested = false;
                for (weight, next) in splits {
                    if let Some(Node::Splitter(inner)) = self.nodes.get(next) {
                        is_nested = true;
                        let scaled = |part: i64| (weight * part + 5_000).div_euclid(10_000);
                        flat.extend(inner.iter().map(|(part, next)| (scaled(*part), next.clone())));
                    } else {
                        flat.push((*weight, next.clone()));
                    }
                }
                if !is_nested {
                    break;
                }
                self.nodes.insert(key.clone(), Node::Splitter(flat));
            }
        }
    }

    fn drop_unused(&mut self, start: &str) {
        let mut used = BTreeSet::new();
        let mut targets = BTreeSet::new();
        let mut pending = vec![start.to_owned()];
        while let Some(key) = pending.pop() {
            if let Some(Node::Resolver(resolver)) = self.nodes.get(&key) {
                targets.insert(resolver.target.clone());
                targets.extend(resolver.failover.iter().cloned());
            }
            if used.insert(key.clone()) {
                pending.extend(self.nexts(&key));
            }
        }
        self.nodes.retain(|key, _| used.contains(key));
        self.targets.retain(|id, _| targets.contains(id));
    }
}
