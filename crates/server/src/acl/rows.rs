//! What of an answer the caller may see. A new kind of answer does not compile before it has its line here.

use acl::Level::Read;
use acl::Resource::{Key, Node, Service, Session};
use model::{HealthCheck, TxnAnswer, TxnResult};

use super::guard::Caller;
use crate::request::{Answer, Query};

/// Whether the caller may see an instance of a service on a node. Node checks have no service.
#[must_use]
pub fn sees(caller: &Caller, node: &str, service: &str) -> bool {
    caller.allows(Node, node, Read) && (service.is_empty() || caller.allows(Service, service, Read))
}

fn sees_check(caller: &Caller, check: &HealthCheck) -> bool {
    sees(caller, &check.node, &check.service_name)
}

/// Takes out what the caller may not see. The ways to a service are also hidden from those who may not see the service,
/// whatever the names of the proxies that are the ways.
pub fn keep_visible(caller: &Caller, query: &Query, answer: &mut Answer) {
    if let Query::MeshNodes { service, .. } | Query::MeshHealth { service, .. } = query
        && !caller.allows(Service, &**service, Read)
    {
        match answer {
            Answer::ServiceNodes(rows) => rows.clear(),
            Answer::Health(rows) => rows.clear(),
            _ => {}
        }
    }
    match answer {
        Answer::Kv(rows) => rows.retain(|entry| caller.allows(Key, &entry.key, Read)),
        Answer::Keys(keys) => keys.retain(|key| caller.allows(Key, key, Read)),
        Answer::KvHistory(key, versions) => {
            if !caller.allows(Key, key, Read) {
                versions.clear();
            }
        }
        Answer::KvSince(since) => {
            since.entries.retain(|entry| caller.allows(Key, &entry.key, Read));
            let deletions = since.deleted.len();
            since.deleted.retain(|(key, _)| caller.allows(Key, key, Read));
            // The deletion of a tree that the caller may not see can be that of a key which it may.
            since.is_complete &= since.deleted.len() == deletions;
        }
        Answer::Nodes(rows) => rows.retain(|node| caller.allows(Node, &*node.node, Read)),
        Answer::Services(map) => map.retain(|name, _| caller.allows(Service, name, Read)),
        Answer::ServiceNodes(rows) => rows.retain(|row| sees(caller, &row.node.node, &row.service.service)),
        Answer::NodeServices(node) => {
            node.take_if(|node| !caller.allows(Node, &*node.node.node, Read));
            if let Some(node) = node {
                node.services.retain(|_, service| caller.allows(Service, &*service.service, Read));
            }
        }
        Answer::Health(rows) => rows.retain(|row| sees(caller, &row.node.node, &row.service.service)),
        Answer::Checks(rows) => rows.retain(|check| sees_check(caller, check)),
        Answer::NodeDump(dump) => {
            dump.take_if(|(node, _)| !caller.allows(Node, &*node.node.node, Read));
            if let Some((node, checks)) = dump {
                node.services.retain(|_, service| caller.allows(Service, &*service.service, Read));
                checks.retain(|check| sees_check(caller, check));
            }
        }
        Answer::Sessions(rows) => rows.retain(|session| caller.allows(Session, &*session.node, Read)),
        Answer::Txn(answer) => keep_visible_results(caller, answer),
        Answer::Coordinates(rows) => rows.retain(|row| caller.allows(Node, &*row.node, Read)),
        Answer::Execution(found) => {
            found.nodes.retain(|row| sees(caller, &row.node.node, &row.service.service));
        }
        // Made for the caller.
        Answer::Acl(_) | Answer::Document(_) | Answer::PreparedQueries(_) => {}
    }
}

/// Takes out of the results of a transaction what the caller may not see.
pub fn keep_visible_results(caller: &Caller, answer: &mut TxnAnswer) {
    answer.results.retain(|result| match result {
        TxnResult::Kv(entry) => caller.allows(Key, &entry.key, Read),
        TxnResult::Node(node) => caller.allows(Node, &*node.node, Read),
        TxnResult::Service(service) => caller.allows(Service, &*service.service, Read),
        TxnResult::Check(check) if check.service_name.is_empty() => caller.allows(Node, &*check.node, Read),
        TxnResult::Check(check) => caller.allows(Service, &*check.service_name, Read),
    });
}
