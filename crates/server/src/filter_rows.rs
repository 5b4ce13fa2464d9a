//! The model's rows as `?filter=` expressions read them: in place, without making JSON of them.
//!
//! The names of the fields are those of the schemas in the `filter` crate, which every path was checked against.

use std::collections::BTreeMap;

use filter::{CONNECT, Kind, Leaf, PROXY, Row, any_json};
use model::{
    CheckServiceNode, HealthCheck, Intention, Node, NodeService, ServiceAddress, ServiceInstance, TextMap, Weights,
};

type Test<'t> = &'t mut dyn FnMut(Leaf<'_>) -> bool;

/// A row of `/v1/catalog/nodes`; for [`filter::NODE`].
pub struct NodeRow<'a>(pub &'a Node);

/// A service of `/v1/catalog/node/:node`; for [`filter::NODE_SERVICE`].
pub struct NodeServiceRow<'a>(pub &'a NodeService);

/// A row of `/v1/catalog/service/:service`; for [`filter::SERVICE_INSTANCE`].
pub struct ServiceInstanceRow<'a>(pub &'a ServiceInstance);

/// A row of `/v1/health/service/:service`; for [`filter::HEALTH`].
pub struct HealthRow<'a>(pub &'a CheckServiceNode);

/// A row of `/v1/health/node/:node` and its like; for [`filter::CHECK`].
pub struct CheckRow<'a>(pub &'a HealthCheck);

/// A row of `/v1/connect/intentions`; for [`filter::INTENTION`].
pub struct IntentionRow<'a>(pub &'a Intention);

impl Row for IntentionRow<'_> {
    fn any(&self, path: &[String], test: Test<'_>) -> bool {
        let Some((step, rest)) = path.split_first() else { return test(Leaf::Missing) };
        let intention = self.0;
        match step.as_str() {
            "ID" => test(Leaf::Text(&intention.id)),
            "Description" => test(Leaf::Text(&intention.description)),
            "SourceNS" => test(Leaf::Text(&intention.source_ns)),
            "SourceName" => test(Leaf::Text(&intention.source_name)),
            "DestinationNS" => test(Leaf::Text(&intention.destination_ns)),
            "DestinationName" => test(Leaf::Text(&intention.destination_name)),
            "SourceType" => test(Leaf::Text(&intention.source_type)),
            "Action" => test(Leaf::Text(&intention.action)),
            "Precedence" => test(Leaf::Int(intention.precedence)),
            "Meta" => any_text(Some(&intention.meta), rest, test),
            _ => test(Leaf::Missing),
        }
    }
}

impl Row for NodeRow<'_> {
    fn any(&self, path: &[String], test: Test<'_>) -> bool {
        let Some((step, rest)) = path.split_first() else { return test(Leaf::Missing) };
        let node = self.0;
        match step.as_str() {
            "ID" => test(Leaf::Text(&node.id)),
            "Node" => test(Leaf::Text(&node.node)),
            "Address" => test(Leaf::Text(&node.address)),
            "Datacenter" => test(Leaf::Text(&node.datacenter)),
            "TaggedAddresses" => any_text(node.tagged_addresses.as_ref(), rest, test),
            "Meta" => any_text(node.meta.as_ref(), rest, test),
            _ => test(Leaf::Missing),
        }
    }
}

impl Row for NodeServiceRow<'_> {
    fn any(&self, path: &[String], test: Test<'_>) -> bool {
        let Some((step, rest)) = path.split_first() else { return test(Leaf::Missing) };
        let service = self.0;
        match step.as_str() {
            "Kind" => test(Leaf::Text(&service.kind)),
            "ID" => test(Leaf::Text(&service.id)),
            "Service" => test(Leaf::Text(&service.service)),
            "Tags" => test(Leaf::Texts(&service.tags)),
            "Address" => test(Leaf::Text(&service.address)),
            "TaggedAddresses" => any_address(&service.tagged_addresses, rest, test),
            "Meta" => any_text(service.meta.as_ref(), rest, test),
            "Port" => test(Leaf::Int(service.port)),
            "Weights" => test_weight(service.weights, rest, test),
            "EnableTagOverride" => test(Leaf::Bool(service.enable_tag_override)),
            "Proxy" => any_json(Some(&service.proxy), &Kind::Struct(&PROXY), rest, test),
            "Connect" => any_json(Some(&service.connect), &Kind::Struct(&CONNECT), rest, test),
            _ => test(Leaf::Missing),
        }
    }
}

