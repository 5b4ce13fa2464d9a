//! Building an agent's parts in order: identity, sockets, gossip, server or router, registrations, interfaces, joining.
//!
//! Every socket is bound before anything is announced, so that a port in use is an error and not a half-started agent.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use client::tls::TlsSettings;
use config::Config;
use model::{Json, NodeName, Token};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Audit;
use crate::backend::Backend;
use crate::cache::AnswerCache;
use crate::checks::CheckTls;
use crate::events::Events;
use crate::executions::Executions;
use crate::gossip::{Pool, PoolEvent};
use crate::http::{self, AgentFacts, HttpState};
use crate::join::{self, Resolver, RetryJoin};
use crate::leaves::LeafCache;
use crate::local::{self, CheckSpec, LocalAgent, ServiceSpec, StandaloneCheckSpec};
use crate::orders::Orders;
use crate::raft::lock::DataDirLock;
use crate::raft::node::RaftNode;
use crate::rates::Rates;
use crate::remote_exec::RemoteExec;
use crate::rights::AgentRights;
use crate::rpc::directory::Directory;
use crate::rpc::pool::ConnectionPool;
use crate::rpc::router::Router;
use crate::seats::Seats;
use crate::server_parts::ServerParts;
use crate::tls::{AgentTls, Role};
use crate::tokens::Tokens;
use crate::watch::run::Watches;
use crate::{agent_info, coordinates, dns, figures, pools, servers, watch};

/// A running agent's parts.
pub struct Parts {
    /// The LAN pool.
    pub lan: Pool,
    /// The WAN pool, on a server that has it.
    pub wan: Option<Pool>,
    /// What is registered here.
    pub local: Arc<LocalAgent>,
    /// Tokens of this agent.
    pub tokens: Arc<Tokens>,
    /// Raft and RPC, on a server.
    pub server: Option<ServerParts>,
    /// The certificates of HTTPS and RPC.
    pub tls: Arc<AgentTls>,
    /// How many requests may go per second.
    pub rates: Arc<Rates>,
    /// How many HTTP connections a client may have.
    pub http_seats: Arc<Seats>,
    /// The DNS interface.
    pub dns: Arc<dns::Current>,
    /// A client's hold on its data directory; a server's is in its Raft node.
    _lock: Option<DataDirLock>,
    /// The watches of the configuration.
    pub watches: WatchRunner,
    tasks: TaskTracker,
    stop: CancellationToken,
    failures: mpsc::Receiver<anyhow::Error>,
}

impl Parts {
    /// The first failure of a part that the agent cannot do without. Never returns while all is well.
    pub async fn failure(&mut self) -> anyhow::Error {
        match self.failures.recv().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Ends all tasks and closes all sockets; waits until they have.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(server) = self.server {
            server.stop().await;
        }
        self.lan.shutdown().await;
        if let Some(wan) = self.wan {
            wan.shutdown().await;
        }
    }
}

/// Spawns tasks that end with the agent; a task that fails ends the agent.
#[derive(Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
    failures: mpsc::Sender<anyhow::Error>,
}

impl Tasks {
    /// A task that stops when the agent does.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move { stop.run_until_cancelled(task).await });
    }

    /// A task whose failure ends the agent. It must end by itself when `stop` is cancelled.
    pub(crate) fn spawn_vital<E: Into<anyhow::Error> + Send>(
        &self,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let failures = self.failures.clone();
        self.tracker.spawn(async move {
            if let Err(error) = task.await {
                // The agent is ending already when nobody listens.
                let _ = failures.send(error.into()).await;
            }
        });
    }
}

