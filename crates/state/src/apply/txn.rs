//! Transactions: all operations or none.
//!
//! Operations see what those before them have done, so whether one fails is only known after those have been applied.
//! A transaction that may fail is therefore rehearsed on a draft that is thrown away, and applied if that went well.

use model::{HealthCheck, Key, KvChange, KvVerb, Node, NodeName, NodeService, ObjectVerb, Registration};
use model::{TxnAnswer, TxnLook, TxnOp, TxnResult, quoted};
use std::sync::Arc;

use super::kv::apply_kv;
use crate::outcome::Outcome;
use crate::tables::{Draft, NodePlan, Tables};

/// Characters of a UUID.
const UUID_LENGTH: usize = 36;

type Results = Result<Vec<TxnResult>, String>;

/// Applies a transaction. Either it has results and everything is done, or it has errors and nothing is.
pub(crate) fn apply_txn(draft: &mut Draft, index: u64, operations: Vec<TxnOp>) -> TxnAnswer {
    if operations.iter().any(may_fail) {
        let rehearsed = run(&mut draft.rehearsal(), index, operations.clone());
        if !rehearsed.errors.is_empty() {
            return rehearsed.settled();
        }
    }
    run(draft, index, operations)
}

/// Answers a transaction that only looks.
pub(crate) fn look_all(tables: &Tables, operations: &[TxnLook]) -> TxnAnswer {
    let mut answer = TxnAnswer::default();
    for (at, operation) in operations.iter().enumerate() {
        answer.note(at, look(tables, operation));
    }
    answer.settled()
}

fn may_fail(operation: &TxnOp) -> bool {
    match operation {
        TxnOp::Look(TxnLook::KvTree { .. }) => false,
        TxnOp::Kv(change) => !matches!(change.verb, KvVerb::Set | KvVerb::Delete | KvVerb::DeleteTree),
        TxnOp::Look(_) | TxnOp::Node { .. } | TxnOp::Service { .. } | TxnOp::Check { .. } => true,
    }
}

fn run(draft: &mut Draft, index: u64, operations: Vec<TxnOp>) -> TxnAnswer {
    let mut answer = TxnAnswer::default();
    for (at, operation) in operations.into_iter().enumerate() {
        answer.note(at, apply_operation(draft, index, operation));
    }
    answer
}

fn apply_operation(draft: &mut Draft, index: u64, operation: TxnOp) -> Results {
    match operation {
        TxnOp::Look(it) => look(&draft.tables, &it),
        TxnOp::Kv(change) => change_key(draft, index, change),
        TxnOp::Node { verb, node } => change_node(draft, index, verb, &node),
        TxnOp::Service { verb, node, service } => change_service(draft, index, verb, &node, service),
        TxnOp::Check { verb, check } => change_check(draft, index, verb, check),
    }
}

fn change_key(draft: &mut Draft, index: u64, change: KvChange) -> Results {
    let (verb, key) = (change.verb, change.key.clone());
    if verb == KvVerb::Lock && !change.session.is_empty() && change.session.len() != UUID_LENGTH {
        return Err("failed session lookup: index error: UUID must be 36 characters".to_owned());
    }
    match apply_kv(draft, index, change) {
        Outcome::Bool(false) => Err(refusal(verb, &key)),
        Outcome::Error(what) => Err(what),
        Outcome::Bool(true) | Outcome::Locked { .. } | Outcome::Txn(_) | Outcome::Skipped => Ok(match verb {
            KvVerb::Set | KvVerb::Cas | KvVerb::Lock | KvVerb::Unlock => without_value(&draft.tables, &key),
            KvVerb::Delete | KvVerb::DeleteCas | KvVerb::DeleteTree => Vec::new(),
        }),
    }
}

fn refusal(verb: KvVerb, key: &Key) -> String {
    let key = quoted(key.as_bytes());
    match verb {
        KvVerb::Set | KvVerb::Cas => format!("failed to set key {key}, index is stale"),
        KvVerb::Delete | KvVerb::DeleteCas | KvVerb::DeleteTree => {
            format!("failed to delete key {key}, index is stale")
        }
        KvVerb::Lock => format!("failed to lock key {key}, lock is already held"),
        KvVerb::Unlock => format!("failed to unlock key {key}, lock isn't held, or is held by another session"),
    }
}

