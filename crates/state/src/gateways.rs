//! What gateways lead to, from their config entries and the names of the services there are.

use std::collections::BTreeMap;

use model::{
    ConfigEntry, EntryKind, GatewayLink, INGRESS_GATEWAY, IngressFields, Json, Named, TERMINATING_GATEWAY,
    TerminatingFields, WILDCARD,
};

use crate::view::View;

/// The service of the servers themselves, which no wildcard stands for.
const SERVERS: &str = "consul";
/// Protocol of a service of which nothing is known.
const PROTOCOL_DEFAULT: &str = "tcp";

impl View {
    /// The services that a gateway leads to, by name, then port. Empty when no entry is about it.
    #[must_use]
    pub fn gateway_links(&self, gateway: &str) -> Vec<GatewayLink> {
        let mut links = Vec::new();
        for kind in [EntryKind::TerminatingGateway, EntryKind::IngressGateway] {
            if let Some(entry) = self.config_entry(kind, gateway) {
                links.extend(self.links_of(entry));
            }
        }
        links
    }

    /// Names of the gateways of a kind that lead to a service.
    #[must_use]
    pub fn gateways_to(&self, kind: EntryKind, service: &str) -> Vec<String> {
        let leads = |entry: &&std::sync::Arc<ConfigEntry>| {
            written_links(entry).iter().any(|link| {
                link.service.name.eq_ignore_ascii_case(service)
                    || (link.service.name == WILDCARD && self.is_ordinary(service))
            })
        };
        self.config_entries_of(kind).filter(leads).map(|entry| entry.name.clone()).collect()
    }

    /// The protocol that operators have set for a service.
    #[must_use]
    pub fn protocol_of(&self, service: &str) -> String {
        let own = self.config_entry(EntryKind::ServiceDefaults, service).map(|entry| entry.text("Protocol"));
        if let Some(own) = own.filter(|own| !own.is_empty()) {
            return own.to_owned();
        }
        let global = self.config_entry(EntryKind::ProxyDefaults, "global");
        let global = global.and_then(|entry| entry.fields.get("Config")?.get("protocol"));
        global.and_then(Json::as_str).filter(|text| !text.is_empty()).unwrap_or(PROTOCOL_DEFAULT).to_owned()
    }

    fn links_of(&self, entry: &ConfigEntry) -> Vec<GatewayLink> {
        let mut links: BTreeMap<(String, i64), GatewayLink> = BTreeMap::new();
        let (wild, exact): (Vec<_>, Vec<_>) =
            written_links(entry).into_iter().partition(|link| link.service.name == WILDCARD);
        for link in exact {
            links.insert((link.service.name.clone(), link.port), link);
        }
        for link in wild {
            let mut last = "";
            for instance in self.instances() {
                let name: &str = &instance.service.service;
                // Instances come by name, so equal names stand together.
                let speaks = link.gateway_kind != INGRESS_GATEWAY || link.protocol == self.protocol_of(name);
                if name == last || !speaks || !self.is_ordinary(name) {
                    continue;
                }
                last = name;
                let place = (name.to_owned(), link.port);
                links.entry(place).or_insert_with(|| GatewayLink {
                    service: Named { name: name.to_owned() },
                    from_wildcard: true,
                    ..link.clone()
                });
            }
        }
        links.into_values().collect()
    }

    /// Whether a wildcard may stand for a service: one that is no proxy, no gateway and not the servers.
    fn is_ordinary(&self, service: &str) -> bool {
        !service.eq_ignore_ascii_case(SERVERS)
            && self.instances_of(service).any(|instance| instance.service.kind.is_empty())
    }
}

/// The links as an entry has them, wildcards not yet replaced.
fn written_links(entry: &ConfigEntry) -> Vec<GatewayLink> {
    let base = |kind: &str, service: &str| GatewayLink {
        gateway: Named { name: entry.name.clone() },
        service: Named { name: service.to_owned() },
        gateway_kind: kind.to_owned(),
        create_index: entry.modify_index,
        modify_index: entry.modify_index,
        ..GatewayLink::default()
    };
    match entry.kind {
        EntryKind::TerminatingGateway => {
            let services = entry.read::<TerminatingFields>().services.into_iter();
            services
                .map(|service| GatewayLink {
                    ca_file: service.ca_file,
                    cert_file: service.cert_file,
                    key_file: service.key_file,
                    sni: service.sni,
                    ..base(TERMINATING_GATEWAY, &service.name)
                })
                .collect()
        }
        EntryKind::IngressGateway => {
            let listeners = entry.read::<IngressFields>().listeners.into_iter();
            listeners
                .flat_map(|listener| {
                    listener
                        .services
                        .into_iter()
                        .map(move |service| (listener.port, listener.protocol.clone(), service))
                })
                .map(|(port, protocol, service)| GatewayLink {
                    port,
                    protocol,
                    hosts: service.hosts,
                    ..base(INGRESS_GATEWAY, &service.name)
                })
                .collect()
        }
        _ => Vec::new(),
    }
}
