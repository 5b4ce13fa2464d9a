//! Executing a prepared query in the own datacenter. There is no other that it could fail over to.

use std::sync::Arc;

use model::{CheckServiceNode, PreparedQuery, QueryExecution, ServiceName, ServiceQuery};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use state::{Instance, View};

use super::resolve;
use crate::endpoint::has_meta;
use crate::limits::NEAREST_SEARCHED_MAX;
use crate::near::Near;
use crate::request::{Answer, Asker, ExecuteQuery, RequestError};

/// Executes the query of an id or name. The instances come in an order of `seed`, sorted by distance where that is asked.
pub(in crate::endpoint) fn execute(
    view: &View,
    wanted: &ExecuteQuery,
    datacenter: &str,
) -> Result<Answer, RequestError> {
    let PreparedQuery { service, dns, .. } = resolve(view, &wanted.id_or_name)?;
    let mut nodes: Vec<CheckServiceNode> = instances(view, &service, service.connect || wanted.connect)
        .into_iter()
        .map(|instance| instance.row())
        .collect();
    let mut rng = SmallRng::seed_from_u64(wanted.seed);
    nodes.shuffle(&mut rng);
    let near = near(view, &service, &wanted.asker);
    nodes = Near::new(view, &near).sort(nodes, |row| &row.node.node);
    put_first(&mut nodes, &near);
    if wanted.limit > 0 {
        nodes.truncate(wanted.limit);
    }
    let service = service.service;
    let datacenter = datacenter.to_owned();
    Ok(Answer::Execution(QueryExecution { service, nodes, dns, datacenter, failovers: 0 }))
}

fn instances<'a>(view: &'a View, wanted: &'a ServiceQuery, connect: bool) -> Vec<&'a Arc<Instance>> {
    let name = ServiceName::new(&wanted.service);
    let all: Vec<&Arc<Instance>> = match connect {
        true => view.mesh_instances_of(&name).collect(),
        false => view.instances_of(&name).collect(),
    };
    all.into_iter().filter(|instance| wants(wanted, instance)).collect()
}

fn wants(wanted: &ServiceQuery, instance: &Instance) -> bool {
    let ignored = wanted.ignore_check_ids.as_deref().unwrap_or_default();
    let row = instance.row();
    let mut checks = row.checks.iter().filter(|check| !ignored.contains(&check.check_id));
    let is_healthy = checks.all(|check| if wanted.only_passing { check.is_passing() } else { !check.is_critical() });
    let none = model::TextMap::new();
    is_healthy
        && has_meta(row.node.meta.as_ref(), wanted.node_meta.as_ref().unwrap_or(&none))
        && has_meta(row.service.meta.as_ref(), wanted.service_meta.as_ref().unwrap_or(&none))
        && wanted.tags.iter().flatten().all(|tag| has_tag(&row.service.tags, tag))
}

/// Whether tags hold one, or with `!` in front do not hold it, ignoring case.
fn has_tag(tags: &[String], wanted: &str) -> bool {
    let (name, is_wanted) = wanted.strip_prefix('!').map_or((wanted, true), |name| (name, false));
    tags.iter().any(|tag| tag.to_lowercase() == name.to_lowercase()) == is_wanted
}

/// The node that instances are sorted by distance from; empty for none. What the caller asks for comes first.
fn near(view: &View, service: &ServiceQuery, asker: &Asker) -> String {
    let near = if asker.near.is_empty() { service.near.as_str() } else { &asker.near };
    match near {
        "_agent" => asker.agent.to_string(),
        "_ip" => {
            let node = view.nodes().find(|node| !asker.ip.is_empty() && node.address == asker.ip);
            node.map(|node| node.node.to_string()).unwrap_or_default()
        }
        name => name.to_owned(),
    }
}

/// The node that is asked for comes first of those that are as near, if it is among the first ones.
fn put_first(nodes: &mut [CheckServiceNode], near: &str) {
    let first = nodes.iter().take(NEAREST_SEARCHED_MAX);
    if let Some(at) = first.into_iter().position(|row| !near.is_empty() && row.node.node.eq_ignore_ascii_case(near)) {
        nodes.swap(0, at);
    }
}