/// Builds and starts everything.
pub(crate) async fn start(config: Arc<Config>, shown: Json, orders: Orders) -> Result<Parts> {
    let lock = hold_data_dir(&config)?;
    let id = local::load_node_id(config.data_dir.as_deref(), config.node_id.as_deref())?;
    let tls = load_tls(&config)?;
    let http_sockets = bind_http(&config, &tls)?;
    let dns_sockets = dns::bind(&config.dns_addrs())?;
    let (sender, failures) = mpsc::channel(1);
    let tasks = Tasks { tracker: TaskTracker::new(), stop: CancellationToken::new(), failures: sender };

    figures::start(&config, &tasks, &tls);
    let kept = config.data_dir.as_deref().filter(|_| config.acl.token_persistence);
    let tokens = Arc::new(Tokens::open(config.acl.tokens.clone(), kept));
    let connections = ConnectionPool::with_tls(tls.clone());
    let directory = Directory::new(connections.clone(), config.data_dir.as_ref().map(|dir| dir.join("servers.json")));
    let (seats, rates) = limits(&config);
    // A server's RPC answers before gossip announces it.
    let server = match config.server {
        true => Some(ServerParts::start(&config, &id, &connections, &directory, (&tls, &rates)).await?),
        false => None,
    };
    let backend = match &server {
        Some(server) => server.backend(),
        None => Backend::Remote(Arc::new(
            Router::new(config.datacenter.clone(), connections, directory.clone())
                .with_hold(config.performance.rpc_hold_timeout)
                .with_rates(rates.clone()),
        )),
    };
    let lan = pools::start_lan(&config, &id).await?;
    let wan = pools::start_wan(&config, &id).await?;
    if let Some(wan) = &wan {
        pools::flood(&tasks, &lan, wan, &config.datacenter);
    }
    watch_name(&tasks, &lan);
    let heard = lan.events();
    follow_servers(&tasks, &lan, &directory, &config.datacenter);
    if let Some(server) = &server {
        server.spawn_duties(&tasks, &lan, &config);
    }
    follow_figures(&tasks, &lan, server.as_ref().map(ServerParts::raft));
    let rights =
        AgentRights::new((&config.acl).into(), NodeName::new(&config.node_name), tokens.clone(), backend.clone());
    let settings = agent_info::local_settings(&config, &id, tokens.clone());
    let local = start_registrations(&config, &tasks, &lan, &backend, settings).await?;
    let events = Events::new(lan.clone(), local.clone());
    tasks.spawn(events.clone().run(heard, remote_exec(&config, &backend, &tokens)));
    let raft = server.as_ref().map(ServerParts::raft);
    let facts = agent_info::facts((&config, shown), &local, (&lan, wan.clone()), events, raft, orders);
    tell_coordinates(&config, &tasks, &lan, &backend, &tokens);
    let dns = start_interfaces(&config, &tasks, &rights, &backend, facts, (http_sockets, seats.clone(), dns_sockets))?;
    tasks.spawn(tls.clone().follow_files(crate::tls::LOOK_INTERVAL));
    let watches = WatchRunner::run(&config)?;
    join_others(&config, &tasks, &lan, wan.as_ref(), &local).await?;
    Ok(Parts {
        lan,
        wan,
        local,
        tokens,
        server,
        tls,
        rates,
        http_seats: seats,
        dns,
        _lock: lock,
        watches,
        tasks: tasks.tracker,
        stop: tasks.stop,
        failures,
    })
}

/// Makes the data directory; a client's hold on it, where a server's is in its Raft node.
fn hold_data_dir(config: &Config) -> Result<Option<DataDirLock>> {
    let Some(dir) = &config.data_dir else { return Ok(None) };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create the data directory {}", dir.display()))?;
    if config.server { Ok(None) } else { Ok(Some(DataDirLock::take(dir)?)) }
}

/// Runs commands for `consul exec`, where the configuration lets it.
fn remote_exec(config: &Config, backend: &Backend, tokens: &Arc<Tokens>) -> Option<Arc<RemoteExec>> {
    let node = NodeName::new(&config.node_name);
    let exec = || Arc::new(RemoteExec::new(backend.clone(), tokens.clone(), node));
    (!config.disable_remote_exec).then(exec)
}

/// Tells the servers where this agent is in the network, unless it shall not.
fn tell_coordinates(config: &Config, tasks: &Tasks, lan: &Pool, backend: &Backend, tokens: &Arc<Tokens>) {
    if !config.disable_coordinates {
        let node = NodeName::new(&config.node_name);
        tasks.spawn(coordinates::run(backend.clone(), lan.clone(), node, tokens.clone()));
    }
}

/// Keeps the metrics of gossip and Raft.
fn follow_figures(tasks: &Tasks, lan: &Pool, raft: Option<&RaftNode>) {
    figures::collect(lan, raft);
    tasks.spawn(figures::follow_members(lan.clone()));
    if let Some(raft) = raft {
        tasks.spawn(figures::follow_raft(raft.clone()));
    }
}

/// How many HTTP connections a client may have, and how many requests go per second.
fn limits(config: &Config) -> (Arc<Seats>, Arc<Rates>) {
    let seats = Seats::new(config.limits.http_max_conns_per_client as usize);
    (seats, Arc::new(Rates::new(&config.limits)))
}

