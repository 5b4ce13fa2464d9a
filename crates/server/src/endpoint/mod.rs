//! What each request means: checks and commands of writes; sources, rows and JSON of queries. One file per family.

pub mod autopilot;
mod catalog;
mod coordinate;
mod health;
mod kv;
mod kv_history;
mod page;
mod prepared_query;
mod session;
mod txn;
mod ui;

use std::time::Duration;

use bytes::Bytes;
use filter::{Filter, Schema};
use model::{EntryKind, KvCopy, TextMap, Timestamp, Token, to_json};
use state::{Command, Outcome, Source, Table, View};

pub use session::check_id as check_session_id;

use crate::acl::{self, Caller};
use crate::leader::lock_delays::LockClock;
use crate::mesh;
use crate::near::sorted;
use crate::request::{Answer, ErrorKind, MeshQuery, Page, Query, RequestError, Response, UiQuery, Write};
use crate::shared::Rendered;

pub use coordinate::{check_coordinate, datacenters as datacenter_coordinates};

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
    use Table::{Checks, Coordinates, Nodes, PreparedQueries, Services};
    Dependency(match query {
        Query::KvGet { key, .. } | Query::KvHistory { key } | Query::KvAt { key, is_recurse: false, .. } => {
            Source::Key(key)
        }
        Query::KvAt { key, .. } => Source::Prefix(key),
        Query::KvList { prefix, .. } | Query::KvKeys { prefix, .. } | Query::KvSince { prefix, .. } => {
            Source::Prefix(prefix)
        }
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
        Query::AllHealth { .. } | Query::NodeDump { .. } | Query::Ui(_) => Source::Tables(&[Nodes, Services, Checks]),
        Query::Session { id } => Source::Session(id),
        Query::Sessions => Source::Tables(&[Table::Sessions]),
        Query::NodeSessions { node } => Source::NodeSessions(node),
        Query::IngressHealth { service, .. } => Source::Ingress(service),
        Query::Mesh(query) => mesh::source(query),
        // Its answer has no index and nothing waits for it.
        Query::Txn { .. } => Source::Tables(&[]),
        Query::Acl(query) => acl::query::source(query),
        Query::Coordinates { .. } | Query::NodeCoordinates { .. } => Source::Tables(&[Coordinates]),
        Query::PreparedQueries | Query::PreparedQuery { .. } => Source::Tables(&[PreparedQueries]),
        // These do not block, and their index says nothing.
        Query::ExplainQuery { .. } | Query::ExecuteQuery(_) => Source::Tables(&[]),
    })
}

/// Whether a query answers at once whatever index it is given.
#[must_use]
pub fn never_blocks(query: &Query) -> bool {
    matches!(
        query,
        Query::NodeDump { .. }
            | Query::NodesByAddress { .. }
            | Query::ServicesByAddress { .. }
            | Query::Txn { .. }
            | Query::KvAt { .. }
            | Query::ExplainQuery { .. }
            | Query::ExecuteQuery(_)
    )
}

/// Whether the rows are sorted by distance: then the answer changes with coordinates too, which nobody waits for.
pub(crate) fn is_sorted_by_distance(query: &Query) -> bool {
    match query {
        Query::Nodes { near, .. }
        | Query::ServiceNodes { near, .. }
        | Query::ServiceHealth { near, .. }
        | Query::MeshNodes { near, .. }
        | Query::MeshHealth { near, .. }
        | Query::IngressHealth { near, .. }
        | Query::ServiceChecks { near, .. }
        | Query::ChecksInState { near, .. } => !near.is_empty(),
        _ => false,
    }
}

/// The token that a query is answered with in place of the caller's, if it has one of its own.
pub(crate) fn own_token<'a>(view: &'a View, query: &Query) -> Option<&'a Token> {
    match query {
        Query::ExecuteQuery(wanted) => prepared_query::own_token(view, &wanted.id_or_name),
        _ => None,
    }
}

