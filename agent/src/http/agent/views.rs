//! What the agent family shows of services and checks.

use std::collections::BTreeMap;

use model::{CONNECT_PROXY, HealthCheck, Json, NodeService, ServiceAddress, TextMap, Weights};
use serde::Serialize;
use serde_json::json;

use super::content_hash::content_hash;
use crate::local::{NODE_MAINTENANCE, SERVICE_MAINTENANCE_PREFIX};

/// A service, in the shape of `/v1/agent/services`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceView<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: &'a [String],
    meta: TextMap,
    port: i64,
    address: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tagged_addresses: &'a BTreeMap<String, ServiceAddress>,
    weights: Weights,
    enable_tag_override: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<&'a Json>,
}

impl<'a> ServiceView<'a> {
    /// The view of a service.
    #[must_use]
    pub fn new(service: &'a NodeService) -> Self {
        Self {
            kind: &service.kind,
            id: &service.id,
            service: &service.service,
            tags: &service.tags,
            meta: service.meta.clone().unwrap_or_default(),
            port: service.port,
            address: &service.address,
            tagged_addresses: &service.tagged_addresses,
            weights: service.weights,
            enable_tag_override: service.enable_tag_override,
            content_hash: None,
            proxy: (service.kind == CONNECT_PROXY || service.is_gateway()).then(|| shown_proxy(&service.proxy)),
            connect: service.connect.as_object().filter(|fields| !fields.is_empty()).map(|_| &service.connect),
        }
    }

    /// The view with the hash that `?hash` compares with.
    #[must_use]
    pub fn with_hash(mut self, service: &NodeService) -> (Self, String) {
        let hash = content_hash(service, self.proxy.as_ref(), self.connect);
        self.content_hash = Some(hash.clone());
        (self, hash)
    }
}

/// The proxy settings as the agent shows them: unlike the catalog, it leaves out what an upstream does not say.
fn shown_proxy(proxy: &Json) -> Json {
    let mut proxy = proxy.clone();
    for upstream in proxy.get_mut("Upstreams").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Json::Object(fields) = upstream {
            fields.retain(|name, value| {
                name == "DestinationName" || !(value.is_null() || *value == json!("") || *value == json!(0))
            });
        }
    }
    proxy
}

/// The health of one service instance, in the shape of `/v1/agent/health/service/id/:id`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthView<'a> {
    /// The worst of the checks.
    pub aggregated_status: &'static str,
    /// The service.
    pub service: Option<ServiceView<'a>>,
    /// Its checks, then those of the node.
    pub checks: Option<Vec<Json>>,
}

/// A check as the local health endpoints show it: without its kind, with a definition of zeros.
#[must_use]
pub fn check_of_health(check: &HealthCheck) -> Json {
    json!({
        "Node": check.node,
        "CheckID": check.check_id,
        "Name": check.name,
        "Status": check.status,
        "Notes": check.notes,
        "Output": check.output,
        "ServiceID": check.service_id,
        "ServiceName": check.service_name,
        "ServiceTags": if check.service_tags.is_empty() { Json::Null } else { json!(check.service_tags) },
        "Type": "",
        "Definition": {
            "Interval": "0s", "Timeout": "0s", "DeregisterCriticalServiceAfter": "0s", "HTTP": "", "Header": null,
            "Method": "", "Body": "", "TLSSkipVerify": false, "TCP": "",
        },
        "CreateIndex": 0,
        "ModifyIndex": 0,
    })
}

/// The worst status of several checks; maintenance is worse than critical.
#[must_use]
pub fn aggregate<'a>(checks: impl Iterator<Item = &'a HealthCheck>) -> &'static str {
    let rank = |check: &HealthCheck| {
        if &*check.check_id == NODE_MAINTENANCE || check.check_id.starts_with(SERVICE_MAINTENANCE_PREFIX) {
            return 3;
        }
        match check.status.as_str() {
            "critical" => 2,
            "warning" => 1,
            _ => 0,
        }
    };
    ["passing", "warning", "critical", "maintenance"][checks.map(rank).max().unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, status: &str) -> HealthCheck {
        HealthCheck { check_id: id.into(), status: status.into(), ..HealthCheck::default() }
    }

    #[test]
    fn the_worst_check_counts_and_maintenance_is_the_worst() {
        let (good, hot, bad) = (check("a", "passing"), check("b", "warning"), check("c", "critical"));
        let maintenance = check("_service_maintenance:web", "critical");
        assert_eq!(aggregate([].into_iter()), "passing");
        assert_eq!(aggregate([&good, &hot].into_iter()), "warning");
        assert_eq!(aggregate([&bad, &hot, &good].into_iter()), "critical");
        assert_eq!(aggregate([&maintenance, &bad].into_iter()), "maintenance");
    }

    #[test]
    fn the_hash_follows_the_content() {
        let one = NodeService { id: "web".into(), port: 80, ..NodeService::default() };
        let other = NodeService { port: 81, ..one.clone() };
        let hash = |service: &NodeService| ServiceView::new(service).with_hash(service).1;
        assert_eq!(hash(&one), hash(&one.clone()));
        assert_ne!(hash(&one), hash(&other));
        assert_eq!(hash(&one).len(), 16);
    }
}
