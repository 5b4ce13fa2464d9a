//! What each request means: checks and commands of writes; sources, rows and JSON of queries. One file per family.

mod catalog;
mod health;
mod kv;

use bytes::Bytes;
use filter::{Filter, Schema};
use model::{TextMap, to_json};
use state::{Command, Outcome, Source, Table, View};

use crate::request::{Answer, ErrorKind, Query, RequestError, Write};
use crate::shared::Rendered;

/// What a query depends on.
#[derive(Clone, Copy, Debug)]
pub struct Dependency<'a>(Source<'a>);

impl<'a> Dependency<'a> {
    /// As the view wants it.
    #[must_use]
    pub fn as_source(self) -> Source<'a> {
        self.0
    }
}

/// What the answer of a query depends on: its index and its watches come from there.
#[must_use]
pub fn source(query: &Query) -> Dependency<'_> {
    use Table::{Checks, Nodes, Services};
    Dependency(match query {
        Query::KvGet { key } => Source::Key(key),
        Query::KvList { prefix } | Query::KvKeys { prefix, .. } => Source::Prefix(prefix),
        Query::Nodes { .. } | Query::NodesByAddress { .. } => Source::Tables(&[Nodes]),
        Query::Services { meta } if meta.is_empty() => Source::Tables(&[Services]),
        Query::Services { .. } | Query::ServicesByAddress { .. } => Source::Tables(&[Nodes, Services]),
        Query::ServiceNodes { service, .. } | Query::ServiceHealth { service, .. } => Source::Service(service),
        Query::MeshNodes { service, .. } | Query::MeshHealth { service, .. } => Source::Mesh(service),
        Query::NodeServices { node } => Source::Node(node),
        Query::ServiceChecks { meta, .. } | Query::ChecksInState { meta, .. } if !meta.is_empty() => {
            Source::Tables(&[Nodes, Checks])
        }
        Query::NodeChecks { .. } | Query::ServiceChecks { .. } | Query::ChecksInState { .. } => {
            Source::Tables(&[Checks])
        }
        Query::NodeDump { .. } => Source::Tables(&[Nodes, Services, Checks]),
    })
}

/// Whether a query answers at once whatever index it is given.
#[must_use]
pub fn never_blocks(query: &Query) -> bool {
    matches!(query, Query::NodeDump { .. } | Query::NodesByAddress { .. } | Query::ServicesByAddress { .. })
}

/// Reads the filter expression of a query; none for the empty text and for queries that do not filter.
///
/// # Errors
/// The text that says what is wrong with the expression.
pub fn parse_filter(query: &Query, text: &str) -> Result<Option<Filter>, RequestError> {
    let schema: &Schema = match query {
        _ if text.is_empty() => return Ok(None),
        Query::Nodes { .. } => &filter::NODE,
        Query::ServiceNodes { .. } | Query::MeshNodes { .. } => &filter::SERVICE_INSTANCE,
        Query::NodeServices { .. } => &filter::NODE_SERVICE,
        Query::ServiceHealth { .. } | Query::MeshHealth { .. } => &filter::HEALTH,
        Query::NodeChecks { .. } | Query::ServiceChecks { .. } | Query::ChecksInState { .. } => &filter::CHECK,
        Query::KvGet { .. } | Query::KvList { .. } | Query::KvKeys { .. } | Query::Services { .. } => return Ok(None),
        Query::NodeDump { .. } | Query::NodesByAddress { .. } | Query::ServicesByAddress { .. } => return Ok(None),
    };
    let wrong = |error| failed(format!("Failed to create boolean expression evaluator: {error}"));
    Filter::parse(text, schema).map(Some).map_err(wrong)
}