/// Refuses queries that cannot be answered.
///
/// # Errors
/// The text of what is wrong with the query.
pub fn check_query(query: &Query) -> Result<(), RequestError> {
    match query {
        Query::Session { id } => check_session_id(id),
        _ => Ok(()),
    }
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
        Query::IngressHealth { .. } | Query::AllHealth { .. } => &filter::HEALTH,
        Query::Mesh(MeshQuery::Intentions) => &filter::INTENTION,
        Query::Ui(UiQuery::Services) => &filter::HEALTH,
        Query::Ui(UiQuery::Nodes) => &filter::NODE,
        Query::Mesh(_) | Query::Ui(UiQuery::Node { .. }) => return Ok(None),
        Query::NodeChecks { .. } | Query::ServiceChecks { .. } | Query::ChecksInState { .. } => &filter::CHECK,
        Query::KvGet { .. } | Query::KvList { .. } | Query::KvKeys { .. } | Query::Services { .. } => return Ok(None),
        Query::NodeDump { .. } | Query::NodesByAddress { .. } | Query::ServicesByAddress { .. } => return Ok(None),
        Query::Session { .. } | Query::Sessions | Query::NodeSessions { .. } => return Ok(None),
        Query::KvHistory { .. } | Query::KvAt { .. } => return Ok(None),
        Query::Txn { .. } | Query::KvSince { .. } | Query::Acl(_) => return Ok(None),
        Query::Coordinates { .. } | Query::NodeCoordinates { .. } | Query::PreparedQueries => return Ok(None),
        Query::PreparedQuery { .. } | Query::ExplainQuery { .. } | Query::ExecuteQuery(_) => return Ok(None),
    };
    let wrong = |error| failed(format!("Failed to create boolean expression evaluator: {error}"));
    Filter::parse(text, schema).map(Some).map_err(wrong)
}

/// The rows that answer a query, without those that the caller may not see. `datacenter` is the server's own.
///
/// # Errors
/// When the caller may not ask it at all, or the text of why there is no answer.
pub fn evaluate(
    view: &View,
    caller: &Caller,
    query: &Query,
    filter: Option<&Filter>,
    datacenter: &str,
) -> Result<Answer, RequestError> {
    acl::table::check_query(caller, query)?;
    let mut answer = rows(view, caller, query, filter, datacenter)?;
    if caller.scope() != 0 {
        acl::rows::keep_visible(caller, query, &mut answer);
    }
    Ok(answer)
}

fn rows(
    view: &View,
    caller: &Caller,
    query: &Query,
    filter: Option<&Filter>,
    datacenter: &str,
) -> Result<Answer, RequestError> {
    Ok(match query {
        Query::KvGet { key, .. } => kv::get(view, key),
        Query::KvList { prefix, .. } => kv::list(view, prefix),
        Query::KvKeys { prefix, separator } => kv::keys(view, prefix, separator),
        Query::KvHistory { key } => kv_history::versions(view, key)?,
        Query::KvAt { key, index, is_recurse, .. } => kv_history::at(view, key, *index, *is_recurse)?,
        Query::Nodes { meta, near } => catalog::nodes(view, meta, near, filter),
        Query::Services { meta } => catalog::services(view, meta),
        Query::ServiceNodes { service, tags, meta, near } => {
            let instances = sorted(view, near, view.instances_of(service));
            catalog::service_nodes(instances, tags, meta, filter)
        }
        Query::MeshNodes { service, meta, near } => {
            let gateways = view.gateway_instances(EntryKind::TerminatingGateway, service);
            let instances = sorted(view, near, view.mesh_instances_of(service).chain(gateways));
            catalog::service_nodes(instances, &[], meta, filter)
        }
        Query::NodeServices { node } => catalog::node_services(view, node, filter),
        Query::ServiceHealth { service, tags, passing, meta, near } => {
            let instances = sorted(view, near, view.instances_of(service));
            health::rows(instances, &health::Wanted { tags, passing: *passing, meta, filter, caller })
        }
        Query::MeshHealth { service, passing, meta, near } => {
            let gateways = view.gateway_instances(EntryKind::TerminatingGateway, service);
            let instances = sorted(view, near, view.mesh_instances_of(service).chain(gateways));
            health::rows(instances, &health::Wanted { tags: &[], passing: *passing, meta, filter, caller })
        }
        Query::IngressHealth { service, passing, meta, near } => {
            let instances = sorted(view, near, view.gateway_instances(EntryKind::IngressGateway, service));
            health::rows(instances, &health::Wanted { tags: &[], passing: *passing, meta, filter, caller })
        }
        Query::NodeChecks { node } => health::node_checks(view, node, filter),
        Query::ServiceChecks { service, meta, near } => {
            health::service_checks(view, service, &health::Rows { meta, near, filter })
        }
        Query::ChecksInState { state, meta, near } => {
            health::checks_in_state(view, state, &health::Rows { meta, near, filter })
        }
        Query::NodeDump { node } => catalog::node_dump(view, node),
        Query::NodesByAddress { address } => catalog::nodes_by_address(view, address),
        Query::ServicesByAddress { address } => catalog::services_by_address(view, address),
        Query::Session { id } => session::one(view, id),
        Query::Sessions => session::all(view),
        Query::NodeSessions { node } => session::on_node(view, node),
        Query::KvSince { prefix, since } => Answer::KvSince(view.kv_since(prefix, *since)),
        Query::AllHealth { tags, passing, meta } => {
            health::rows(view.instances(), &health::Wanted { tags, passing: *passing, meta, filter, caller })
        }
        Query::Txn { operations } => match acl::check::txn_looks(caller, operations) {
            refused if refused.errors.is_empty() => txn::look(view, operations),
            refused => Answer::Txn(refused),
        },
        Query::Ui(query) => Answer::Document(ui::evaluate(view, caller, query, filter)?),
        Query::Mesh(query) => Answer::Document(mesh::evaluate(view, caller, query, filter, datacenter)?),
        Query::Acl(query) => Answer::Acl(acl::query::evaluate(view, caller, query)?),
        Query::Coordinates { segment } => coordinate::all(view, segment.as_deref()),
        Query::NodeCoordinates { node, segment } => coordinate::of_node(view, node, segment.as_deref()),
        Query::PreparedQueries => prepared_query::list(view, caller),
        Query::PreparedQuery { id } => prepared_query::get(view, caller, id)?,
        Query::ExplainQuery { id_or_name } => prepared_query::explain(view, caller, id_or_name)?,
        Query::ExecuteQuery(wanted) => prepared_query::execute(view, wanted, datacenter)?,
    })
}

