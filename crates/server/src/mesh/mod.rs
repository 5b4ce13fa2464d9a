//! The mesh: config entries and what follows from them, intentions, and the public side of the certificate authority.
//!
//! `authority` is the certificate authority, `request` the vocabulary, `entry_rules` what single entries must be, `chain` the way of a request through routers,
//! splitters and resolvers, `graph` what entries must be together, `intentions` who may call whom.

pub mod authority;
mod chain;
mod chain_output;
mod entry_rules;
mod graph;
mod intentions;
mod request;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use filter::Filter;
use model::{IntentionSide, Json, Timestamp};
use serde_json::{Value, json};
use state::{Command, DeleteConfigEntry, DeleteIntention, PutConfigEntry, Source, Table, View};

pub use chain::Overrides;
pub use request::{CaChange, IntentionCheck, MeshQuery, MeshWrite};

use crate::acl::{Caller, denied, mesh as rights};
use crate::request::{ErrorKind, RequestError};

/// What a question depends on.
pub(crate) fn source(query: &MeshQuery) -> Source<'_> {
    match query {
        MeshQuery::ConfigEntry { .. } | MeshQuery::ConfigEntries { .. } => Source::Tables(&[Table::ConfigEntries]),
        MeshQuery::Intentions | MeshQuery::Intention { .. } => Source::Tables(&[Table::Intentions]),
        MeshQuery::IntentionMatch { .. } | MeshQuery::IntentionCheck(_) => Source::Tables(&[Table::Intentions]),
        MeshQuery::GatewayServices { gateway } => Source::Gateway(gateway),
        MeshQuery::CaRoots | MeshQuery::CaConfiguration => Source::Tables(&[Table::MeshCa]),
        MeshQuery::Chain { .. } => Source::Tables(&[Table::ConfigEntries, Table::MeshCa]),
    }
}

/// The document that answers a question; `None` where there is nothing of the name. `own_datacenter` is the servers'.
pub(crate) fn evaluate(
    view: &View,
    caller: &Caller,
    query: &MeshQuery,
    filter: Option<&Filter>,
    own_datacenter: &str,
) -> Result<Option<Json>, RequestError> {
    match query {
        MeshQuery::ConfigEntry { kind, name } => view.config_entry(*kind, name).map(document).transpose(),
        MeshQuery::ConfigEntries { kind: Some(kind) } => {
            documents(view.config_entries_of(*kind).filter(|it| rights::sees_entry(caller, it.kind, &it.name)))
                .map(Some)
        }
        MeshQuery::ConfigEntries { kind: None } => {
            documents(view.config_entries().filter(|it| rights::sees_entry(caller, it.kind, &it.name))).map(Some)
        }
        MeshQuery::Intentions => {
            let all = intentions::sorted(view, filter).into_iter();
            documents(all.filter(|it| rights::sees_intention(caller, it))).map(Some)
        }
        MeshQuery::Intention { id } => match view.intention(id) {
            Some(found) if !rights::sees_intention(caller, found) => Err(denied()),
            found => found.map(document).transpose(),
        },
        MeshQuery::IntentionMatch { side, names } => intention_match(view, *side, names).map(Some),
        MeshQuery::IntentionCheck(check) => Ok(Some(intentions::check(view, caller, check))),
        MeshQuery::GatewayServices { gateway } => {
            let mut links = view.gateway_links(gateway);
            links.retain(|link| rights::sees_service(caller, &link.service.name));
            if links.is_empty() { Ok(None) } else { documents(links.iter()).map(Some) }
        }
        MeshQuery::CaRoots => roots(view).map(Some),
        MeshQuery::CaConfiguration => ca_configuration(view).map(Some),
        MeshQuery::Chain { service, datacenter, overrides } => {
            let trust_domain = view.mesh_ca().map(|ca| ca.trust_domain()).unwrap_or_default();
            let entries = graph::Entries::of(view);
            let compiled = chain::compile(&entries, service, datacenter, own_datacenter, overrides).map_err(failed)?;
            Ok(Some(json!({"Chain": chain_output::document(compiled, &trust_domain)})))
        }
    }
}

fn document(value: impl serde::Serialize) -> Result<Json, RequestError> {
    serde_json::to_value(value).map_err(|error| failed(format!("the answer cannot be encoded: {error}")))
}

fn documents<T: serde::Serialize>(values: impl Iterator<Item = T>) -> Result<Json, RequestError> {
    values.map(document).collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn intention_match(view: &View, side: IntentionSide, names: &[String]) -> Result<Json, RequestError> {
    let mut answer = serde_json::Map::new();
    for name in names {
        let (namespace, bare) = intentions::split_name(name).map_err(failed)?;
        let matching = intentions::matching(view, side, namespace, bare);
        let found = if matching.is_empty() { Value::Null } else { documents(matching.into_iter())? };
        answer.insert(name.clone(), found);
    }
    answer.sort_keys();
    Ok(Value::Object(answer))
}

fn roots(view: &View) -> Result<Json, RequestError> {
    let Some(ca) = view.mesh_ca() else {
        return Ok(json!({"ActiveRootID": "", "TrustDomain": "", "Roots": []}));
    };
    let active = ca.active_root().map(|root| root.id.as_str()).unwrap_or_default();
    Ok(json!({"ActiveRootID": active, "TrustDomain": ca.trust_domain(), "Roots": document(&ca.roots)?}))
}

fn ca_configuration(view: &View) -> Result<Json, RequestError> {
    let ca = view.mesh_ca().ok_or_else(|| failed("the mesh has no certificate authority yet; try again"))?;
    let mut config = ca.config.clone();
    config.sort_all_objects();
    Ok(json!({
        "Provider": "consul",
        "Config": config,
        "State": ca.state,
        "ForceWithoutCrossSigning": ca.force_without_cross_signing,
        "CreateIndex": ca.create_index,
        "ModifyIndex": ca.modify_index,
    }))
}

/// Checks a write and makes its command.
pub(crate) fn prepare(view: &View, write: &MeshWrite, now: Timestamp) -> Result<Command, RequestError> {
    Ok(match write {
        MeshWrite::PutEntry { entry, cas } => {
            let entry = entry_rules::checked(entry).map_err(failed)?;
            graph::check_put(view, &entry).map_err(failed)?;
            Command::PutConfigEntry(PutConfigEntry { entry, cas: *cas })
        }
        MeshWrite::DeleteEntry { kind, name } => {
            graph::check_delete(view, *kind, name).map_err(failed)?;
            Command::DeleteConfigEntry(DeleteConfigEntry { kind: *kind, name: name.clone() })
        }
        MeshWrite::CreateIntention(intention) => {
            Command::PutIntention(intentions::checked(view, intention, None).map_err(failed)?)
        }
        MeshWrite::UpdateIntention(intention) => {
            let Some(existing) = view.intention(&intention.id) else {
                return Err(failed(format!("Cannot modify non-existent intention: '{}'", intention.id)));
            };
            Command::PutIntention(intentions::checked(view, intention, Some(existing)).map_err(failed)?)
        }
        MeshWrite::DeleteIntention { id } => {
            if view.intention(id).is_none() {
                return Err(failed(format!("Cannot delete non-existent intention: '{id}'")));
            }
            Command::DeleteIntention(DeleteIntention { id: id.clone() })
        }
        MeshWrite::SetCa(change) => authority::change(view, change, UNIX_EPOCH + Duration::from_nanos(now.0))?,
    })
}

/// An intention as lists share it.
type SharedIntention = Arc<model::Intention>;

fn failed(text: impl Into<String>) -> RequestError {
    RequestError::new(ErrorKind::Failed, text)
}