/// Reads the certificates of HTTPS and RPC.
fn load_tls(config: &Config) -> Result<Arc<AgentTls>> {
    let (datacenter, domain) = (config.datacenter.clone(), config.domain.clone());
    let role = Role { is_server: config.server, datacenter, domain };
    AgentTls::load(role, &config.tls).context("TLS")
}

/// The sockets of HTTP and HTTPS.
fn bind_http(config: &Config, tls: &Arc<AgentTls>) -> Result<Vec<http::Listener>> {
    let mut sockets = http::bind(&config.http_addrs(), None)?;
    sockets.extend(http::bind(&config.https_addrs(), Some(tls))?);
    if config.ports.http.is_some() {
        sockets.extend(http::bind_unix(&config.addresses.http_sockets, &config.unix_sockets)?);
    }
    Ok(sockets)
}

/// Ends the agent when another node has its name and most members side with that one.
fn watch_name(tasks: &Tasks, lan: &Pool) {
    let (mut events, name) = (lan.events(), lan.local().name);
    let stop = tasks.stop.clone();
    tasks.spawn_vital(async move {
        let lost = async {
            loop {
                match events.recv().await {
                    Ok(PoolEvent::NameLost { rival }) => return Some(rival),
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return None,
                    Ok(_) | Err(_) => {}
                }
            }
        };
        match stop.run_until_cancelled(lost).await.flatten() {
            Some(rival) => Err(anyhow::anyhow!(
                "another agent at {rival} has the node name {name:?} too, and most members side with it; give each agent \
                 a node_name of its own"
            )),
            None => Ok(()),
        }
    });
}

/// Keeps the directory of servers equal to what gossip knows.
fn follow_servers(tasks: &Tasks, lan: &Pool, directory: &Directory, datacenter: &str) {
    let (lan, directory, datacenter) = (lan.clone(), directory.clone(), datacenter.to_owned());
    let mut events = lan.events();
    tasks.spawn(async move {
        loop {
            let known = servers::known_servers(&lan.members(), &datacenter, &directory.servers(), Instant::now());
            directory.update_from_gossip(known);
            // An event that was missed changes nothing: the members are read anew each time.
            if matches!(events.recv().await, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                return;
            }
        }
    });
}

/// The watches of the configuration, which a reload replaces.
#[derive(Default)]
pub struct WatchRunner(Watches);

impl WatchRunner {
    /// Runs the watches of a configuration.
    fn run(config: &Config) -> Result<Self> {
        let runner = Self::default();
        runner.replace(config)?;
        Ok(runner)
    }

    /// Runs the watches of a configuration in place of those that run. They ask this agent over HTTP.
    pub(crate) fn replace(&self, config: &Config) -> Result<()> {
        let planned = watch::run::plan(&config.watches).map_err(|error| anyhow::anyhow!("{error}"))?;
        let address = config.http_addrs().into_iter().next().map(|mut address| {
            if address.ip().is_unspecified() {
                let localhost = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
                address.set_ip(localhost);
            }
            address.to_string()
        });
        let tls = Arc::new(CheckTls::new(TlsSettings::default()));
        self.0.replace(planned, address.as_deref(), &tls).map_err(|error| anyhow::anyhow!("{error}"))
    }
}

/// Services and checks of the configuration files.
pub(crate) fn definitions(config: &Config) -> Result<(Vec<ServiceSpec>, Vec<StandaloneCheckSpec>)> {
    let services = config.services.iter().map(|json| serde_json::from_value(json.clone()));
    let checks = config.checks.iter().map(check_definition);
    Ok((
        services.collect::<Result<_, _>>().context("a service definition in the configuration")?,
        checks.collect::<Result<_, _>>().context("a check definition in the configuration")?,
    ))
}

/// A check definition: the check itself, and beside it the service and token that it belongs to.
fn check_definition(json: &model::Json) -> serde_json::Result<StandaloneCheckSpec> {
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    let mut check: CheckSpec = serde_json::from_value(json.clone())?;
    if check.check_id.is_empty() {
        check.check_id = text("ID").into();
    }
    Ok(StandaloneCheckSpec { service_id: text("ServiceID").into(), token: Token::new(text("Token")), check })
}

async fn start_registrations(
    config: &Arc<Config>,
    tasks: &Tasks,
    lan: &Pool,
    backend: &Backend,
    settings: local::Settings,
) -> Result<Arc<LocalAgent>> {
    let (services, checks) = definitions(config)?;
    let asked = backend.clone();
    let ask: local::Ask = Arc::new(move |request| {
        let backend = asked.clone();
        Box::pin(async move { backend.call(request).await })
    });
    let local = LocalAgent::open(settings, config.data_dir.as_deref(), &services, &checks, Some(ask)).await?;
    tasks.spawn(local.clone().run());
    let (backend, pool) = (backend.clone(), lan.clone());
    let call = move |request| {
        let backend = backend.clone();
        async move { backend.call(request).await }
    };
    tasks.spawn(local::sync::run(local.clone(), call, move || pool.members().len()));
    Ok(local)
}

