//! `/v1/txn`.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use http::StatusCode;
use model::{Blob, ObjectVerb, TxnAnswer, TxnLook, TxnOp, TxnResult};
use serde_json::{Value, json};
use server::request::{
    Action, Answer as Rows, Body, Form, KvChange, KvVerb, Query, ReadMeta, ReadOptions, Response, Write,
};

use super::decode::decode_shape;
use super::extract::{Call, unexpected};
use super::reply::{Answer, Failure, Reply};
use super::txn_shapes::{CheckOperation, KvOperation, NodeOperation, OPERATIONS, Operation, ServiceOperation};

/// `PUT`: does all operations or none. One that only looks is a read, at the consistency that is asked for.
pub async fn put(call: &mut Call<'_>) -> Answer {
    let operations = read_operations(call).await?;
    let looks: Option<Vec<TxnLook>> = operations.iter().map(as_look).collect();
    let Some(operations_of_read) = looks else {
        return match call.ask(Action::Write(Write::Txn(operations))).await? {
            Response::Txn(answer) => reply(&answer, None),
            other => Err(unexpected(&other)),
        };
    };
    let (consistency, max_stale_ms) = call.consistency()?;
    let options = ReadOptions { consistency, max_stale_ms, form: Form::Rows, ..ReadOptions::default() };
    match call.read(options, Query::Txn { operations: operations_of_read }).await? {
        (meta, Body::Rows(Rows::Txn(answer))) => reply(&answer, Some(&meta)),
        _ => Err(Failure::internal("unexpected rows from the server in place of a transaction")),
    }
}

fn as_look(operation: &TxnOp) -> Option<TxnLook> {
    match operation {
        TxnOp::Look(look) => Some(look.clone()),
        TxnOp::Kv(_) | TxnOp::Node { .. } | TxnOp::Service { .. } | TxnOp::Check { .. } => None,
    }
}

async fn read_operations(call: &mut Call<'_>) -> Result<Vec<TxnOp>, Failure> {
    let limits = call.state.limits;
    let body = call
        .take_body_within(limits.txn_bytes_max, |size, max| {
            format!(
                "Request body({size} bytes) too large, max size: {max} bytes. \
                 See https://www.consul.io/docs/agent/options.html#txn_max_req_len."
            )
        })
        .await?;
    let parsed = decode_shape::<Option<Vec<Operation>>>(&body, &OPERATIONS);
    let operations = parsed.map_err(|error| bad_body(&error))?.unwrap_or_default();
    if operations.len() > limits.txn_operations_max {
        return Err(Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("Transaction contains too many operations ({} > {})", operations.len(), limits.txn_operations_max),
        ));
    }
    let mut converted = Vec::with_capacity(operations.len());
    for operation in operations {
        converted.extend(convert(operation, limits.kv_value_bytes_max)?);
    }
    Ok(converted)
}

fn bad_body(cause: &dyn std::fmt::Display) -> Failure {
    Failure::bad_request(format!("Failed to parse body: {cause}"))
}

fn convert(operation: Operation, value_max: usize) -> Result<Option<TxnOp>, Failure> {
    Ok(match operation {
        Operation { kv: Some(kv), .. } => Some(convert_kv(kv, value_max)?),
        Operation { node: Some(node), .. } => Some(convert_node(node)),
        Operation { service: Some(service), .. } => Some(convert_service(service)),
        Operation { check: Some(check), .. } => Some(convert_check(check)),
        Operation { .. } => None,
    })
}

fn convert_kv(operation: KvOperation, value_max: usize) -> Result<TxnOp, Failure> {
    let KvOperation { verb, key, value, flags, index, session, ttl } = operation;
    let value = decode_base64(&value)?;
    if value.len() > value_max {
        return Err(Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("Value for key {:?} is too large ({} > {value_max} bytes)", key.to_text(), value.len()),
        ));
    }
    let verb = match verb.as_str() {
        "set" => KvVerb::Set,
        "cas" => KvVerb::Cas,
        "lock" => KvVerb::Lock,
        "unlock" => KvVerb::Unlock,
        "delete" => KvVerb::Delete,
        "delete-cas" => KvVerb::DeleteCas,
        "delete-tree" => KvVerb::DeleteTree,
        "get" => return Ok(TxnOp::Look(TxnLook::KvGet { key })),
        "get-tree" => return Ok(TxnOp::Look(TxnLook::KvTree { prefix: key })),
        "check-index" => return Ok(TxnOp::Look(TxnLook::KvIndex { key, index })),
        "check-session" => return Ok(TxnOp::Look(TxnLook::KvSession { key, session })),
        "check-not-exists" => return Ok(TxnOp::Look(TxnLook::KvAbsent { key })),
        verb => return Ok(refused("KV", verb)),
    };
    let value = Blob::new(value);
    let ttl = if ttl.is_empty() { 0 } else { super::kv::parse_ttl(&ttl)? };
    Ok(TxnOp::Kv(KvChange { verb, key, value, flags, index, session, ttl, ..KvChange::default() }))
}