impl Row for ServiceInstanceRow<'_> {
    fn any(&self, path: &[String], test: Test<'_>) -> bool {
        let Some((step, rest)) = path.split_first() else { return test(Leaf::Missing) };
        let (node, service) = (&*self.0.node, &*self.0.service);
        match step.as_str() {
            "ID" | "Node" | "Address" | "Datacenter" | "TaggedAddresses" => NodeRow(node).any(path, test),
            "NodeMeta" => any_text(node.meta.as_ref(), rest, test),
            "ServiceKind" => test(Leaf::Text(&service.kind)),
            "ServiceID" => test(Leaf::Text(&service.id)),
            "ServiceName" => test(Leaf::Text(&service.service)),
            "ServiceTags" => test(Leaf::Texts(&service.tags)),
            "ServiceAddress" => test(Leaf::Text(&service.address)),
            "ServiceTaggedAddresses" => any_address(&service.tagged_addresses, rest, test),
            "ServiceMeta" => any_text(service.meta.as_ref(), rest, test),
            "ServicePort" => test(Leaf::Int(service.port)),
            "ServiceWeights" => test_weight(service.weights, rest, test),
            "ServiceEnableTagOverride" => test(Leaf::Bool(service.enable_tag_override)),
            "ServiceProxy" => any_json(Some(&service.proxy), &Kind::Struct(&PROXY), rest, test),
            "ServiceConnect" => any_json(Some(&service.connect), &Kind::Struct(&CONNECT), rest, test),
            _ => test(Leaf::Missing),
        }
    }
}

impl Row for HealthRow<'_> {
    fn any(&self, path: &[String], test: Test<'_>) -> bool {
        let Some((step, rest)) = path.split_first() else { return test(Leaf::Missing) };
        match step.as_str() {
            "Node" => NodeRow(&self.0.node).any(rest, test),
            "Service" => NodeServiceRow(&self.0.service).any(rest, test),
            "Checks" if rest.is_empty() => test(Leaf::Collection { length: self.0.checks.len(), has: &|_| false }),
            "Checks" => self.0.checks.iter().any(|check| CheckRow(check).any(rest, test)),
            _ => test(Leaf::Missing),
        }
    }
}

impl Row for CheckRow<'_> {
    fn any(&self, path: &[String], test: Test<'_>) -> bool {
        let check = self.0;
        match path.first().map(String::as_str) {
            Some("Node") => test(Leaf::Text(&check.node)),
            Some("CheckID") => test(Leaf::Text(&check.check_id)),
            Some("Name") => test(Leaf::Text(&check.name)),
            Some("Status") => test(Leaf::Text(&check.status)),
            Some("Notes") => test(Leaf::Text(&check.notes)),
            Some("Output") => test(Leaf::Text(&check.output)),
            Some("ServiceID") => test(Leaf::Text(&check.service_id)),
            Some("ServiceName") => test(Leaf::Text(&check.service_name)),
            Some("ServiceTags") => test(Leaf::Texts(&check.service_tags)),
            Some("Type") => test(Leaf::Text(&check.kind)),
            _ => test(Leaf::Missing),
        }
    }
}

fn any_text(map: Option<&TextMap>, rest: &[String], test: Test<'_>) -> bool {
    let Some(key) = rest.first() else {
        let has = |key: &str| map.is_some_and(|map| map.contains_key(key));
        return test(Leaf::Collection { length: map.map_or(0, TextMap::len), has: &has });
    };
    test(map.and_then(|map| map.get(key)).map_or(Leaf::Missing, |text| Leaf::Text(text)))
}

fn any_address(map: &BTreeMap<String, ServiceAddress>, rest: &[String], test: Test<'_>) -> bool {
    let Some((key, rest)) = rest.split_first() else {
        return test(Leaf::Collection { length: map.len(), has: &|key| map.contains_key(key) });
    };
    match (map.get(key), rest.first().map(String::as_str)) {
        (Some(address), Some("Address")) => test(Leaf::Text(&address.address)),
        (Some(address), Some("Port")) => test(Leaf::Int(address.port)),
        _ => test(Leaf::Missing),
    }
}

