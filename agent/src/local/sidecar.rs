//! Sidecars: the proxy that a service asks for beside itself, as a definition of its own. Pure.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use model::{CONNECT_PROXY, Json, NodeService, ServiceId, Token};
use serde_json::{Map, json};

use super::error::LocalError;
use super::limits::SIDECAR_CHECK_INTERVAL;
use super::spec::{CheckSpec, Nanos, ServiceSpec};

/// What is added to the id and the name of a service for its sidecar.
const SUFFIX: &str = "-sidecar-proxy";
/// Where a service is taken to listen that does not say.
const LOCAL_ADDRESS: &str = "127.0.0.1";

/// The id of the sidecar of a service.
#[must_use]
pub fn sidecar_id(service: &ServiceId) -> ServiceId {
    ServiceId::from(format!("{service}{SUFFIX}"))
}

/// The rules that a request for a sidecar breaks.
#[must_use]
pub fn problems(spec: &ServiceSpec) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(sidecar) = spec.sidecar() {
        if !sidecar.id.is_empty() {
            problems.push("A SidecarService cannot specify an ID as this is managed by the agent".to_owned());
        }
        if sidecar.sidecar().is_some() {
            problems.push("A SidecarService cannot have a nested SidecarService".to_owned());
        }
    }
    problems
}

/// The definition of the sidecar of a service: what is given, and for the rest what follows from the service.
/// The port is still to be chosen when it is below 1.
#[must_use]
pub fn definition(given: &ServiceSpec, service: &NodeService, token: &Token) -> ServiceSpec {
    let mut sidecar = given.clone();
    sidecar.id = sidecar_id(&service.id);
    if sidecar.name.is_empty() {
        sidecar.name = format!("{}{SUFFIX}", service.service).into();
    }
    if sidecar.kind.is_empty() {
        CONNECT_PROXY.clone_into(&mut sidecar.kind);
    }
    if sidecar.tags.is_empty() {
        sidecar.tags.clone_from(&service.tags);
    }
    if sidecar.meta.is_none() {
        sidecar.meta.clone_from(&service.meta);
    }
    if sidecar.address.is_empty() {
        sidecar.address.clone_from(&service.address);
    }
    if sidecar.token == Token::default() {
        sidecar.token = token.clone();
    }
    sidecar.connect = None;
    sidecar.proxy = Some(proxy(given.proxy.as_ref(), service));
    sidecar
}

/// The proxy settings in the order of answers.
fn proxy(given: Option<&Json>, service: &NodeService) -> Json {
    let given = given.and_then(Json::as_object);
    let text = |field: &str, default: &str| {
        let given = given.and_then(|given| given.get(field)).and_then(Json::as_str).filter(|text| !text.is_empty());
        json!(given.unwrap_or(default))
    };
    let mut proxy = Map::new();
    proxy.insert("DestinationServiceName".to_owned(), text("DestinationServiceName", &service.service));
    proxy.insert("DestinationServiceID".to_owned(), text("DestinationServiceID", &service.id));
    proxy.insert("LocalServiceAddress".to_owned(), text("LocalServiceAddress", LOCAL_ADDRESS));
    let port = given.and_then(|given| given.get("LocalServicePort")).and_then(Json::as_i64).filter(|port| *port > 0);
    let port = port.unwrap_or(service.port);
    if port > 0 {
        proxy.insert("LocalServicePort".to_owned(), json!(port));
    }
    for (field, value) in given.into_iter().flatten() {
        proxy.entry(field.clone()).or_insert_with(|| value.clone());
    }
    Json::Object(proxy)
}

/// The checks of a sidecar that brings none: that it listens, and that its service is well.
#[must_use]
pub fn default_checks(sidecar: &ServiceSpec, service: &ServiceId) -> Vec<CheckSpec> {
    let proxy = sidecar.proxy.as_ref().and_then(|proxy| proxy.get("LocalServiceAddress"));
    let address = proxy.and_then(Json::as_str).unwrap_or(LOCAL_ADDRESS);
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    let listening = CheckSpec {
        name: "Connect Sidecar Listening".to_owned(),
        tcp: format!("{host}:{}", sidecar.port),
        interval: Nanos(i64::try_from(SIDECAR_CHECK_INTERVAL.as_nanos()).unwrap_or(i64::MAX)),
        ..CheckSpec::default()
    };
    let aliasing = CheckSpec {
        name: format!("Connect Sidecar Aliasing {service}"),
        alias_service: service.to_string(),
        ..CheckSpec::default()
    };
    vec![listening, aliasing]
}

/// The port of a sidecar that gives none: the one it has if that is in the range, else the first free one.
///
/// # Errors
/// When there is no range or no free port in it.
pub fn choose_port<'a>(
    range: Option<&RangeInclusive<u16>>,
    sidecar: &ServiceId,
    registered: impl Iterator<Item = &'a NodeService>,
) -> Result<i64, LocalError> {
    let Some(range) = range else { return Err(LocalError::NoSidecarPorts) };
    let mut used = BTreeSet::new();
    for service in registered {
        let Ok(port) = u16::try_from(service.port) else { continue };
        if range.contains(&port) {
            if service.id == *sidecar {
                return Ok(service.port);
            }
            used.insert(port);
        }
    }
    let free = range.clone().find(|port| !used.contains(port));
    free.map(i64::from).ok_or_else(|| LocalError::SidecarPortsUsed(range.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(id: &str, port: i64) -> NodeService {
        NodeService { id: id.into(), service: id.into(), port, ..NodeService::default() }
    }

    #[test]
    fn ports_are_chosen_in_order_and_kept() {
        let registered = [service("a", 20), service("b", 21), service("c", 9)];
        let choose = |range: &RangeInclusive<u16>, id: &str| choose_port(Some(range), &id.into(), registered.iter());
        assert_eq!(choose(&(20..=22), "new").expect("22 is free"), 22);
        assert_eq!(choose(&(20..=22), "b").expect("it has one"), 21);
        assert_eq!(choose(&(20..=22), "c").expect("its port is outside"), 22);
        let full = choose(&(20..=21), "new").expect_err("none is free").to_string();
        assert_eq!(
            full,
            "Bad request: Invalid SidecarService: no port provided for sidecar_service and none left in the configured range [20, 21]"
        );
        assert!(choose_port(None, &"x".into(), registered.iter()).is_err());
    }

    #[test]
    fn what_is_not_given_follows_from_the_service() {
        let parent = NodeService { tags: vec!["t".into()], address: "10.0.0.1".into(), ..service("web", 80) };
        let given = ServiceSpec { port: 5, proxy: Some(json!({"Config": {"a": 1}})), ..ServiceSpec::default() };
        let made = definition(&given, &parent, &Token::default());
        assert_eq!((&*made.id, &*made.name, &*made.address), ("web-sidecar-proxy", "web-sidecar-proxy", "10.0.0.1"));
        assert_eq!(made.tags, ["t"]);
        let expected = concat!(
            r#"{"DestinationServiceName":"web","DestinationServiceID":"web","LocalServiceAddress":"127.0.0.1","#,
            r#""LocalServicePort":80,"Config":{"a":1}}"#
        );
        assert_eq!(made.proxy.as_ref().expect("made").to_string(), expected);
        let checks = default_checks(&made, &parent.id);
        assert_eq!((checks[0].tcp.as_str(), checks[1].alias_service.as_str()), ("127.0.0.1:5", "web"));
    }
}