/// The rows of a part of the list that answers a query.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_page(
    view: &View,
    caller: &Caller,
    query: &Query,
    filter: Option<&Filter>,
    page: &Page,
    datacenter: &str,
) -> Result<Answer, RequestError> {
    let answer = evaluate(view, caller, query, filter, datacenter)?;
    Ok(if *page == Page::default() { answer } else { page::cut(answer, query, page) })
}

/// The JSON that answers a query.
pub(crate) fn render(
    view: &View,
    caller: &Caller,
    query: &Query,
    filter: Option<&Filter>,
    page: &Page,
    datacenter: &str,
) -> Result<Rendered, RequestError> {
    if let Query::ServiceHealth { service, tags, passing, meta, near } = query
        && *page == Page::default()
    {
        acl::table::check_query(caller, query)?;
        let wanted = health::Wanted { tags, passing: *passing, meta, filter, caller };
        let json = health::render(sorted(view, near, view.instances_of(service)), &wanted);
        return Ok(Rendered { found: true, json, fencing_token: 0 });
    }
    let answer = evaluate_page(view, caller, query, filter, page, datacenter)?;
    Ok(Rendered { fencing_token: fencing_token(view, query, &answer), ..encode(&answer, query)? })
}

/// The fencing token of an answer that is one entry, made from this view; 0 when that is not locked.
pub(crate) fn fencing_token(view: &View, query: &Query, answer: &Answer) -> u64 {
    match answer {
        // What was, is held by nobody now.
        _ if matches!(query, Query::KvAt { .. }) => 0,
        Answer::Kv(entries) => entries.first().filter(|_| entries.len() == 1).map_or(0, |it| view.fencing_token(it)),
        _ => 0,
    }
}

