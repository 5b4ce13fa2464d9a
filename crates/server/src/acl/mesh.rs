//! Rights for the mesh: config entries belong to services or to the operator, intentions to the service that is called.

use acl::Level::{self, Read, Write as Change};
use acl::Resource::{Intention as IntentionRight, Node, Operator, Service};
use model::{EntryKind, Intention, IntentionSide};
use state::View;

use super::guard::Caller;
use crate::mesh::authority::{Identity, SigningRequest};
use crate::mesh::{MeshQuery, MeshWrite};
use crate::request::RequestError;

/// Refuses a question that the caller may not ask. Lists are answered with what the caller may see.
pub(super) fn check_query(caller: &Caller, query: &MeshQuery) -> Result<(), RequestError> {
    match query {
        MeshQuery::ConfigEntry { kind, name } => entry(caller, *kind, name, Read),
        MeshQuery::IntentionMatch { names, .. } => names.iter().try_for_each(|name| {
            let bare = name.split_once('/').map_or(name.as_str(), |(_, bare)| bare);
            caller.require(IntentionRight, bare, Read)
        }),
        MeshQuery::IntentionCheck(check) => {
            let level = if check.is_for_admission { Change } else { Read };
            caller.require(Service, &check.destination.1, level)
        }
        MeshQuery::GatewayServices { gateway } => caller.require(Service, &**gateway, Read),
        MeshQuery::Chain { service, .. } => caller.require(Service, &**service, Read),
        MeshQuery::CaConfiguration => caller.require(Operator, "", Change),
        // What is found decides.
        MeshQuery::ConfigEntries { .. } | MeshQuery::Intentions | MeshQuery::Intention { .. } => Ok(()),
        // Everyone needs them to check certificates.
        MeshQuery::CaRoots => Ok(()),
    }
}

/// Refuses a change that the caller may not make.
pub(super) fn check_write(view: &View, caller: &Caller, write: &MeshWrite) -> Result<(), RequestError> {
    match write {
        MeshWrite::PutEntry { entry: given, .. } => entry(caller, given.kind, &given.name, Change),
        MeshWrite::DeleteEntry { kind, name } => entry(caller, *kind, name, Change),
        MeshWrite::CreateIntention(given) => caller.require(IntentionRight, &given.destination_name, Change),
        MeshWrite::UpdateIntention(given) => {
            known_intention(view, caller, &given.id)?;
            caller.require(IntentionRight, &given.destination_name, Change)
        }
        MeshWrite::DeleteIntention { id } => known_intention(view, caller, id),
        MeshWrite::SetCa(_) => caller.require(Operator, "", Change),
    }
}

/// Refuses to have a certificate signed for who is not the caller's.
pub(super) fn check_signing(caller: &Caller, request: &str) -> Result<(), RequestError> {
    match SigningRequest::read(request)?.identity() {
        Identity::Service { name, .. } => caller.require(Service, name, Change),
        Identity::Agent { name, .. } => caller.require(Node, name, Change),
    }
}

fn known_intention(view: &View, caller: &Caller, id: &str) -> Result<(), RequestError> {
    match view.intention(id) {
        Some(known) => caller.require(IntentionRight, &known.destination_name, Change),
        None => Ok(()),
    }
}

/// Whether the caller may see a config entry.
pub(crate) fn sees_entry(caller: &Caller, kind: EntryKind, name: &str) -> bool {
    entry(caller, kind, name, Read).is_ok()
}

/// Whether the caller may see an intention: one of its ends is enough.
pub(crate) fn sees_intention(caller: &Caller, intention: &Intention) -> bool {
    let ends = [IntentionSide::Source, IntentionSide::Destination];
    ends.iter().any(|side| caller.allows(IntentionRight, intention.end(*side).1, Read))
}

/// Whether the caller may see a service.
pub(crate) fn sees_service(caller: &Caller, name: &str) -> bool {
    caller.allows(Service, name, Read)
}

/// Whether services may call each other that no intention speaks of: as the rules do where none speaks.
pub(crate) fn allows_by_default(caller: &Caller) -> bool {
    caller.scope() == 0 || caller.allows(IntentionRight, "", Read)
}

fn entry(caller: &Caller, kind: EntryKind, name: &str, level: Level) -> Result<(), RequestError> {
    match (kind, level) {
        (EntryKind::ProxyDefaults, Read) => Ok(()),
        (EntryKind::ProxyDefaults, _) => caller.require(Operator, "", level),
        (EntryKind::IngressGateway | EntryKind::TerminatingGateway, Change) => caller.require(Operator, "", level),
        _ => caller.require(Service, name, level),
    }
}
