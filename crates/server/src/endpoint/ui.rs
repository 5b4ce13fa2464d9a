//! `/v1/internal/ui`: the catalog as an overview needs it. The rows are made for the caller: what it may not see is neither
//! shown nor counted.

use std::collections::BTreeMap;

use filter::Filter;
use model::{HealthCheck, Json, Node, NodeService};
use serde::Serialize;
use serde_json::json;
use state::{Instance, View};

use super::failed;
use crate::acl::Caller;
use crate::acl::rows::sees;
use crate::filter_rows::{HealthRow, NodeRow};
use crate::request::{RequestError, UiQuery};

/// Key of the metadata by which tools that copy services from elsewhere name themselves.
const EXTERNAL_SOURCE: &str = "external-source";

/// The document that answers a question, `None` when there is no node of the name.
pub(super) fn evaluate(
    view: &View,
    caller: &Caller,
    query: &UiQuery,
    filter: Option<&Filter>,
) -> Result<Option<Json>, RequestError> {
    let encoded = match query {
        UiQuery::Services => serde_json::to_value(services(view, caller, filter)),
        UiQuery::Nodes => serde_json::to_value(nodes(view, caller, filter)),
        UiQuery::Node { node } => {
            let found = view.node(node).and_then(|node| dump(view, caller, node));
            return found.map(serde_json::to_value).transpose().map_err(unencodable);
        }
    };
    encoded.map(Some).map_err(unencodable)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unencodable(error: serde_json::Error) -> RequestError {
    failed(format!("the answer cannot be encoded: {error}"))
}

/// A service with the sums over its instances.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    name: &'a str,
    tags: Option<Vec<&'a str>>,
    nodes: Vec<&'a str>,
    instance_count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    proxy_for: Vec<String>,
    checks_passing: usize,
    checks_warning: usize,
    checks_critical: usize,
    external_sources: Option<Vec<&'a str>>,
    gateway_config: Json,
}

fn services<'a>(view: &'a View, caller: &Caller, filter: Option<&Filter>) -> Vec<Summary<'a>> {
    let mut by_name: BTreeMap<&str, Summary<'a>> = BTreeMap::new();
    let wanted = |instance: &&std::sync::Arc<Instance>| {
        sees(caller, &instance.node.node, &instance.service.service)
            && filter.is_none_or(|filter| filter.matches(&HealthRow(&instance.row())))
    };
    for instance in view.instances().filter(wanted) {
        let name: &str = &instance.service.service;
        by_name
            .entry(name)
            .or_insert_with(|| Summary { name, gateway_config: json!({}), ..Summary::default() })
            .add(instance);
    }
    by_name.into_values().map(Summary::sorted).collect()
}

impl<'a> Summary<'a> {
    fn add(&mut self, instance: &'a Instance) {
        let service = &*instance.service;
        self.kind = &service.kind;
        self.nodes.push(&instance.node.node);
        self.instance_count += 1;
        if !service.tags.is_empty() {
            self.tags.get_or_insert_default().extend(service.tags.iter().map(String::as_str));
        }
        if !service.kind.is_empty()
            && let Some(destination) = service.mesh_destination()
        {
            self.proxy_for.push(destination.to_string());
        }
        let source = service.meta.as_ref().and_then(|meta| meta.get(EXTERNAL_SOURCE));
        if let Some(source) = source.filter(|source| !source.is_empty()) {
            self.external_sources.get_or_insert_default().push(source);
        }
        for check in instance.checks.iter() {
            match check.status.as_str() {
                "passing" => self.checks_passing += 1,
                "warning" => self.checks_warning += 1,
                _ => self.checks_critical += 1,
            }
        }
    }

    /// Every tag, source and destination once, in order. Nodes are one for each instance, as in Consul.
    fn sorted(mut self) -> Self {
        for list in [&mut self.tags, &mut self.external_sources].into_iter().flatten() {
            list.sort_unstable();
            list.dedup();
        }
        self.proxy_for.sort_unstable();
        self.proxy_for.dedup();
        self.nodes.sort_unstable();
        self
    }
}

/// A node with all that is on it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dump<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    tagged_addresses: &'a Option<model::TextMap>,
    meta: &'a Option<model::TextMap>,
    services: Vec<Row<'a, NodeService>>,
    checks: Vec<Row<'a, HealthCheck>>,
}

/// A stored row under the name of its list of tags. These endpoints of Consul show no tags as `null`, all others as `[]`.
#[derive(Debug)]
struct Row<'a, T> {
    row: &'a T,
    tags: &'static str,
}

impl<T: Serialize> Serialize for Row<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(self.row).map_err(serde::ser::Error::custom)?;
        if let Some(tags) = value.get_mut(self.tags).filter(|tags| tags.as_array().is_some_and(Vec::is_empty)) {
            *tags = Json::Null;
        }
        value.serialize(serializer)
    }
}

fn nodes<'a>(view: &'a View, caller: &Caller, filter: Option<&Filter>) -> Vec<Dump<'a>> {
    let wanted = |node: &&std::sync::Arc<Node>| filter.is_none_or(|filter| filter.matches(&NodeRow(node)));
    view.nodes().filter(wanted).filter_map(|node| dump(view, caller, node)).collect()
}

fn dump<'a>(view: &'a View, caller: &Caller, node: &'a Node) -> Option<Dump<'a>> {
    if !sees(caller, &node.node, "") {
        return None;
    }
    let services = view.instances_on(&node.node).filter(|it| sees(caller, &node.node, &it.service.service));
    let checks = view.checks_on(&node.node).filter(|check| sees(caller, &node.node, &check.service_name));
    Some(Dump {
        id: &node.id,
        node: &node.node,
        address: &node.address,
        tagged_addresses: &node.tagged_addresses,
        meta: &node.meta,
        services: services.map(|instance| Row { row: &*instance.service, tags: "Tags" }).collect(),
        checks: checks.map(|check| Row { row: &**check, tags: "ServiceTags" }).collect(),
    })
}