fn encode(answer: &Answer, query: &Query) -> Result<Rendered, RequestError> {
    let (found, json) = match answer {
        Answer::Kv(rows) if kv::wants_times(query) => (!rows.is_empty(), to_json(&kv::timed(rows))),
        Answer::Kv(rows) => (!rows.is_empty(), to_json(rows)),
        Answer::Keys(keys) => (!keys.is_empty(), to_json(keys)),
        Answer::Nodes(rows) => (true, to_json(rows)),
        Answer::Services(map) => (true, to_json(map)),
        Answer::ServiceNodes(rows) => (true, to_json(rows)),
        Answer::NodeServices(node) => (true, to_json(node)),
        Answer::Health(rows) => (true, to_json(rows)),
        Answer::Checks(rows) => (true, to_json(rows)),
        Answer::Sessions(rows) => (true, to_json(rows)),
        Answer::NodeDump(dump) => (true, to_json(dump)),
        Answer::KvSince(changes) => (true, to_json(changes)),
        Answer::KvHistory(key, versions) => (!versions.is_empty(), to_json(&kv_history::shown(key, versions))),
        Answer::Txn(answer) => (true, to_json(answer)),
        Answer::Acl(answer) => answer.encode(),
        Answer::Document(document) => (document.is_some(), to_json(document)),
        Answer::Coordinates(rows) => (!rows.is_empty(), to_json(rows)),
        Answer::PreparedQueries(queries) => (true, to_json(queries)),
        Answer::Execution(execution) => (true, to_json(execution)),
    };
    let json = json.map_err(|error| failed(format!("the answer cannot be encoded: {error}")))?;
    Ok(Rendered { found, json: json.into(), fencing_token: 0 })
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

/// What the leader knows beside the state when it checks a write.
#[derive(Clone, Copy, Debug)]
pub struct Leading<'a> {
    /// The server's own datacenter.
    pub datacenter: &'a str,
    /// Shortest TTL that a session may have.
    pub session_ttl_min: Duration,
    /// When lock-delays began.
    pub locks: &'a LockClock,
    /// The time on the clock of `locks`.
    pub now: Duration,
    /// The time on the wall, for what is written down.
    pub time: Timestamp,
}

/// What becomes of a write that is in order.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// This command is proposed.
    Propose(Vec<u8>),
    /// It is answered at once; nothing is changed.
    Answer(Response),
}

/// Checks a write and makes the command to propose.
///
/// # Errors
/// The text of what is wrong with the write; nothing is changed.
pub fn prepare_write(view: &View, write: &Write, leading: &Leading<'_>) -> Result<Prepared, RequestError> {
    let datacenter = leading.datacenter;
    let command = match write {
        Write::Autopilot(change) => autopilot::prepare(change),
        Write::Register(registration) => Command::Register(catalog::prepare_register(registration, datacenter)?),
        Write::Deregister(deregistration) => Command::Deregister(catalog::prepare_deregister(deregistration)?),
        Write::Kv(change) => match kv::prepare(view, change, leading)? {
            Some(change) => Command::KvChange(change),
            None => return Ok(Prepared::Answer(Response::Written(false))),
        },
        Write::SessionCreate(given) => Command::SessionCreate(session::prepare_create(given, leading.session_ttl_min)?),
        Write::SessionDestroy(id) => {
            check_session_id(id)?;
            Command::SessionDestroy { id: id.clone() }
        }
        Write::RegisterAll(registrations) => {
            let prepare = |registration| catalog::prepare_register(registration, datacenter);
            Command::RegisterAll(registrations.iter().map(prepare).collect::<Result<_, _>>()?)
        }
        Write::KvCopy(copy) => Command::KvCopy(KvCopy { time: leading.time.whole_milliseconds(), ..copy.clone() }),
        Write::Mesh(write) => mesh::prepare(view, write, leading.time)?,
        Write::Txn(operations) => match txn::prepare(view, operations, leading) {
            Ok(operations) => Command::Txn(operations),
            Err(answer) => return Ok(Prepared::Answer(Response::Txn(answer))),
        },
        // Needs more than this: its caller, the time and random ids.
        Write::Acl(_) => return Err(failed("a change of the ACL system is prepared by acl::write")),
        Write::Coordinate(given) => {
            check_coordinate(given)?;
            Command::Coordinates(vec![given.clone()])
        }
        Write::PreparedQuery(change) => prepared_query::prepare(view, change)?,
    };
    Ok(Prepared::Propose(command.encode()))
}

/// The answer of a write, from what its command came to.
///
/// # Errors
/// The text of why it was refused; nothing is changed.
pub fn finish_write(outcome: Outcome) -> Result<Response, RequestError> {
    match outcome {
        Outcome::Bool(done) => Ok(Response::Written(done)),
        Outcome::Locked { token } => Ok(Response::Locked { fencing_token: token }),
        Outcome::Txn(answer) => Ok(Response::Txn(answer)),
        Outcome::Skipped => Ok(Response::Written(true)),
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
