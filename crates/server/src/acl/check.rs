//! Rights for changes that need more than one look: registrations, trees of keys, transactions.

use acl::{Level, Resource};
use model::{
    Deregistration, HealthCheck, KvChange, KvCopy, KvVerb, Node, Registration, SessionId, TxnAnswer, TxnLook, TxnOp,
};
use state::View;

use super::guard::Caller;
use super::{denied, failed};
use crate::leader::reconcile::CONSUL_SERVICE;
use crate::request::{QueryChange, RequestError};

/// A node that is new or changes needs the right to the node; a service needs the right to it, and to the one that it
/// takes the place of.
pub(super) fn register(view: &View, caller: &Caller, given: &Registration) -> Result<(), RequestError> {
    if caller.scope() == 0 {
        // Consul says other words about what is missing when rights are looked at.
        return Ok(());
    }
    let node = given.node.as_str();
    let known = view.node(node);
    if known.is_none_or(|known| changes_node(known, given)) {
        caller.require(Resource::Node, node, Level::Write)?;
    }
    if let Some(service) = &given.service {
        // The servers register themselves.
        if &*service.service != CONSUL_SERVICE {
            caller.require(Resource::Service, &*service.service, Level::Write)?;
        }
        let id = if service.id.is_empty() { service.service.as_str() } else { service.id.as_str() };
        if let Some(old) = view.instance(node, id) {
            caller.require(Resource::Service, &*old.service.service, Level::Write)?;
        }
    }
    given.check.iter().chain(&given.checks).try_for_each(|check| register_check(view, caller, given, check))
}

fn register_check(view: &View, caller: &Caller, given: &Registration, check: &HealthCheck) -> Result<(), RequestError> {
    let node = given.node.as_str();
    if check.service_id.is_empty() {
        return caller.require(Resource::Node, node, Level::Write);
    }
    let comes_along = given.service.as_ref().is_some_and(|service| {
        let id = if service.id.is_empty() { service.service.as_str() } else { service.id.as_str() };
        id.eq_ignore_ascii_case(&check.service_id)
    });
    if comes_along {
        return Ok(());
    }
    match view.instance(node, &check.service_id) {
        Some(instance) => caller.require(Resource::Service, &*instance.service.service, Level::Write),
        None => Err(failed(format!("Unknown service '{}' for check '{}'", check.service_id, check.check_id))),
    }
}

fn changes_node(known: &Node, given: &Registration) -> bool {
    !given.skip_node_update
        && (known.id != given.id
            || known.address != given.address
            || known.tagged_addresses.clone().unwrap_or_default() != given.tagged_addresses.clone().unwrap_or_default()
            || known.meta.clone().unwrap_or_default() != given.node_meta.clone().unwrap_or_default())
}

/// Who may write a node may take anything off it; else the right to the service, or to the service of the check.
pub(super) fn deregister(view: &View, caller: &Caller, given: &Deregistration) -> Result<(), RequestError> {
    let node = given.node.as_str();
    if caller.allows(Resource::Node, node, Level::Write) {
        return Ok(());
    }
    if !given.service_id.is_empty() {
        return match view.instance(node, &given.service_id) {
            Some(instance) => caller.require(Resource::Service, &*instance.service.service, Level::Write),
            None => Err(failed(format!("Unknown service '{}'", given.service_id))),
        };
    }
    if given.check_id.is_empty() {
        return Err(denied());
    }
    match view.check(node, &given.check_id) {
        Some(check) if check.service_id.is_empty() => Err(denied()),
        Some(check) => caller.require(Resource::Service, &*check.service_name, Level::Write),
        None => Err(failed(format!("Unknown check '{}'", given.check_id))),
    }
}

/// Sessions belong to nodes; to end or renew one that is not there needs nothing, because nothing is done.
pub(super) fn session(view: &View, caller: &Caller, id: &SessionId) -> Result<(), RequestError> {
    match view.session(id) {
        Some(session) => caller.require(Resource::Session, &*session.node, Level::Write),
        None => Ok(()),
    }
}