fn start_interfaces(
    config: &Config,
    tasks: &Tasks,
    rights: &AgentRights,
    backend: &Backend,
    agent: Arc<AgentFacts>,
    (http_sockets, http_seats, dns_sockets): (Vec<http::Listener>, Arc<Seats>, Vec<dns::Listener>),
) -> Result<Arc<dns::Current>> {
    let audit = config.audit.as_ref().map(Audit::open).transpose().context("cannot open the audit log")?;
    let policy = http::Policy::new(&config.http).map_err(anyhow::Error::msg)?;
    let state = Arc::new(HttpState {
        backend: backend.clone(),
        agent,
        rights: rights.clone(),
        datacenter: config.datacenter.clone(),
        node_name: NodeName::new(&config.node_name),
        cache: AnswerCache::default(),
        executions: Executions::default(),
        use_cache: config.http.use_cache,
        discovery_stale_ms_max: match config.discovery_max_stale {
            std::time::Duration::ZERO => None,
            age => Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        },
        has_mesh: config.connect.enabled,
        leaves: LeafCache::new(config.datacenter.clone()),
        has_coordinates: !config.disable_coordinates,
        pretty_always: config.dev_mode,
        ui: config.ui.enabled.then(|| http::Ui::new(ui_settings(config))),
        audit,
        limits: http::Limits {
            kv_value_bytes_max: config.limits.kv_max_value_size,
            txn_bytes_max: config.limits.txn_max_req_len,
            txn_operations_max: config.limits.txn_max_ops,
        },
        policy,
    });
    tasks.spawn_vital(http::serve(state, http_sockets, http_seats, tasks.stop.clone()));
    let answerer = dns::server_of(config, backend.clone(), rights.shared_tokens());
    let answerer = Arc::new(dns::Current::from_pointee(answerer));
    tasks.spawn_vital(dns::serve(answerer.clone(), dns_sockets, tasks.stop.clone()));
    Ok(answerer)
}

fn ui_settings(config: &Config) -> http::UiSettings {
    http::UiSettings {
        base: config.ui.content_path.clone(),
        datacenter: config.datacenter.clone(),
        acls: config.acl.enabled,
        dashboards: config.ui.dashboards.clone().into_iter().collect(),
        dir: config.ui.dir.clone(),
    }
}

/// `start_join` must work once; `retry_join` goes on until it does.
async fn join_others(
    config: &Config,
    tasks: &Tasks,
    lan: &Pool,
    wan: Option<&Pool>,
    local: &Arc<LocalAgent>,
) -> Result<()> {
    let (interval, tries_max) = (config.retry_interval, config.retry_max);
    let retry = RetryJoin { entries: config.retry_join.clone(), interval, tries_max, any_member: true };
    join_pool(tasks, lan, Resolver::new(config.ports.serf_lan), &config.start_join, retry, local).await?;
    if let Some((wan, port)) = wan.zip(config.ports.serf_wan) {
        let (interval, tries_max) = (config.retry_interval_wan, config.retry_max_wan);
        let retry = RetryJoin { entries: config.retry_join_wan.clone(), interval, tries_max, any_member: false };
        join_pool(tasks, wan, Resolver::new(port), &config.start_join_wan, retry, local).await?;
    }
    Ok(())
}

async fn join_pool(
    tasks: &Tasks,
    pool: &Pool,
    resolver: Resolver,
    once: &[String],
    retry: RetryJoin,
    local: &Arc<LocalAgent>,
) -> Result<()> {
    if !once.is_empty() {
        let (contacted, failures) = join::join_once(pool, &resolver, once).await;
        anyhow::ensure!(contacted > 0, "failed to join any of {once:?}: {}", failures.join("; "));
        local.sync_now();
    }
    if !retry.entries.is_empty() {
        let (pool, local, stop) = (pool.clone(), local.clone(), tasks.stop.clone());
        tasks.spawn_vital(async move {
            let joined = stop.run_until_cancelled(join::retry_join(&pool, &resolver, &retry)).await;
            local.sync_now();
            joined.unwrap_or(Ok(()))
        });
    }
    Ok(())
}
