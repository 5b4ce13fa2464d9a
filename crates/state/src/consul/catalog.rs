//! Nodes, services and checks. Each record repeats the node, and has a service or a check besides.

use std::io;
use std::sync::Arc;

use model::{HealthCheck, Json, Node, NodeService, format_duration, shown_proxy};

use super::value::Value;
use crate::tables::Draft;

pub(super) fn register(draft: &mut Draft, record: &Value) -> io::Result<()> {
    let node = record.get("Node").text();
    let (service, check) = (record.get("Service"), record.get("Check"));
    if draft.tables.node(&node).is_none() {
        draft.place_node(Arc::new(Node {
            id: record.get("ID").text().into(),
            node: node.as_str().into(),
            address: record.get("Address").text(),
            datacenter: record.get("Datacenter").text(),
            tagged_addresses: record.get("TaggedAddresses").parse()?,
            meta: record.get("NodeMeta").parse()?,
            create_index: record.get("CreateIndex").number(),
            modify_index: record.get("ModifyIndex").number(),
        }));
    }
    if !service.is_nil() {
        draft.place_service(&node, Arc::new(read_service(service)?));
    }
    if !check.is_nil() {
        draft.place_check_joined(&Arc::new(read_check(check)?));
    }
    Ok(())
}

fn read_service(record: &Value) -> io::Result<NodeService> {
    let mut service: NodeService = record.parse()?;
    service.proxy = shown_proxy(without_empty_modes(record.get("Proxy").json()));
    service.connect = pruned(&record.get("Connect").json());
    Ok(service)
}

/// The modes of gateways, of a proxy and of its upstreams, are not shown when they are empty.
fn without_empty_modes(mut proxy: Json) -> Json {
    let prune = |owner: &mut Json| {
        if let Some(gateway) = owner.get_mut("MeshGateway") {
            *gateway = pruned(gateway);
        }
    };
    prune(&mut proxy);
    if let Some(Json::Array(upstreams)) = proxy.get_mut("Upstreams") {
        upstreams.iter_mut().for_each(prune);
    }
    proxy
}

/// Without the fields that have no value, as the JSON of the API leaves them out.
fn pruned(json: &Json) -> Json {
    let Json::Object(fields) = json else { return serde_json::json!({}) };
    let is_empty = |value: &Json| match value {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.is_empty(),
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::Array(list) => list.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        Json::Bool(true) => false,
    };
    fields.iter().filter(|(_, value)| !is_empty(value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn read_check(record: &Value) -> io::Result<HealthCheck> {
    let mut check: HealthCheck = record.parse()?;
    let definition = record.get("Definition");
    check.definition = pruned(&definition.json());
    for name in ["Interval", "Timeout", "TTL", "DeregisterCriticalServiceAfter"] {
        let nanos = definition.get(name).number();
        if nanos > 0 {
            check.definition[name] = format_duration(std::time::Duration::from_nanos(nanos)).into();
        }
    }
    Ok(check)
}
