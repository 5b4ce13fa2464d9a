//! From what users write to what the catalog keeps: validation of a service, its derived fields, and the identities of
//! its checks. Pure.

use std::net::IpAddr;

use model::{CheckId, HealthCheck, Json, NodeName, NodeService, ServiceAddress, ServiceId, shown_proxy};
use serde_json::json;

use super::error::LocalError;
use super::limits::WEIGHT_MAX;
use super::sidecar;
use super::spec::{CheckSpec, ServiceSpec, StandaloneCheckSpec};

/// A check ready to be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct BuiltCheck {
    /// As the catalog keeps it, in its first status.
    pub check: HealthCheck,
    /// How it is run.
    pub spec: CheckSpec,
}

/// The service that a definition describes.
///
/// # Errors
/// When the definition breaks a rule; the first one broken is named.
pub fn build_service(spec: &ServiceSpec) -> Result<NodeService, LocalError> {
    build_service_as(spec, Rules::All)
}

/// Which rules a definition must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Every one.
    All,
    /// All but those of its kind: sidecars may be of any kind, as in Consul.
    OfSidecars,
}

/// The service that a definition describes, held to some rules only.
///
/// # Errors
/// As [`build_service`].
pub fn build_service_as(spec: &ServiceSpec, rules: Rules) -> Result<NodeService, LocalError> {
    if spec.name.is_empty() {
        return Err(LocalError::MissingServiceName);
    }
    validate_address(spec)?;
    let weights = spec.weights.map(Into::into).unwrap_or_default();
    validate_weights(weights)?;
    if let Some(meta) = &spec.meta {
        model::validate_meta(meta).map_err(|error| LocalError::InvalidMeta(error.to_string()))?;
    }
    let id = if spec.id.is_empty() { ServiceId::new(&*spec.name) } else { spec.id.clone() };
    let mut service = NodeService {
        kind: spec.kind.clone(),
        id,
        service: spec.name.clone(),
        tags: spec.tags.clone(),
        address: spec.address.clone(),
        tagged_addresses: spec.tagged_addresses.clone(),
        meta: spec.meta.clone(),
        port: spec.port,
        weights,
        enable_tag_override: spec.enable_tag_override,
        proxy: build_proxy(spec.proxy.as_ref()),
        connect: match &spec.connect {
            Some(connect) if connect.native => json!({"Native": true}),
            _ => json!({}),
        },
        create_index: 0,
        modify_index: 0,
    };
    let mut problems = service.mesh_problems(spec.sidecar().is_some());
    problems.extend(sidecar::problems(spec));
    if rules == Rules::All && !problems.is_empty() {
        return Err(LocalError::InvalidProxy(problems));
    }
    add_address_tags(&mut service);
    Ok(service)
}

/// The checks that come with a service: `Check` first, then `Checks`. Those without an identity get one from the service.
///
/// # Errors
/// When a check cannot be run, or starts in a state that does not exist.
pub fn build_service_checks(
    node: &NodeName,
    service: &NodeService,
    spec: &ServiceSpec,
) -> Result<Vec<BuiltCheck>, LocalError> {
    let given: Vec<&CheckSpec> = spec.check.iter().chain(&spec.checks).filter(|check| !check.is_empty()).collect();
    let mut built = Vec::with_capacity(given.len());
    for (at, check) in given.iter().enumerate() {
        check.probe()?;
        if !check.has_valid_status() {
            return Err(LocalError::InvalidServiceCheckStatus);
        }
        let id = match (check.check_id.is_empty(), given.len()) {
            (false, _) => check.check_id.clone(),
            (true, 1) => CheckId::from(format!("service:{}", service.id)),
            (true, _) => CheckId::from(format!("service:{}:{}", service.id, at + 1)),
        };
        let name =
            if check.name.is_empty() { format!("Service '{}' check", service.service) } else { check.name.clone() };
        built.push(build_check(node, id, name, Some(service), check));
    }
    Ok(built)
}

/// A check registered on its own; `service` is the one it names, if it names any.
///
/// # Errors
/// When it has no name, cannot be run, or starts in a state that does not exist.
pub fn build_standalone_check(
    node: &NodeName,
    spec: &StandaloneCheckSpec,
    service: Option<&NodeService>,
) -> Result<BuiltCheck, LocalError> {
    let check = &spec.check;
    if check.name.is_empty() {
        return Err(LocalError::MissingCheckName);
    }
    if !check.has_valid_status() {
        return Err(LocalError::InvalidCheckStatus);
    }
    check.probe()?;
    let id = if check.check_id.is_empty() { CheckId::from(check.name.as_str()) } else { check.check_id.clone() };
    Ok(build_check(node, id, check.name.clone(), service, check))
}

fn build_check(
    node: &NodeName,
    check_id: CheckId,
    name: String,
    service: Option<&NodeService>,
    spec: &CheckSpec,
) -> BuiltCheck {
    let status = if spec.status.is_empty() { "critical".to_owned() } else { spec.status.clone() };
    let check = HealthCheck {
        node: node.clone(),
        check_id,
        name,
        status,
        notes: spec.notes.clone(),
        service_id: service.map(|service| service.id.clone()).unwrap_or_default(),
        service_name: service.map(|service| service.service.clone()).unwrap_or_default(),
        service_tags: service.map(|service| service.tags.clone()).unwrap_or_default(),
        kind: spec.kind().to_owned(),
        ..HealthCheck::default()
    };
    BuiltCheck { check, spec: spec.clone() }
}

