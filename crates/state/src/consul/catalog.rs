//! Nodes, services and checks. Each record repeats the node, and has a service or a check besides.

use std::io;
use std::sync::Arc;

use model::{HealthCheck, Json, Node, NodeService, format_duration};

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
    service.proxy = pruned(&record.get("Proxy").json(), &["MeshGateway", "Expose"]);
    service.connect = pruned(&record.get("Connect").json(), &[]);
    Ok(service)
}

/// Without the fields that have no value, as the JSON of the API leaves them out; `kept` ones stay as empty objects.
fn pruned(json: &Json, kept: &[&str]) -> Json {
    let Json::Object(fields) = json else { return serde_json::json!({}) };
    let mut object = serde_json::Map::new();
    for (name, value) in fields {
        let value = match value {
            // The settings of a proxy belong to the user, with whatever is in them.
            _ if name == "Config" => value.clone(),
            Json::Object(_) => pruned(value, &[]),
            Json::Array(list) => list.iter().map(pruned_item).collect(),
            _ => value.clone(),
        };
        let is_empty = match &value {
            Json::Null | Json::Bool(false) => true,
            Json::String(text) => text.is_empty(),
            Json::Number(number) => number.as_f64() == Some(0.0),
            Json::Array(list) => list.is_empty(),
            Json::Object(fields) => fields.is_empty(),
            Json::Bool(true) => false,
        };
        if !is_empty || kept.contains(&name.as_str()) {
            object.insert(name.clone(), value);
        }
    }
    object.into()
}

/// An upstream or an exposed path.
fn pruned_item(item: &Json) -> Json {
    if item.is_object() { pruned(item, &["MeshGateway"]) } else { item.clone() }
}

fn read_check(record: &Value) -> io::Result<HealthCheck> {
    let mut check: HealthCheck = record.parse()?;
    let definition = record.get("Definition");
    check.definition = pruned(&definition.json(), &[]);
    for name in ["Interval", "Timeout", "TTL", "DeregisterCriticalServiceAfter"] {
        let nanos = definition.get(name).number();
        if nanos > 0 {
            check.definition[name] = format_duration(std::time::Duration::from_nanos(nanos)).into();
        }
    }
    Ok(check)
}
