//! Checks that go through a proxy: where a service listens only for its proxy, the agent looks at it from outside through a
//! port of the proxy that leads to what the check asks (`Proxy.Expose.Checks`). HTTP and gRPC checks alone can be led so.
//! Which path a port leads to is told to proxies elsewhere.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use model::{CheckId, NodeService, ServiceId};

use super::probe::{Action, GrpcProbe, HttpProbe};

/// Where a proxy without an address of its own listens.
const ADDRESS_DEFAULT: &str = "127.0.0.1";

/// The proxies that expose checks, and the ports that they do it on.
#[derive(Debug, Default)]
pub struct Exposed {
    /// By the service behind it: the proxy, and its address.
    proxies: BTreeMap<ServiceId, (ServiceId, String)>,
    ports: BTreeMap<CheckId, u16>,
}

impl Exposed {
    /// Takes note of a registered service, which may be a proxy that exposes checks or one that does no longer.
    pub fn put(&mut self, service: &NodeService) {
        self.remove(&service.id);
        let expose = service.proxy.get("Expose").and_then(|expose| expose.get("Checks"));
        let behind = service.proxy.get("DestinationServiceID").and_then(|id| id.as_str()).unwrap_or_default();
        if expose.and_then(model::Json::as_bool) == Some(true) && !behind.is_empty() {
            let address = if service.address.is_empty() { ADDRESS_DEFAULT } else { &service.address };
            self.proxies.insert(behind.into(), (service.id.clone(), address.to_owned()));
        }
    }

    /// Takes note of a removed service.
    pub fn remove(&mut self, id: &ServiceId) {
        self.proxies.retain(|_, (proxy, _)| proxy != id);
    }

    /// Takes note of a removed check.
    pub fn remove_check(&mut self, id: &CheckId) {
        self.ports.remove(id);
    }

    /// Where a check of a service is to go instead; a check gets its port, the lowest that is free, the first time.
    /// `None` when no proxy exposes it, or all ports are taken.
    pub fn route(&mut self, service: &ServiceId, check: &CheckId, ports: &RangeInclusive<u16>) -> Option<(&str, u16)> {
        let Some((_, address)) = self.proxies.get(service) else {
            self.ports.remove(check);
            return None;
        };
        let port = match self.ports.get(check) {
            Some(port) => *port,
            None => {
                let free = ports.clone().find(|port| !self.ports.values().any(|taken| taken == port))?;
                self.ports.insert(check.clone(), free);
                free
            }
        };
        Some((address, port))
    }
}

/// The same action at another address; `None` for actions that cannot go through a proxy.
#[must_use]
pub fn rerouted(action: &Action, address: &str, port: u16) -> Option<Action> {
    let host = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
    match action {
        Action::Http(probe) => {
            let (scheme, rest) = probe.url.split_once("://")?;
            let path = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
            Some(Action::Http(HttpProbe { url: format!("{scheme}://{host}{path}"), ..probe.clone() }))
        }
        Action::Grpc(probe) => {
            let service = probe.target.find('/').map_or("", |at| &probe.target[at..]);
            Some(Action::Grpc(GrpcProbe { target: format!("{host}{service}"), ..probe.clone() }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proxy(id: &str, behind: &str, exposes: bool) -> NodeService {
        NodeService {
            id: id.into(),
            address: "10.0.0.9".to_owned(),
            proxy: json!({"DestinationServiceID": behind, "Expose": {"Checks": exposes}}),
            ..NodeService::default()
        }
    }

    #[test]
    fn checks_behind_a_proxy_get_ports_while_it_exposes_them() {
        let (mut exposed, ports, web) = (Exposed::default(), 21_500..=21_501, ServiceId::from("web"));
        assert_eq!(exposed.route(&web, &"a".into(), &ports), None);
        exposed.put(&proxy("p", "web", true));
        assert_eq!(exposed.route(&web, &"a".into(), &ports), Some(("10.0.0.9", 21_500)));
        assert_eq!(exposed.route(&web, &"b".into(), &ports), Some(("10.0.0.9", 21_501)));
        assert_eq!(exposed.route(&web, &"a".into(), &ports), Some(("10.0.0.9", 21_500)), "it keeps its port");
        assert_eq!(exposed.route(&web, &"c".into(), &ports), None, "no port is left");
        assert_eq!(exposed.route(&"db".into(), &"d".into(), &ports), None);
        exposed.remove_check(&"a".into());
        assert_eq!(exposed.route(&web, &"c".into(), &ports), Some(("10.0.0.9", 21_500)));
        exposed.put(&proxy("p", "web", false));
        assert_eq!(exposed.route(&web, &"c".into(), &ports), None);
    }

    #[test]
    fn only_the_address_of_a_target_changes() {
        let http = |url: &str| Action::Http(HttpProbe { url: url.to_owned(), ..HttpProbe::default() });
        for (before, after) in [
            ("http://127.0.0.1:80/x?y=1", "http://10.0.0.9:21500/x?y=1"),
            ("https://web", "https://10.0.0.9:21500"),
            ("http://[::1]:80?x", "http://10.0.0.9:21500?x"),
        ] {
            assert_eq!(rerouted(&http(before), "10.0.0.9", 21_500), Some(http(after)), "{before}");
        }
        assert_eq!(rerouted(&http("http://a/"), "fd00::1", 1), Some(http("http://[fd00::1]:1/")));
        let grpc = |target: &str| Action::Grpc(GrpcProbe { target: target.to_owned(), tls: None });
        assert_eq!(rerouted(&grpc("127.0.0.1:9/svc"), "10.0.0.9", 1), Some(grpc("10.0.0.9:1/svc")));
        assert_eq!(rerouted(&grpc("127.0.0.1:9"), "10.0.0.9", 1), Some(grpc("10.0.0.9:1")));
        assert_eq!(rerouted(&Action::Tcp("127.0.0.1:9".to_owned()), "10.0.0.9", 1), None);
    }
}