fn convert_node(operation: NodeOperation) -> TxnOp {
    let node = operation.node;
    match object_verb(&operation.verb) {
        Some(verb) => TxnOp::Node { verb, node },
        None if operation.verb == "get" => TxnOp::Look(TxnLook::Node { id: node.id, node: node.node }),
        None => refused("Node", &operation.verb),
    }
}

fn convert_service(operation: ServiceOperation) -> TxnOp {
    let ServiceOperation { verb, node, service } = operation;
    match object_verb(&verb) {
        Some(verb) => TxnOp::Service { verb, node, service },
        None if verb == "get" => TxnOp::Look(TxnLook::Service { node, id: service.id }),
        None => refused("Service", &verb),
    }
}

fn convert_check(operation: CheckOperation) -> TxnOp {
    let check = operation.check;
    match object_verb(&operation.verb) {
        Some(verb) => TxnOp::Check { verb, check },
        None if operation.verb == "get" => TxnOp::Look(TxnLook::Check { node: check.node, id: check.check_id }),
        None => refused("Check", &operation.verb),
    }
}

fn object_verb(verb: &str) -> Option<ObjectVerb> {
    match verb {
        "set" => Some(ObjectVerb::Set),
        "cas" => Some(ObjectVerb::Cas),
        "delete" => Some(ObjectVerb::Delete),
        "delete-cas" => Some(ObjectVerb::DeleteCas),
        _ => None,
    }
}

fn refused(family: &str, verb: &str) -> TxnOp {
    TxnOp::Look(TxnLook::Refused { what: format!("unknown {family} verb {verb:?}") })
}

/// Base64 as Go reads it: line breaks do not count.
fn decode_base64(text: &str) -> Result<Vec<u8>, Failure> {
    let wrong = |at: usize| bad_body(&format_args!("illegal base64 data at input byte {at}"));
    let decoded = if text.contains(['\r', '\n']) {
        STANDARD.decode(text.replace(['\r', '\n'], ""))
    } else {
        STANDARD.decode(text)
    };
    decoded.map_err(|error| match error {
        // Padding in the middle is right in itself; what follows it is not.
        DecodeError::InvalidByte(at, b'=') => wrong(at + 1),
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => wrong(at),
        DecodeError::InvalidLength(length) => wrong(length - length % 4),
        DecodeError::InvalidPadding => wrong(text.len() - text.len() % 4),
    })
}

fn reply(answer: &TxnAnswer, read: Option<&ReadMeta>) -> Answer {
    let results = answer.errors.is_empty().then(|| answer.results.iter().map(shown).collect::<Vec<_>>());
    let errors = (!answer.errors.is_empty()).then_some(&answer.errors);
    let mut body = json!({"Results": results, "Errors": errors});
    if let Some(meta) = read {
        body["Index"] = 0.into();
        body["LastContact"] = (meta.last_contact_ms * 1_000_000).into();
        body["KnownLeader"] = meta.known_leader.into();
        body["ConsistencyLevel"] = "".into();
    }
    let mut reply = Reply::json_of(&body)?;
    if let Some(meta) = read {
        reply = reply.with_contact(meta);
    }
    Ok(if answer.errors.is_empty() { reply } else { reply.with_status(StatusCode::CONFLICT) })
}

/// A result as clients know it: tags that nobody gave are `null` here, unlike everywhere else.
fn shown(result: &TxnResult) -> Value {
    let mut value = json!(result);
    for (family, tags) in [("Service", "Tags"), ("Check", "ServiceTags")] {
        if let Some(tags) = value.get_mut(family).and_then(|object| object.get_mut(tags))
            && tags.as_array().is_some_and(Vec::is_empty)
        {
            *tags = Value::Null;
        }
    }
    value
}