fn change_node(draft: &mut Draft, index: u64, verb: ObjectVerb, node: &Node) -> Results {
    let current = draft.tables.node(&node.node).map(|node| node.modify_index);
    let name = quoted(node.node.as_bytes());
    if !verb_matches(verb, current, node.modify_index) {
        return Err(stale(verb, &format!("node {name}")));
    }
    if is_deletion(verb) {
        draft.delete_node(index, &node.node);
        return Ok(Vec::new());
    }
    let registration = Registration {
        id: node.id.clone(),
        node: node.node.clone(),
        address: node.address.clone(),
        datacenter: node.datacenter.clone(),
        tagged_addresses: node.tagged_addresses.clone(),
        node_meta: node.meta.clone(),
        ..Registration::default()
    };
    let plan = draft.tables.plan_node(&registration)?;
    if let NodePlan::Put { renamed_from } = &plan {
        draft.put_node(index, &registration, renamed_from.as_ref());
    }
    Ok(draft.tables.node(&node.node).map(|node| TxnResult::Node(Arc::clone(node))).into_iter().collect())
}

fn change_service(draft: &mut Draft, index: u64, verb: ObjectVerb, node: &NodeName, service: NodeService) -> Results {
    let instance = |draft: &Draft, id: &str| draft.tables.instance(node, id).map(|found| Arc::clone(&found.service));
    let id = service.id.clone();
    let current = instance(draft, &id).map(|service| service.modify_index);
    if !verb_matches(verb, current, service.modify_index) {
        return Err(stale(verb, &format!("service {} on node {}", quoted(id.as_bytes()), quoted(node.as_bytes()))));
    }
    if is_deletion(verb) {
        draft.delete_service(index, node, &id);
        return Ok(Vec::new());
    }
    if draft.tables.node(node).is_none() {
        return Err("Missing node registration".to_owned());
    }
    if id.is_empty() || service.service.is_empty() {
        return Err("failed inserting service: object missing primary index".to_owned());
    }
    draft.put_service(index, node, service);
    Ok(instance(draft, &id).map(TxnResult::Service).into_iter().collect())
}

fn change_check(draft: &mut Draft, index: u64, verb: ObjectVerb, check: HealthCheck) -> Results {
    let (node, id) = (check.node.clone(), check.check_id.clone());
    let current = draft.tables.check(&node, &id).map(|check| check.modify_index);
    if !verb_matches(verb, current, check.modify_index) {
        return Err(stale(verb, &format!("check {} on node {}", quoted(id.as_bytes()), quoted(node.as_bytes()))));
    }
    if is_deletion(verb) {
        draft.delete_check(index, &node, &id);
        return Ok(Vec::new());
    }
    if draft.tables.node(&node).is_none() {
        return Err("Missing node registration".to_owned());
    }
    if !check.service_id.is_empty() && draft.tables.instance(&node, &check.service_id).is_none() {
        return Err("Missing service registration".to_owned());
    }
    if id.is_empty() {
        return Err("failed inserting check: object missing primary index".to_owned());
    }
    draft.put_check(index, check);
    Ok(draft.tables.check(&node, &id).map(|check| TxnResult::Check(Arc::clone(check))).into_iter().collect())
}

fn is_deletion(verb: ObjectVerb) -> bool {
    matches!(verb, ObjectVerb::Delete | ObjectVerb::DeleteCas)
}

/// Whether a compare-and-set verb finds what it wants; 0 can only mean "must not exist", which nothing to delete can.
fn verb_matches(verb: ObjectVerb, current: Option<u64>, wanted: u64) -> bool {
    match verb {
        ObjectVerb::Set | ObjectVerb::Delete => true,
        ObjectVerb::Cas => current.unwrap_or(0) == wanted,
        ObjectVerb::DeleteCas => current == Some(wanted),
    }
}

fn stale(verb: ObjectVerb, object: &str) -> String {
    let verb = if is_deletion(verb) { "delete" } else { "set" };
    format!("failed to {verb} {object}, index is stale")
}

