//! The gossip pools of an agent: LAN for all agents of a datacenter, WAN for the servers of all datacenters. Servers
//! that know each other in the LAN bring each other into the WAN.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ::gossip::{Admission, Member, Status, Timing};
use anyhow::{Context as _, Result};
use config::{Config, GossipTiming};
use model::NodeId;
use rand::Rng as _;

use crate::gossip::{Pool, PoolConfig, PoolEncryption, keyring_file};
use crate::servers;
use crate::start::Tasks;

/// How often the WAN pool is compared with the servers of the LAN, even if nothing happened.
const FLOOD_INTERVAL: Duration = Duration::from_secs(10);

/// Starts the LAN pool.
pub(crate) async fn start_lan(config: &Config, id: &NodeId) -> Result<Pool> {
    let port = config.ports.serf_lan;
    let base = Timing { reconnect_timeout: config.reconnect_timeout, ..Timing::lan() };
    let settings = PoolConfig {
        name: config.node_name.clone(),
        bind: SocketAddr::new(config.serf_lan_bind, port),
        advertise: SocketAddr::new(config.advertise_addr, port),
        tags: servers::tags(config, id),
        timing: timing(&base, &config.gossip_lan),
        seed: rand::rng().random(),
        snapshot: serf_file(config, "local.snapshot")?,
        rejoins_after_leave: config.rejoin_after_leave,
        admission: Admission::Datacenter(config.datacenter.clone()),
        encryption: encryption(config, "local.keyring", "LAN")?,
    };
    Ok(Pool::start(settings).await?)
}

/// Starts the WAN pool; `None` on a client, and on a server without a port for it.
pub(crate) async fn start_wan(config: &Config, id: &NodeId) -> Result<Option<Pool>> {
    let Some(port) = config.ports.serf_wan.filter(|_| config.server) else { return Ok(None) };
    let base = Timing { reconnect_timeout: config.reconnect_timeout_wan, ..Timing::wan() };
    let mut tags = servers::tags(config, id);
    tags.remove("wan_join_port");
    let settings = PoolConfig {
        name: wan_name(&config.node_name, &config.datacenter),
        bind: SocketAddr::new(config.serf_wan_bind, port),
        advertise: SocketAddr::new(config.advertise_addr_wan, port),
        tags,
        timing: timing(&base, &config.gossip_wan),
        seed: rand::rng().random(),
        snapshot: serf_file(config, "remote.snapshot")?,
        rejoins_after_leave: config.rejoin_after_leave,
        admission: Admission::Servers,
        encryption: encryption(config, "remote.keyring", "WAN")?,
    };
    Ok(Some(Pool::start(settings).await?))
}

/// The name of a server in the WAN pool.
#[must_use]
pub fn wan_name(node: &str, datacenter: &str) -> String {
    format!("{node}.{datacenter}")
}

/// A file of the pools in the data directory.
fn serf_file(config: &Config, name: &str) -> Result<Option<std::path::PathBuf>> {
    let Some(folder) = config.data_dir.as_ref().map(|dir| dir.join("serf")) else { return Ok(None) };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(Some(folder.join(name)))
}

fn timing(base: &Timing, set: &GossipTiming) -> Timing {
    Timing {
        gossip_interval: set.gossip_interval,
        gossip_nodes: set.gossip_nodes as usize,
        probe_interval: set.probe_interval,
        probe_timeout: set.probe_timeout,
        suspicion_mult: set.suspicion_mult,
        retransmit_mult: set.retransmit_mult,
        ..base.clone()
    }
}

/// A keyring file that is there wins over the key of the configuration: keys may have been changed since.
fn encryption(config: &Config, file: &str, pool: &'static str) -> Result<Option<PoolEncryption>> {
    let set = &config.gossip_encryption;
    let file = if set.disable_keyring_file { None } else { serf_file(config, file)? };
    let stored = match &file {
        Some(path) => keyring_file::read(path)?,
        None => None,
    };
    let keys = match (stored, &set.key) {
        (Some(keys), key) => {
            if key.as_ref().is_some_and(|key| !keys.contains(key)) {
                tracing::warn!(target: "agent::gossip", pool, "keyring doesn't include key provided with -encrypt, using keyring");
            }
            keys
        }
        (None, Some(key)) => {
            let keys = vec![key.clone()];
            if let Some(path) = file.as_deref() {
                write_first(path, &keys)?;
            }
            keys
        }
        (None, None) => return Ok(None),
    };
    let (verify_incoming, verify_outgoing) = (set.verify_incoming, set.verify_outgoing);
    Ok(Some(PoolEncryption { keys, verify_incoming, verify_outgoing, file }))
}

fn write_first(path: &Path, keys: &[Vec<u8>]) -> Result<()> {
    Ok(keyring_file::write(path, keys)?)
}

/// Brings the servers of the LAN into the WAN pool, for ever.
pub(crate) fn flood(tasks: &Tasks, lan: &Pool, wan: &Pool, datacenter: &str) {
    let (lan, wan, datacenter) = (lan.clone(), wan.clone(), datacenter.to_owned());
    tasks.spawn(async move {
        let mut events = lan.events();
        loop {
            let missing = missing_in_wan(&lan.members(), &wan.members(), &datacenter);
            if !missing.is_empty() {
                let (joined, failures) = wan.join(&missing).await;
                tracing::debug!(target: "agent::gossip", joined, ?failures, "servers of the LAN joined to the WAN");
            }
            // An event that was missed changes nothing: the members are read anew each time.
            let next = tokio::time::timeout(FLOOD_INTERVAL, events.recv()).await;
            if matches!(next, Ok(Err(tokio::sync::broadcast::error::RecvError::Closed))) {
                return;
            }
        }
    });
}

fn missing_in_wan(lan: &[Member], wan: &[Member], datacenter: &str) -> Vec<SocketAddr> {
    let tag = |member: &Member, key: &str| member.tags.get(key).cloned().unwrap_or_default();
    let there = |name: &str| wan.iter().any(|member| *member.name == *name && member.status == Status::Alive);
    lan.iter()
        .filter(|member| member.status == Status::Alive && tag(member, "role") == "consul")
        .filter(|member| tag(member, "dc") == datacenter && !there(&wan_name(&member.name, datacenter)))
        .filter_map(|member| Some(SocketAddr::new(member.addr.ip(), tag(member, "wan_join_port").parse().ok()?)))
        .collect()
}
