//! `/v1/catalog`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use filter::Filter;
use model::{
    CheckId, Deregistration, HealthCheck, NodeName, NodeService, NodeServices, Registration, ServiceId,
    ServiceInstance, ServiceName, TextMap,
};
use state::{Instance, View};

use super::{failed, has_meta, has_tags};
use crate::filter_rows::{NodeRow, NodeServiceRow, ServiceInstanceRow};
use crate::near::Near;
use crate::request::{Answer, RequestError};

pub(super) fn nodes(view: &View, meta: &TextMap, near: &NodeName, filter: Option<&Filter>) -> Answer {
    let with_meta = view.nodes().filter(|node| has_meta(node.meta.as_ref(), meta));
    let wanted = with_meta.filter(|node| filter.is_none_or(|filter| filter.matches(&NodeRow(node))));
    let rows = wanted.map(Arc::clone).collect();
    Answer::Nodes(Near::new(view, near).sort(rows, |node| &node.node))
}

pub(super) fn services(view: &View, meta: &TextMap) -> Answer {
    let mut tags_by_name: BTreeMap<&ServiceName, BTreeSet<&String>> = BTreeMap::new();
    for instance in view.instances().filter(|instance| has_meta(instance.node.meta.as_ref(), meta)) {
        tags_by_name.entry(&instance.service.service).or_default().extend(&instance.service.tags);
    }
    let plain = |tags: BTreeSet<&String>| tags.into_iter().cloned().collect();
    Answer::Services(tags_by_name.into_iter().map(|(name, tags)| (name.to_string(), plain(tags))).collect())
}

fn flat(instance: &Arc<Instance>) -> ServiceInstance {
    ServiceInstance { node: Arc::clone(&instance.node), service: Arc::clone(&instance.service) }
}

pub(super) fn service_nodes<'a>(
    instances: impl Iterator<Item = &'a Arc<Instance>>,
    tags: &[String],
    meta: &TextMap,
    filter: Option<&Filter>,
) -> Answer {
    let wanted = |instance: &&Arc<Instance>| {
        has_tags(&instance.service.tags, tags)
            && has_meta(instance.node.meta.as_ref(), meta)
            && filter.is_none_or(|filter| filter.matches(&ServiceInstanceRow(&flat(instance))))
    };
    Answer::ServiceNodes(instances.filter(wanted).map(flat).collect())
}

fn node_with_services(view: &View, name: &NodeName, filter: Option<&Filter>) -> Option<NodeServices> {
    let node = Arc::clone(view.node(name)?);
    let wanted =
        |instance: &&Arc<Instance>| filter.is_none_or(|filter| filter.matches(&NodeServiceRow(&instance.service)));
    let by_id = |instance: &Arc<Instance>| (instance.service.id.to_string(), Arc::clone(&instance.service));
    Some(NodeServices { node, services: view.instances_on(name).filter(wanted).map(by_id).collect() })
}

pub(super) fn node_services(view: &View, name: &NodeName, filter: Option<&Filter>) -> Answer {
    Answer::NodeServices(node_with_services(view, name, filter))
}

pub(super) fn node_dump(view: &View, name: &NodeName) -> Answer {
    let services = node_with_services(view, name, None);
    Answer::NodeDump(services.map(|services| (services, view.checks_on(name).map(Arc::clone).collect())))
}

pub(super) fn nodes_by_address(view: &View, address: &str) -> Answer {
    Answer::Nodes(view.nodes().filter(|node| node.address == address).map(Arc::clone).collect())
}

pub(super) fn services_by_address(view: &View, address: &str) -> Answer {
    Answer::ServiceNodes(view.instances().filter(|instance| instance.service.address == address).map(flat).collect())
}

/// Checks a registration and fills in what follows from the rest of it.
pub(super) fn prepare_register(given: &Registration, datacenter: &str) -> Result<Registration, RequestError> {
    if given.node.is_empty() {
        return Err(failed("Must provide node"));
    }
    if given.address.is_empty() && !given.skip_node_update {
        return Err(failed("Must provide address if SkipNodeUpdate is not set"));
    }
    check_uuid(&given.id)?;
    let mut registration = given.clone();
    if registration.datacenter.is_empty() {
        datacenter.clone_into(&mut registration.datacenter);
    }
    if let Some(service) = &mut registration.service {
        prepare_service(service)?;
    }
    let checks = registration.check.take().into_iter().chain(std::mem::take(&mut registration.checks));
    registration.checks = checks.map(|check| prepare_check(check, &given.node)).collect();
    Ok(registration)
}

pub(super) fn check_uuid(id: &str) -> Result<(), RequestError> {
    let is_group_end = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    if id.is_empty() {
        return Ok(());
    }
    if id.len() != 36 {
        return Err(failed("Bad node ID: uuid string is wrong length"));
    }
    if id.bytes().enumerate().any(|(at, byte)| is_group_end(at) && byte != b'-') {
        return Err(failed("Bad node ID: uuid is improperly formatted"));
    }
    match id.bytes().enumerate().find(|(at, byte)| !is_group_end(*at) && !byte.is_ascii_hexdigit()) {
        Some((_, byte)) => {
            let shown = char::from(byte);
            Err(failed(format!("Bad node ID: encoding/hex: invalid byte: U+{byte:04X} {shown:?}")))
        }
        None => Ok(()),
    }
}

fn prepare_service(service: &mut NodeService) -> Result<(), RequestError> {
    prepare_instance(service)?;
    check_mesh(service)
}

/// Checks what every instance must have, whatever its kind.
pub(super) fn prepare_instance(service: &mut NodeService) -> Result<(), RequestError> {
    if service.id.is_empty() && !service.service.is_empty() {
        service.id = ServiceId::new(service.service.as_str());
    }
    if !service.id.is_empty() && service.service.is_empty() {
        return Err(failed("Must provide service name with ID"));
    }
    if matches!(service.address.as_str(), "0.0.0.0" | "::" | "[::]") {
        return Err(failed("Invalid service address"));
    }
    Ok(())
}

fn check_mesh(service: &NodeService) -> Result<(), RequestError> {
    let errors = service.mesh_problems(false);
    match errors.len() {
        0 => Ok(()),
        1 => Err(failed(format!("1 error occurred:\n\t* {}\n\n", errors[0]))),
        count => Err(failed(format!("{count} errors occurred:\n\t* {}\n\n", errors.join("\n\t* ")))),
    }
}

fn prepare_check(mut check: HealthCheck, node: &NodeName) -> HealthCheck {
    name_check(&mut check);
    if check.node.is_empty() {
        check.node = node.clone();
    }
    check
}

/// A check without an id is known by its name.
pub(super) fn name_check(check: &mut HealthCheck) {
    if check.check_id.is_empty() {
        check.check_id = CheckId::new(&check.name);
    }
}

/// Checks a deregistration.
pub(super) fn prepare_deregister(given: &Deregistration) -> Result<Deregistration, RequestError> {
    if given.node.is_empty() { Err(failed("Must provide node")) } else { Ok(given.clone()) }
}