fn look(tables: &Tables, operation: &TxnLook) -> Results {
    match operation {
        TxnLook::KvGet { key } => match tables.kv.get(key) {
            Some(entry) => Ok(vec![TxnResult::Kv(Arc::clone(entry))]),
            None => Err(format!("key {} doesn't exist", quoted(key.as_bytes()))),
        },
        TxnLook::KvTree { prefix } => {
            Ok(tables.kv.prefix(prefix).map(|entry| TxnResult::Kv(Arc::clone(entry))).collect())
        }
        TxnLook::KvIndex { key, index } => match tables.kv.get(key) {
            Some(entry) if entry.modify_index == *index => Ok(without_value(tables, key)),
            Some(entry) => Err(format!(
                "failed index check for key {}, current modify index {} != {index}",
                quoted(key.as_bytes()),
                entry.modify_index
            )),
            None => Err(format!("failed to check index, key {} doesn't exist", quoted(key.as_bytes()))),
        },
        TxnLook::KvSession { key, session } => match tables.kv.get(key) {
            Some(entry) if entry.session == *session => Ok(without_value(tables, key)),
            Some(entry) => Err(format!(
                "failed session check for key {}, current session {} != {}",
                quoted(key.as_bytes()),
                quoted(entry.session.as_bytes()),
                quoted(session.as_bytes())
            )),
            None => Err(format!("failed to check session, key {} doesn't exist", quoted(key.as_bytes()))),
        },
        TxnLook::KvAbsent { key } if tables.kv.get(key).is_some() => {
            Err(format!("key {} exists", quoted(key.as_bytes())))
        }
        TxnLook::KvAbsent { .. } => Ok(Vec::new()),
        TxnLook::Node { .. } | TxnLook::Service { .. } | TxnLook::Check { .. } => look_at_object(tables, operation),
        TxnLook::Refused { what } => Err(what.clone()),
    }
}

fn look_at_object(tables: &Tables, operation: &TxnLook) -> Results {
    match operation {
        TxnLook::Node { id, node } => {
            check_uuid(id)?;
            let found = if id.is_empty() { tables.node(node) } else { tables.node_by_id(id) };
            found
                .map(|node| vec![TxnResult::Node(Arc::clone(node))])
                .ok_or(format!("node {} doesn't exist", quoted(node.as_bytes())))
        }
        TxnLook::Service { node, id } => {
            let found = tables.instance(node, id).map(|found| vec![TxnResult::Service(Arc::clone(&found.service))]);
            found.ok_or_else(|| {
                format!("service {} on node {} doesn't exist", quoted(id.as_bytes()), quoted(node.as_bytes()))
            })
        }
        TxnLook::Check { node, id } => {
            let found = tables.check(node, id).map(|check| vec![TxnResult::Check(Arc::clone(check))]);
            found.ok_or_else(|| {
                format!("check {} on node {} doesn't exist", quoted(id.as_bytes()), quoted(node.as_bytes()))
            })
        }
        _ => Ok(Vec::new()),
    }
}

fn check_uuid(id: &str) -> Result<(), String> {
    let is_hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let wrong = |why: &str| Err(format!("node lookup by ID failed, wrong UUID: {why} for '{id}'"));
    if id.is_empty() {
        return Ok(());
    }
    if id.len() != UUID_LENGTH {
        return wrong("uuid string is wrong length");
    }
    if id.bytes().enumerate().any(|(at, byte)| is_hyphen(at) && byte != b'-') {
        return wrong("uuid is improperly formatted");
    }
    match id.bytes().enumerate().find(|(at, byte)| !is_hyphen(*at) && !byte.is_ascii_hexdigit()) {
        Some((_, byte)) => wrong(&format!("encoding/hex: invalid byte: U+{byte:04X} {:?}", char::from(byte))),
        None => Ok(()),
    }
}

/// The entry of a key as answers show it that were not asked for its value.
fn without_value(tables: &Tables, key: &Key) -> Vec<TxnResult> {
    let bare = tables.kv.get(key).map(|entry| model::KvEntry { value: model::Blob::default(), ..(**entry).clone() });
    bare.map(|entry| TxnResult::Kv(Arc::new(entry))).into_iter().collect()
}