fn validate_address(spec: &ServiceSpec) -> Result<(), LocalError> {
    let given = std::iter::once(&spec.address).chain(spec.tagged_addresses.values().map(|tagged| &tagged.address));
    for address in given {
        if address.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
            return Err(LocalError::UnusableServiceAddress);
        }
    }
    Ok(())
}

fn validate_weights(weights: model::Weights) -> Result<(), LocalError> {
    if weights.passing < 1 {
        return Err(LocalError::InvalidWeights("Passing must be greater than 0"));
    }
    if weights.warning < 0 {
        return Err(LocalError::InvalidWeights("Warning must be greater or equal than 0"));
    }
    if weights.passing > WEIGHT_MAX || weights.warning > WEIGHT_MAX {
        return Err(LocalError::InvalidWeights("DNS Weight must be between 0 and 65535"));
    }
    Ok(())
}

/// The proxy settings in the form of the catalog: the objects that are always there, and every upstream with its type.
fn build_proxy(given: Option<&Json>) -> Json {
    let mut proxy = shown_proxy(given.cloned().unwrap_or_default());
    for upstream in proxy.get_mut("Upstreams").and_then(Json::as_array_mut).into_iter().flatten() {
        if upstream["DestinationType"] == "" {
            upstream["DestinationType"] = json!("service");
        }
    }
    proxy
}

/// An IP address is also the instance's LAN and WAN address of its family, unless those were given.
fn add_address_tags(service: &mut NodeService) {
    let Ok(ip) = service.address.parse::<IpAddr>() else { return };
    let tags = if ip.is_ipv4() { ["lan_ipv4", "wan_ipv4"] } else { ["lan_ipv6", "wan_ipv6"] };
    for tag in tags {
        let derived = ServiceAddress { address: service.address.clone(), port: service.port };
        service.tagged_addresses.entry(tag.to_owned()).or_insert(derived);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(json: &str) -> Result<NodeService, LocalError> {
        build_service(&serde_json::from_str::<ServiceSpec>(json).expect("a test's own JSON"))
    }

    fn refusal(json: &str) -> String {
        service(json).expect_err("the definition is wrong").to_string()
    }

    #[test]
    fn mistakes_are_named_in_consuls_words() {
        assert_eq!(refusal("{}"), "Missing service name");
        assert_eq!(refusal(r#"{"Name":"a","Address":"0.0.0.0"}"#), "Invalid service address");
        assert_eq!(refusal(r#"{"Name":"a","Address":"::"}"#), "Invalid service address");
        assert_eq!(
            refusal(r#"{"Name":"a","Weights":{"Warning":1}}"#),
            "Invalid Weights: Passing must be greater than 0"
        );
        assert_eq!(
            refusal(r#"{"Name":"a","Weights":{"Passing":70000}}"#),
            "Invalid Weights: DNS Weight must be between 0 and 65535"
        );
        assert_eq!(
            refusal(r#"{"Name":"a","Meta":{"a b":"c"}}"#),
            "Invalid Service Meta: Couldn't load metadata pair ('a b', 'c'): Key contains invalid characters"
        );
        assert_eq!(
            refusal(r#"{"Name":"a","Kind":"mesh-gateway"}"#),
            "1 error occurred:\n\t* Port must be non-zero for a mesh-gateway\n\n"
        );
    }

    #[test]
    fn an_ip_address_is_tagged_with_its_family() {
        let built = service(
            r#"{"Name":"a","Address":"10.0.0.1","Port":3,"TaggedAddresses":{"lan_ipv4":{"Address":"1.1.1.1"}}}"#,
        )
        .expect("valid");
        assert_eq!(built.tagged_addresses["lan_ipv4"], ServiceAddress { address: "1.1.1.1".into(), port: 0 });
        assert_eq!(built.tagged_addresses["wan_ipv4"], ServiceAddress { address: "10.0.0.1".into(), port: 3 });
        let named = service(r#"{"Name":"a","Address":"host.example"}"#).expect("valid");
        assert!(named.tagged_addresses.is_empty());
    }

    #[test]
    fn checks_are_numbered_only_when_there_are_several() {
        let ids = |json: &str| -> Vec<String> {
            let spec: ServiceSpec = serde_json::from_str(json).expect("a test's own JSON");
            let built = build_service(&spec).expect("valid");
            let checks = build_service_checks(&"n".into(), &built, &spec).expect("valid checks");
            checks.iter().map(|check| check.check.check_id.to_string()).collect()
        };
        assert_eq!(ids(r#"{"Name":"w","Check":{"TTL":"1s"}}"#), ["service:w"]);
        assert_eq!(
            ids(r#"{"Name":"w","ID":"1","Check":{"TTL":"1s"},"Checks":[{"CheckID":"own","TTL":"1s"},{"TTL":"2s"}]}"#),
            ["service:1:1", "own", "service:1:3"]
        );
        assert!(ids(r#"{"Name":"w","Check":{}}"#).is_empty());
    }
}
