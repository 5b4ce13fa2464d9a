//! One packet in, one packet out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dns::{Context, Draft, Lookup, Plan, Question, RecordType, Rejected, Settings, Target, Transport, answer};
use model::{CheckServiceNode, Node, NodeName, NodeService, QueryExecution};
use server::request::{
    Action, Answer, Asker, Body, Consistency, ErrorKind, ExecuteQuery, Form, Query, ReadMeta, ReadOptions, Request,
    RequestError, Response,
};
use tracing::debug;

use super::Recursors;
use super::limits::LOOKUP_WAIT;
use crate::backend::Backend;
use crate::cache::{AnswerCache, Kept, Key};
use crate::executions::{Execution, Executions};
use crate::rpc::router::NO_PATH;
use crate::telemetry::Timer;
use crate::tokens::Tokens;

/// Name of the service whose instances are the servers.
const SERVERS: &str = "consul";

/// How old the state may be that answers come from.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// Whether any server may answer, and not only the leader.
    pub allows_stale: bool,
    /// Oldest answer of a server that is taken, milliseconds.
    pub stale_ms_max: u64,
    /// Whether kept answers are taken.
    pub uses_cache: bool,
    /// Oldest kept answer that is taken when it could not be followed; any when there is none.
    pub cache_age_max: Option<Duration>,
}

/// Answers that are kept for DNS.
#[derive(Default)]
pub(super) struct Memory {
    answers: AnswerCache,
    executions: Executions,
}

/// Answers DNS packets.
pub struct DnsServer {
    pub(super) backend: Backend,
    pub(super) settings: Settings,
    freshness: Freshness,
    pub(super) recursors: Recursors,
    pub(super) tokens: Arc<Tokens>,
    /// Node of this agent.
    node: NodeName,
    pub(super) memory: Arc<Memory>,
}

static DOMAIN: Timer = Timer::new("dns.domain_query");
static REVERSE: Timer = Timer::new("dns.ptr_query");

/// Why a lookup brought no rows.
enum Failure {
    NoSuchName,
    Other,
}

impl DnsServer {
    /// A server over a backend; its lookups carry the default one of `tokens`.
    #[must_use]
    pub fn new(
        backend: Backend,
        settings: Settings,
        freshness: Freshness,
        recursors: Recursors,
        tokens: Arc<Tokens>,
    ) -> Self {
        Self { backend, settings, freshness, recursors, tokens, node: NodeName::default(), memory: Arc::default() }
    }

    /// The same on a node with a name, which prepared queries may sort by distance from.
    #[must_use]
    pub fn on_node(self, node: NodeName) -> Self {
        Self { node, ..self }
    }

    /// The answer to a packet of a client; `None` where silence is the answer.
    pub async fn handle(&self, packet: &[u8], client: IpAddr, transport: Transport) -> Option<Vec<u8>> {
        let started = Instant::now();
        let question = match Question::read(packet) {
            Ok(question) => question,
            Err(Rejected::Silence) => return None,
            Err(Rejected::Reply(header)) => return Some(header.to_vec()),
        };
        let context = Context {
            question: &question,
            settings: &self.settings,
            client: Some(client),
            transport,
            unix_seconds: unix_seconds(),
        };
        let draft = match dns::plan(context) {
            Plan::Reply(draft) => draft,
            Plan::Lookup(lookup) => match self.look_up(context, &lookup).await {
                Some(draft) => self.follow_aliases(context, draft).await,
                None => return Some(self.recurse(context, packet).await),
            },
            Plan::Recurse => return Some(self.recurse(context, packet).await),
        };
        let timer: &Timer = if question.record_type == RecordType::Ptr { &REVERSE } else { &DOMAIN };
        timer.since(started);
        Some(dns::pack(context, &draft))
    }

