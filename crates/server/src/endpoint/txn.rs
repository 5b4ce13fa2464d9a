//! `/v1/txn`.

use model::{KvVerb, ObjectVerb, TxnAnswer, TxnError, TxnLook, TxnOp};
use state::View;

use super::{Leading, catalog, kv};
use crate::request::{Answer, RequestError};

pub(super) fn look(view: &View, operations: &[TxnLook]) -> Answer {
    let mut answer = TxnAnswer::default();
    for (op_index, operation) in operations.iter().enumerate() {
        if let Err(error) = check_look(operation) {
            answer.errors.push(TxnError { op_index, what: error.message });
        }
    }
    Answer::Txn(if answer.errors.is_empty() { view.look(operations) } else { answer })
}

/// Checks the operations and fills in what follows from the rest of each; all that are wrong are named.
pub(super) fn prepare(view: &View, operations: &[TxnOp], leading: &Leading<'_>) -> Result<Vec<TxnOp>, TxnAnswer> {
    let mut prepared = Vec::with_capacity(operations.len());
    let mut refused = TxnAnswer::default();
    for (op_index, operation) in operations.iter().enumerate() {
        match prepare_operation(view, operation.clone(), leading) {
            Ok(operation) => prepared.push(operation),
            Err(error) => refused.errors.push(TxnError { op_index, what: error.message }),
        }
    }
    if refused.errors.is_empty() { Ok(prepared) } else { Err(refused) }
}

fn prepare_operation(view: &View, mut operation: TxnOp, leading: &Leading<'_>) -> Result<TxnOp, RequestError> {
    match &mut operation {
        TxnOp::Look(look) => check_look(look)?,
        TxnOp::Kv(change) if change.verb == KvVerb::DeleteTree => {}
        TxnOp::Kv(change) => {
            check_key(&change.key)?;
            *change = kv::dated(change, leading)?;
            if change.verb == KvVerb::Lock {
                if kv::is_delayed(view, &change.key, leading) {
                    let key = model::quoted(change.key.as_bytes());
                    return Err(super::failed(format!("failed to lock key {key} due to lock delay")));
                }
                change.index = view.index();
            }
        }
        TxnOp::Node { node, .. } => {
            if node.node.is_empty() {
                return Err(super::failed("Must provide node"));
            }
            catalog::check_uuid(&node.id)?;
            if node.datacenter.is_empty() {
                leading.datacenter.clone_into(&mut node.datacenter);
            }
        }
        TxnOp::Service { service, .. } => catalog::prepare_instance(service)?,
        TxnOp::Check { verb: ObjectVerb::Set | ObjectVerb::Cas, check } => catalog::name_check(check),
        TxnOp::Check { verb: ObjectVerb::Delete | ObjectVerb::DeleteCas, .. } => {}
    }
    Ok(operation)
}

fn check_look(look: &TxnLook) -> Result<(), RequestError> {
    match look {
        TxnLook::KvGet { key }
        | TxnLook::KvTree { prefix: key }
        | TxnLook::KvIndex { key, .. }
        | TxnLook::KvSession { key, .. }
        | TxnLook::KvAbsent { key } => check_key(key),
        TxnLook::Node { .. } | TxnLook::Service { .. } | TxnLook::Check { .. } | TxnLook::Refused { .. } => Ok(()),
    }
}

fn check_key(key: &[u8]) -> Result<(), RequestError> {
    if key.is_empty() { Err(super::failed("Must provide key")) } else { Ok(()) }
}
