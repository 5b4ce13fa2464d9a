//! What a server has beyond a client: Raft, the RPC listener, membership and the leader's duties.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use config::Config;
use model::{KvHistoryLimits, NodeId, NodeName};
use server::acl::{Guard, Settings};
use uuid::Uuid;

use crate::backend::Backend;
use crate::gossip::Pool;
use crate::leader::{self, Duties};
use crate::raft::settings::RaftSettings;
use crate::raft::{self, node::RaftNode};
use crate::rates::Rates;
use crate::rpc::directory::Directory;
use crate::rpc::listener::{Admission, Listener};
use crate::rpc::local::{LocalServer, Service};
use crate::rpc::pool::ConnectionPool;
use crate::sessions::SessionClocks;
use crate::start::Tasks;
use crate::tls::AgentTls;

fn guard_of(config: &Config) -> Guard {
    Guard::new(Settings {
        enabled: config.acl.enabled,
        default: if config.acl.default_allow { ::acl::Default::Allow } else { ::acl::Default::Deny },
        key_list_policy: config.acl.key_list_policy,
        datacenter: config.datacenter.clone(),
    })
}

/// A running server.
pub struct ServerParts {
    raft: RaftNode,
    local: Arc<LocalServer>,
    listener: Listener,
}

impl ServerParts {
    /// Opens the state and listens for RPC.
    pub(crate) async fn start(
        config: &Config,
        id: &NodeId,
        connections: &ConnectionPool,
        directory: &Directory,
        (tls, rates): (&Arc<AgentTls>, &Arc<Rates>),
    ) -> Result<Self> {
        let id = Uuid::parse_str(id).with_context(|| format!("the node id {id:?} is not a UUID"))?;
        let name = NodeName::new(&config.node_name);
        let address = SocketAddr::new(config.advertise_addr, config.ports.server);
        let settings = RaftSettings {
            multiplier: config.performance.raft_multiplier,
            snapshot_threshold: config.raft_snapshot_threshold,
            trailing_logs: config.raft_trailing_logs,
            ..RaftSettings::new(id, name, address, config.data_dir.clone())
        };
        let raft = RaftNode::start(settings, state::Store::new(), directory.clone(), connections.clone()).await?;
        let reset = config.data_dir.as_ref().map(|dir| dir.join("acl-bootstrap-reset"));
        let local = LocalServer::new(&config.datacenter, raft.clone(), connections.clone(), directory.clone())
            .with_sessions(SessionClocks::new(config.session_ttl_min))
            .with_acls(guard_of(config), reset)
            .with_hold(config.performance.rpc_hold_timeout)
            .with_rates(rates.clone())
            .with_mesh(config.connect.enabled);
        let local = Arc::new(local);
        let bind = SocketAddr::new(config.bind_addr, config.ports.server);
        let admission = Admission {
            tls: tls.clone(),
            per_address_max: config.limits.rpc_max_conns_per_client as usize,
            handshake_timeout: config.tls.internal_rpc.handshake_timeout,
        };
        let listener = Listener::start(bind, id, admission, Service(local.clone())).await?;
        Ok(Self { raft, local, listener })
    }

    /// The door of this server.
    #[must_use]
    pub fn backend(&self) -> Backend {
        Backend::Local(self.local.clone())
    }

    /// Its Raft node.
    #[must_use]
    pub fn raft(&self) -> &RaftNode {
        &self.raft
    }

    /// Starts membership and the duties of a leader.
    pub(crate) fn spawn_duties(&self, tasks: &Tasks, lan: &Pool, config: &Config) {
        let local = self.local.clone();
        tasks.spawn(async move { local.sessions().observe_lock_delays(local.raft().reader()).await });
        let duties = Duties {
            local: self.local.clone(),
            raft: self.raft.clone(),
            backend: self.backend(),
            lan: lan.clone(),
            node: NodeName::new(&config.node_name),
            datacenter: config.datacenter.clone(),
            initial_management: config.acl.enabled.then(|| config.acl.tokens.initial_management.clone()),
            autopilot: config.autopilot.clone(),
            kv_history: KvHistoryLimits {
                versions: config.limits.kv_history_versions,
                bytes: config.limits.kv_history_max_bytes,
            },
            brake_percent: config.mass_failure_brake_percent,
            mesh: config.connect.clone(),
        };
        tasks.spawn(leader::run(Arc::new(duties)));
        let expect = if config.bootstrap || config.dev_mode { 1 } else { config.bootstrap_expect };
        let membership = raft::duties::Duties::new(self.local.clone(), expect, raft::membership::Rules::default());
        tasks.spawn(async move { membership.run().await });
        let (raft, stop) = (self.raft.clone(), tasks.stop.clone());
        tasks.spawn_vital(async move {
            let stopped = stop.run_until_cancelled(raft.stopped()).await;
            stopped.map_or(Ok(()), |reason| Err(anyhow::anyhow!("Raft stopped: {reason}")))
        });
    }

    /// Leaves the Raft configuration, so that the others need no longer count on this server.
    pub(crate) async fn leave_raft(&self) {
        if let Err(error) = self.local.leave().await {
            tracing::warn!(target: "agent::server", %error, "could not leave the Raft configuration");
        }
    }

    /// Hands leadership over, if this server has it.
    pub(crate) async fn hand_over(&self) {
        if self.raft.leadership().borrow().is_local {
            self.raft.handover().await;
        }
    }

    /// Stops serving, then Raft.
    pub(crate) async fn stop(self) {
        drop(self.listener);
        self.raft.shutdown().await;
    }
}
