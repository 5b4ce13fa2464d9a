//! What config entries must be together: every chain that they take part in can be compiled, and gateways offer what
//! the services speak.

use std::collections::BTreeSet;

use model::{ConfigEntry, EntryKind, IngressFields, Json, ServiceName, WILDCARD};
use state::View;

use super::chain::{Overrides, compile};

/// The entries of a view, with one change laid over them.
pub(super) struct Entries<'a> {
    view: &'a View,
    change: Option<(EntryKind, &'a str, Option<&'a ConfigEntry>)>,
}

impl<'a> Entries<'a> {
    /// The entries as they are.
    pub(super) fn of(view: &'a View) -> Self {
        Self { view, change: None }
    }

    /// One entry.
    pub(super) fn get(&self, kind: EntryKind, name: &str) -> Option<&ConfigEntry> {
        match self.change {
            Some((changed, of, entry)) if changed == kind && of.eq_ignore_ascii_case(name) => entry,
            _ => self.view.config_entry(kind, name).map(AsRef::as_ref),
        }
    }

    fn all(&self, kind: EntryKind) -> Vec<&ConfigEntry> {
        let changed = self.change.filter(|(changed, ..)| *changed == kind);
        let kept = self.view.config_entries_of(kind).map(AsRef::as_ref);
        let kept = kept.filter(|entry| changed.is_none_or(|(_, name, _)| !name.eq_ignore_ascii_case(&entry.name)));
        kept.chain(changed.and_then(|(_, _, entry)| entry)).collect()
    }

    /// The protocol that operators have set for a service.
    pub(super) fn protocol(&self, service: &str) -> String {
        let own = self.get(EntryKind::ServiceDefaults, service).map(|entry| entry.text("Protocol"));
        let global = || self.get(EntryKind::ProxyDefaults, "global")?.fields.get("Config")?.get("protocol")?.as_str();
        own.filter(|own| !own.is_empty()).or_else(global).filter(|text| !text.is_empty()).unwrap_or("tcp").to_owned()
    }

    /// The way through mesh gateways that an entry asks for; empty for none.
    pub(super) fn gateway_mode(&self, kind: EntryKind, name: &str) -> String {
        let mode = |entry: &ConfigEntry| entry.fields.get("MeshGateway")?.get("Mode")?.as_str().map(str::to_owned);
        self.get(kind, name).and_then(mode).unwrap_or_default()
    }
}

/// Checks an entry beside those that there are.
pub(super) fn check_put(view: &View, entry: &ConfigEntry) -> Result<(), String> {
    let other = match entry.kind {
        EntryKind::IngressGateway => Some(EntryKind::TerminatingGateway),
        EntryKind::TerminatingGateway => Some(EntryKind::IngressGateway),
        _ => None,
    };
    if let Some(other) = other.filter(|other| view.config_entry(*other, &entry.name).is_some()) {
        return Err(format!(
            "cannot create a \"{}\" config entry with name \"{}\", a \"{other}\" config entry with that name already exists",
            entry.kind, entry.name
        ));
    }
    check(view, entry.kind, &entry.name, Some(entry))
}

/// Checks that the others can do without an entry.
pub(super) fn check_delete(view: &View, kind: EntryKind, name: &str) -> Result<(), String> {
    if view.config_entry(kind, name).is_none() { Ok(()) } else { check(view, kind, name, None) }
}

fn check(view: &View, kind: EntryKind, name: &str, entry: Option<&ConfigEntry>) -> Result<(), String> {
    let entries = Entries { view, change: Some((kind, name, entry)) };
    match kind {
        EntryKind::TerminatingGateway => return Ok(()),
        EntryKind::IngressGateway => return check_ingress(&entries),
        EntryKind::ProxyDefaults if name != "global" => return Ok(()),
        _ => {}
    }
    // The own chain first, so that its problem is the one that is told.
    let mut names: Vec<String> = Vec::new();
    if kind != EntryKind::ProxyDefaults {
        names.push(name.to_owned());
    }
    let kinds = [EntryKind::ServiceRouter, EntryKind::ServiceSplitter, EntryKind::ServiceResolver];
    let others: BTreeSet<&str> =
        kinds.iter().flat_map(|kind| entries.all(*kind)).map(|entry| entry.name.as_str()).collect();
    names.extend(others.into_iter().filter(|other| *other != name).map(str::to_owned));
    for name in names {
        compile(&entries, &ServiceName::from(name), "dc1", "dc1", &Overrides::default())?;
    }
    check_ingress(&entries)
}

/// Every listener speaks the protocol of the services that it leads to.
fn check_ingress(entries: &Entries<'_>) -> Result<(), String> {
    for gateway in entries.all(EntryKind::IngressGateway) {
        for listener in gateway.read::<IngressFields>().listeners {
            for service in listener.services.iter().filter(|service| service.name != WILDCARD) {
                let name = ServiceName::from(service.name.as_str());
                let chain = compile(entries, &name, "dc1", "dc1", &Overrides::default())?;
                if chain.protocol != listener.protocol {
                    return Err(format!(
                        "service \"{name}\" has protocol \"{}\", which does not match defined listener protocol \"{}\"",
                        chain.protocol, listener.protocol
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Text of a field of a JSON object; empty when absent.
pub(super) fn text<'j>(object: &'j Json, field: &str) -> &'j str {
    object.get(field).and_then(Json::as_str).unwrap_or_default()
}