fn test_weight(weights: Weights, rest: &[String], test: Test<'_>) -> bool {
    match rest.first().map(String::as_str) {
        Some("Passing") => test(Leaf::Int(weights.passing)),
        Some("Warning") => test(Leaf::Int(weights.warning)),
        _ => test(Leaf::Missing),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use filter::{CHECK, Filter, HEALTH, JsonRow, NODE, NODE_SERVICE, SERVICE_INSTANCE, Schema};
    use serde_json::json;

    use super::*;

    fn instance() -> CheckServiceNode {
        let read = |value| serde_json::from_value::<HealthCheck>(value).map(Arc::new).expect("a check of the API");
        let node = json!({"ID": "n-1", "Node": "a1", "Address": "10.0.0.1", "Datacenter": "dc1",
            "TaggedAddresses": {"lan": "10.0.0.1"}, "Meta": {"os": "linux"}});
        let service = json!({"Kind": "", "ID": "w1", "Service": "web", "Tags": ["v1"], "Address": "1.1.1.1", "Port": 80,
            "TaggedAddresses": {"lan": {"Address": "1.2.3.4", "Port": 8}}, "Meta": {"a": "b"},
            "Weights": {"Passing": 3, "Warning": 2}, "EnableTagOverride": true, "Connect": {"Native": true},
            "Proxy": {"DestinationServiceName": "db", "Upstreams": [{"DestinationName": "x", "LocalBindPort": 7}]}});
        CheckServiceNode {
            node: Arc::new(serde_json::from_value(node).expect("a node of the API")),
            service: Arc::new(serde_json::from_value(service).expect("a service of the API")),
            checks: vec![
                read(json!({"Node": "a1", "CheckID": "c1", "Name": "one", "Status": "passing", "Notes": "n",
                    "Output": "o", "ServiceID": "w1", "ServiceName": "web", "ServiceTags": ["v1"], "Type": "ttl"})),
                read(json!({"Node": "a1", "CheckID": "c2", "Name": "two", "Status": "warning"})),
            ],
        }
    }

    /// Every selector of a schema, with values that fit and that do not.
    fn expressions(prefix: &str, kind: &Kind) -> Vec<String> {
        let compare = |values: &[&str]| {
            let texts = values.iter().flat_map(|v| [format!("{prefix} == {v}"), format!("{prefix} != {v}")]);
            texts.collect::<Vec<_>>()
        };
        let fields = |schema: &Schema| {
            let each = schema.0.iter().flat_map(|(name, kind)| {
                let separator = if prefix.is_empty() { "" } else { "." };
                expressions(&format!("{prefix}{separator}{name}"), kind)
            });
            each.collect::<Vec<_>>()
        };
        match kind {
            Kind::Text => compare(&[r#""""#, "a1", "w1", "web", "c1", "two", "\"10.0.0.1\"", "ttl", "x", "db", "b"]),
            Kind::Int => compare(&["0", "80", "8", "3", "2", "7"]),
            Kind::Bool => compare(&["true", "false"]),
            Kind::Texts => vec![format!("v1 in {prefix}"), format!("v2 in {prefix}"), format!("{prefix} is empty")],
            Kind::Map(values) => {
                let mut all = vec![format!("lan in {prefix}"), format!("a in {prefix}"), format!("{prefix} is empty")];
                all.extend(["lan", "os", "a", "zz"].iter().flat_map(|k| expressions(&format!("{prefix}.{k}"), values)));
                all
            }
            Kind::Struct(schema) => fields(schema),
            Kind::List(schema) => {
                let mut all = fields(schema);
                all.push(format!("{prefix} is empty"));
                all
            }
        }
    }

    fn agrees_with_json(schema: &'static Schema, row: &dyn Row, value: &impl serde::Serialize) {
        let value = serde_json::to_value(value).expect("the model makes JSON");
        for text in expressions("", &Kind::Struct(schema)) {
            let filter = Filter::parse(&text, schema).unwrap_or_else(|error| panic!("{text}: {error}"));
            let by_json = filter.matches(&JsonRow { value: &value, schema });
            assert_eq!(filter.matches(row), by_json, "{text}");
        }
    }

    #[test]
    fn rows_read_as_their_json_does() {
        let health = instance();
        let flat = ServiceInstance { node: Arc::clone(&health.node), service: Arc::clone(&health.service) };
        agrees_with_json(&NODE, &NodeRow(&health.node), &*health.node);
        agrees_with_json(&NODE_SERVICE, &NodeServiceRow(&health.service), &*health.service);
        agrees_with_json(&SERVICE_INSTANCE, &ServiceInstanceRow(&flat), &flat);
        agrees_with_json(&CHECK, &CheckRow(&health.checks[0]), &*health.checks[0]);
        agrees_with_json(&CHECK, &CheckRow(&health.checks[1]), &*health.checks[1]);
        agrees_with_json(&HEALTH, &HealthRow(&health), &health);
    }
}