    /// The answer from the catalog; `None` when recursors are to be asked.
    pub(super) async fn look_up(&self, context: Context<'_>, lookup: &Lookup) -> Option<Draft> {
        let datacenter = &lookup.datacenter;
        let draft = match &lookup.target {
            Target::Service { service, tag } => {
                let tags = tag.iter().cloned().collect();
                let rows = self.instances(datacenter, service, tags).await;
                rows.map(|rows| answer::service(context, datacenter, &rows, &mut rand::rng()))
            }
            Target::Mesh { service } => {
                let (near, meta) = Default::default();
                let passing = self.settings.only_passing;
                let query = Query::MeshHealth { service: service.as_str().into(), passing, near, meta };
                let rows = self.health(datacenter, query).await;
                rows.map(|rows| answer::service(context, datacenter, &rows, &mut rand::rng()))
            }
            Target::Ingress { service } => {
                let (near, meta) = Default::default();
                let passing = self.settings.only_passing;
                let query = Query::IngressHealth { service: service.as_str().into(), passing, near, meta };
                let rows = self.health(datacenter, query).await;
                rows.map(|rows| answer::service(context, datacenter, &rows, &mut rand::rng()))
            }
            Target::Query { name } => self.execute(context, datacenter, name).await,
            Target::Servers => {
                let rows = self.instances(datacenter, SERVERS, Vec::new()).await;
                rows.map(|rows| answer::servers(context, &rows, &mut rand::rng()))
            }
            Target::Node { node } => {
                let query = Query::NodeServices { node: node.as_str().into() };
                let found = self.ask(datacenter, query).await;
                found.map(|found| {
                    let node = if let Answer::NodeServices(Some(found)) = found { Some(found.node) } else { None };
                    answer::node(context, datacenter, node.as_deref())
                })
            }
            Target::Reverse { address } => match self.reverse(context, *address).await {
                Ok(found) => return found,
                Err(failure) => Err(failure),
            },
        };
        Some(draft.unwrap_or_else(|failure| match failure {
            Failure::NoSuchName => Draft::no_such_name(context),
            Failure::Other => Draft::failed(context),
        }))
    }