pub(super) fn kv(caller: &Caller, change: &KvChange) -> Result<(), RequestError> {
    let allowed = match change.verb {
        KvVerb::DeleteTree => caller.allows_key_tree(&change.key, Level::Write),
        KvVerb::Set | KvVerb::Cas | KvVerb::Delete | KvVerb::DeleteCas | KvVerb::Lock | KvVerb::Unlock => {
            caller.allows(Resource::Key, &change.key, Level::Write)
        }
    };
    if allowed { Ok(()) } else { Err(denied()) }
}

/// To copy needs to read all that is copied and to write all of where it goes; to move, to delete as well.
pub(super) fn kv_copy(caller: &Caller, copy: &KvCopy) -> Result<(), RequestError> {
    let of_origin = if copy.is_move { Level::Write } else { Level::Read };
    let allowed = caller.allows_key_tree(&copy.from, of_origin) && caller.allows_key_tree(&copy.to, Level::Write);
    if allowed { Ok(()) } else { Err(denied()) }
}

/// The operations of a transaction that the caller may not do. What it may not see is taken out of the results instead.
#[must_use]
pub fn txn(view: &View, caller: &Caller, operations: &[TxnOp]) -> TxnAnswer {
    let each = operations.iter().map(|operation| match operation {
        TxnOp::Look(look) => txn_look(caller, look),
        TxnOp::Kv(change) => kv(caller, change),
        TxnOp::Node { node, .. } => caller.require(Resource::Node, &*node.node, Level::Write),
        TxnOp::Service { node, service, .. } => {
            let known = view.instance(node, &service.id).map(|known| known.service.service.clone());
            let names = known.into_iter().chain(Some(service.service.clone()).filter(|name| !name.is_empty()));
            names.into_iter().try_for_each(|name| caller.require(Resource::Service, &*name, Level::Write))
        }
        TxnOp::Check { check, .. } => txn_check(view, caller, check),
    });
    refusals(each)
}

/// As [`txn`], for a transaction that only looks.
#[must_use]
pub fn txn_looks(caller: &Caller, operations: &[TxnLook]) -> TxnAnswer {
    refusals(operations.iter().map(|look| txn_look(caller, look)))
}

fn refusals(each: impl Iterator<Item = Result<(), RequestError>>) -> TxnAnswer {
    let mut refused = TxnAnswer::default();
    for (op_index, result) in each.enumerate() {
        refused.note(op_index, result.map(|()| Vec::new()).map_err(|error| error.message));
    }
    refused
}

fn txn_look(caller: &Caller, look: &TxnLook) -> Result<(), RequestError> {
    match look {
        TxnLook::KvIndex { key, .. } | TxnLook::KvSession { key, .. } | TxnLook::KvAbsent { key } => {
            caller.require(Resource::Key, key, Level::Read)
        }
        // The results decide.
        TxnLook::KvGet { .. }
        | TxnLook::KvTree { .. }
        | TxnLook::Node { .. }
        | TxnLook::Service { .. }
        | TxnLook::Check { .. }
        | TxnLook::Refused { .. } => Ok(()),
    }
}

/// The check as it is and as it is to be.
fn txn_check(view: &View, caller: &Caller, check: &HealthCheck) -> Result<(), RequestError> {
    let known = view.check(&check.node, &check.check_id).map(|known| &**known);
    for check in known.into_iter().chain([check]) {
        if check.service_id.is_empty() {
            caller.require(Resource::Node, &*check.node, Level::Write)?;
            continue;
        }
        let instance = view.instance(&check.node, &check.service_id);
        let name = instance.map_or(&check.service_name, |instance| &instance.service.service);
        caller.require(Resource::Service, &**name, Level::Write)?;
    }
    Ok(())
}

/// A change of a prepared query: of the name that it has, and of the one that it gets. One without a name is guarded by
/// its id.
pub(super) fn prepared_query(view: &View, caller: &Caller, change: &QueryChange) -> Result<(), RequestError> {
    let (id, next) = match change {
        QueryChange::Create(query) => ("", Some(query)),
        QueryChange::Update(query) => (query.id.as_str(), Some(query)),
        QueryChange::Delete { id } => (id.as_str(), None),
    };
    let known = view.prepared_query(id).map(AsRef::as_ref);
    let named = known.into_iter().chain(next).filter(|query| !query.name.is_empty() || query.is_template());
    named.into_iter().try_for_each(|query| caller.require(acl::Resource::Query, &*query.name, acl::Level::Write))
}