/// The rows that answer a query.
#[must_use]
pub fn evaluate(view: &View, query: &Query, filter: Option<&Filter>) -> Answer {
    match query {
        Query::KvGet { key } => kv::get(view, key),
        Query::KvList { prefix } => kv::list(view, prefix),
        Query::KvKeys { prefix, separator } => kv::keys(view, prefix, separator),
        Query::Nodes { meta, near: _ } => catalog::nodes(view, meta, filter),
        Query::Services { meta } => catalog::services(view, meta),
        Query::ServiceNodes { service, tags, meta, near: _ } => {
            catalog::service_nodes(view.instances_of(service), tags, meta, filter)
        }
        Query::MeshNodes { service, meta, near: _ } => {
            catalog::service_nodes(view.mesh_instances_of(service), &[], meta, filter)
        }
        Query::NodeServices { node } => catalog::node_services(view, node, filter),
        Query::ServiceHealth { service, tags, passing, meta, near: _ } => {
            health::rows(view.instances_of(service), &health::Wanted { tags, passing: *passing, meta, filter })
        }
        Query::MeshHealth { service, passing, meta, near: _ } => health::rows(
            view.mesh_instances_of(service),
            &health::Wanted { tags: &[], passing: *passing, meta, filter },
        ),
        Query::NodeChecks { node } => health::node_checks(view, node, filter),
        Query::ServiceChecks { service, meta, near: _ } => health::service_checks(view, service, meta, filter),
        Query::ChecksInState { state, meta, near: _ } => health::checks_in_state(view, state, meta, filter),
        Query::NodeDump { node } => catalog::node_dump(view, node),
        Query::NodesByAddress { address } => catalog::nodes_by_address(view, address),
        Query::ServicesByAddress { address } => catalog::services_by_address(view, address),
    }
}

/// The JSON that answers a query.
pub(crate) fn render(view: &View, query: &Query, filter: Option<&Filter>) -> Result<Rendered, RequestError> {
    if let Query::ServiceHealth { service, tags, passing, meta, near: _ } = query {
        let wanted = health::Wanted { tags, passing: *passing, meta, filter };
        return Ok(Rendered { found: true, json: health::render(view.instances_of(service), &wanted) });
    }
    encode(&evaluate(view, query, filter))
}

fn encode(answer: &Answer) -> Result<Rendered, RequestError> {
    let (found, json) = match answer {
        Answer::Kv(rows) => (!rows.is_empty(), to_json(rows)),
        Answer::Keys(keys) => (!keys.is_empty(), to_json(keys)),
        Answer::Nodes(rows) => (true, to_json(rows)),
        Answer::Services(map) => (true, to_json(map)),
        Answer::ServiceNodes(rows) => (true, to_json(rows)),
        Answer::NodeServices(node) => (true, to_json(node)),
        Answer::Health(rows) => (true, to_json(rows)),
        Answer::Checks(rows) => (true, to_json(rows)),
        Answer::NodeDump(dump) => (true, to_json(dump)),
    };
    let json = json.map_err(|error| failed(format!("the answer cannot be encoded: {error}")))?;
    Ok(Rendered { found, json: json.into() })
}

/// Joins encoded rows to an array.
fn join_json<'a>(rows: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let rows: Vec<&Bytes> = rows.collect();
    let length = rows.iter().map(|row| row.len() + 1).sum::<usize>();
    let mut json = Vec::with_capacity(length + 2);
    json.push(b'[');
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            json.push(b',');
        }
        json.extend_from_slice(row);
    }
    json.push(b']');
    json.into()
}

/// Checks a write and makes the command to propose. `datacenter` is the server's own.
///
/// # Errors
/// The text of what is wrong with the write; nothing is changed.
pub fn prepare_write(_view: &View, write: &Write, datacenter: &str) -> Result<Vec<u8>, RequestError> {
    let command = match write {
        Write::Register(registration) => Command::Register(catalog::prepare_register(registration, datacenter)?),
        Write::Deregister(deregistration) => Command::Deregister(catalog::prepare_deregister(deregistration)?),
        Write::Kv(change) => Command::KvChange(kv::prepare(change)?),
        Write::RegisterAll(registrations) => {
            let prepare = |registration| catalog::prepare_register(registration, datacenter);
            Command::RegisterAll(registrations.iter().map(prepare).collect::<Result<_, _>>()?)
        }
    };
    Ok(command.encode())
}

/// The answer of a write, from what its command came to.
///
/// # Errors
/// The text of why it was refused; nothing is changed.
pub fn finish_write(outcome: Outcome) -> Result<bool, RequestError> {
    match outcome {
        Outcome::Bool(done) => Ok(done),
        Outcome::Skipped => Ok(true),
        Outcome::Error(text) => Err(failed(text)),
    }
}

fn failed(text: impl Into<String>) -> RequestError {
    RequestError::new(ErrorKind::Failed, text)
}

/// Whether metadata has all the wanted pairs.
fn has_meta(meta: Option<&TextMap>, wanted: &TextMap) -> bool {
    wanted.iter().all(|(key, value)| meta.and_then(|meta| meta.get(key)) == Some(value))
}

/// Whether tags hold all the wanted ones, ignoring case.
fn has_tags(tags: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|wanted| tags.iter().any(|tag| tag.to_lowercase() == wanted.to_lowercase()))
}