    /// Executes a prepared query for the client, or for the network that a resolver asks for.
    async fn execute(&self, context: Context<'_>, datacenter: &str, name: &str) -> Result<Draft, Failure> {
        let subnet = context.question.edns.as_ref().and_then(|edns| edns.client_subnet.as_ref()?.network());
        let ip = subnet.or(context.client).map(|ip| ip.to_canonical().to_string()).unwrap_or_default();
        let asker = Asker { near: String::new(), agent: self.node.clone(), ip };
        let seed = rand::random();
        let wanted = ExecuteQuery { id_or_name: name.to_owned(), asker, seed, ..ExecuteQuery::default() };
        let found = self.executed(datacenter, wanted).await?;
        let ttl = model::parse_duration(&found.dns.ttl).ok();
        let ttl = ttl.map(|ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX));
        Ok(answer::query(context, datacenter, &found, ttl))
    }

    async fn executed(&self, datacenter: &str, wanted: ExecuteQuery) -> Result<Arc<QueryExecution>, Failure> {
        let (kept, token) = (&self.memory.executions, self.tokens.of_requests());
        let Freshness { uses_cache, cache_age_max, .. } = self.freshness;
        if uses_cache && let Some(execution) = kept.find(datacenter, &token, &wanted, cache_age_max) {
            return Ok(execution.found);
        }
        let at = Instant::now();
        match self.ask_servers(datacenter, Query::ExecuteQuery(wanted.clone())).await? {
            (meta, Answer::Execution(found)) => {
                let found = Arc::new(found);
                if uses_cache {
                    kept.keep(datacenter, &token, &wanted, Execution { meta, found: Arc::clone(&found), at });
                }
                Ok(found)
            }
            (_, other) => Err(unexpected(&other)),
        }
    }

    async fn instances(
        &self,
        datacenter: &str,
        service: &str,
        tags: Vec<String>,
    ) -> Result<Vec<CheckServiceNode>, Failure> {
        let passing = self.settings.only_passing && service != SERVERS;
        let (near, meta) = Default::default();
        let query = Query::ServiceHealth { service: service.into(), tags, passing, near, meta };
        self.health(datacenter, query).await
    }

    async fn health(&self, datacenter: &str, query: Query) -> Result<Vec<CheckServiceNode>, Failure> {
        match self.ask(datacenter, query).await? {
            Answer::Health(rows) => Ok(rows),
            other => Err(unexpected(&other)),
        }
    }

    async fn reverse(&self, context: Context<'_>, address: IpAddr) -> Result<Option<Draft>, Failure> {
        let address = address.to_string();
        let nodes = match self.ask_servers("", Query::NodesByAddress { address: address.clone() }).await? {
            (_, Answer::Nodes(nodes)) => nodes,
            (_, other) => return Err(unexpected(&other)),
        };
        let nodes: Vec<&Node> = nodes.iter().map(AsRef::as_ref).collect();
        if let Some(draft) = answer::reverse(context, &nodes, &[]) {
            return Ok(Some(draft));
        }
        let instances = match self.ask_servers("", Query::ServicesByAddress { address }).await? {
            (_, Answer::ServiceNodes(instances)) => instances,
            (_, other) => return Err(unexpected(&other)),
        };
        let services: Vec<&NodeService> = instances.iter().map(|instance| instance.service.as_ref()).collect();
        Ok(answer::reverse(context, &[], &services))
    }

    /// The answer from the cache, if DNS is to answer from there, else of the servers.
    async fn ask(&self, datacenter: &str, query: Query) -> Result<Answer, Failure> {
        if self.freshness.uses_cache
            && let Some(answer) = self.kept(datacenter, &query).await
        {
            return answer;
        }
        self.ask_servers(datacenter, query).await.map(|(_, answer)| answer)
    }

    /// `None` when there is no kept answer that is young enough.
    async fn kept(&self, datacenter: &str, query: &Query) -> Option<Result<Answer, Failure>> {
        let (datacenter, token) = (datacenter.to_owned(), self.tokens.of_requests().secret().to_owned());
        let key = Key { datacenter, token, query: query.clone(), filter: String::new(), form: Form::Rows };
        let deadline = tokio::time::Instant::now() + LOOKUP_WAIT;
        match self.memory.answers.get(&self.backend, &key, 0, deadline).await {
            Ok(Some((held, _))) if self.freshness.cache_age_max.is_none_or(|max| held.age() <= max) => {
                match held.body {
                    Kept::Rows(rows) => Some(Ok((*rows).clone())),
                    Kept::Json(_) => None,
                }
            }
            Ok(_) => None,
            Err(error) => Some(Err(failure(&error))),
        }
    }

    async fn ask_servers(&self, datacenter: &str, query: Query) -> Result<(ReadMeta, Answer), Failure> {
        let consistency = if self.freshness.allows_stale { Consistency::Stale } else { Consistency::Default };
        let options = ReadOptions {
            consistency,
            max_stale_ms: self.freshness.allows_stale.then_some(self.freshness.stale_ms_max),
            form: Form::Rows,
            ..ReadOptions::default()
        };
        let request = Request {
            datacenter: datacenter.to_owned(),
            token: self.tokens.of_requests(),
            action: Action::Read(options, query),
        };
        match tokio::time::timeout(LOOKUP_WAIT, self.backend.call(request)).await {
            Ok(Ok(Response::Read(meta, Body::Rows(answer)))) => Ok((meta, answer)),
            Ok(Ok(other)) => Err(unexpected(&other)),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => {
                debug!("a DNS lookup took longer than {LOOKUP_WAIT:?}");
                Err(Failure::Other)
            }
        }
    }

    /// What recursors say; without any, a refusal or, for reverse names, a failure.
    async fn recurse(&self, context: Context<'_>, packet: &[u8]) -> Vec<u8> {
        if let Some(answer) = self.recursors.ask(packet, context.transport).await {
            return answer;
        }
        let is_reverse = context.question.name.labels().last().is_some_and(|label| label.eq_ignore_ascii_case(b"arpa"));
        let draft = if is_reverse || self.settings.has_recursors {
            Draft::not_resolved(context)
        } else {
            Draft::refused(context)
        };
        dns::pack(context, &draft)
    }
}

fn failure(error: &RequestError) -> Failure {
    if error.kind == ErrorKind::NotFound || error.message.contains(NO_PATH) {
        return Failure::NoSuchName;
    }
    debug!("a DNS lookup failed: {error}");
    Failure::Other
}

/// A server of another version may answer in a way that this one does not know.
fn unexpected(answer: &impl std::fmt::Debug) -> Failure {
    debug!("a DNS lookup was answered by something else: {answer:?}");
    Failure::Other
}

fn unix_seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The serial number of a zone wraps around by definition (RFC 1982).
    since.as_secs() as u32
}
