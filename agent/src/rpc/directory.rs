//! Who the servers are and where they are now: fed from gossip, kept on disk, with the Raft configuration as last resort.
//!
//! A pod that comes back with another address keeps its id, so everything dials by id and asks here for the address.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::{MemberStatus, NodeName, ServerId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::pool::ConnectionPool;

/// A server as gossip knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownServer {
    /// Its id (tag `id`).
    pub id: ServerId,
    /// Its node name.
    pub name: NodeName,
    /// Where its RPC is: gossip address and tag `port`.
    pub address: SocketAddr,
    /// What gossip thinks of it.
    pub status: MemberStatus,
    /// `-bootstrap-expect` (tag `expect`); 1 for `-bootstrap`, 0 for none.
    pub expect: u32,
    /// Its version (tag `build`).
    pub version: String,
    /// Whether it was told never to vote (tag `nonvoter` or `read_replica`).
    pub is_non_voter: bool,
    /// Whether it takes TLS on its RPC port (tag `use_tls`).
    pub takes_tls: bool,
    /// Since when it has this status, on this agent's clock.
    pub since: Instant,
}

#[derive(Default)]
struct Table {
    gossip: BTreeMap<ServerId, KnownServer>,
    /// The addresses that were true last, also from before a restart.
    remembered: BTreeMap<ServerId, SocketAddr>,
    configured: BTreeMap<ServerId, SocketAddr>,
}

impl Table {
    fn address(&self, id: &ServerId) -> Option<SocketAddr> {
        let gossip = self.gossip.get(id).map(|server| server.address);
        gossip.or_else(|| self.remembered.get(id).copied()).or_else(|| self.configured.get(id).copied())
    }
}

/// The servers of this datacenter. Cloning shares the directory.
#[derive(Clone)]
pub struct Directory {
    table: Arc<Mutex<Table>>,
    file: Option<Arc<PathBuf>>,
    pool: ConnectionPool,
    changed: watch::Sender<u64>,
}

impl Directory {
    /// An empty directory, or the one that `file` remembers. An unreadable file only costs the memory of addresses,
    /// which gossip fills again.
    #[must_use]
    pub fn new(pool: ConnectionPool, file: Option<PathBuf>) -> Self {
        let remembered = file.as_deref().map(read_file).unwrap_or_default();
        let table = Table { remembered, ..Table::default() };
        Self { table: Arc::new(Mutex::new(table)), file: file.map(Arc::new), pool, changed: watch::Sender::new(0) }
    }

    fn with_table<R>(&self, act: impl FnOnce(&mut Table) -> R) -> R {
        act(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces what gossip knows: all servers of the pool of this datacenter, whatever their status. Connections to
    /// addresses that a server has left are closed, so that nobody waits for a machine that is gone.
    pub fn update_from_gossip(&self, servers: Vec<KnownServer>) {
        self.pool.set_tls_takers(servers.iter().filter(|it| it.takes_tls).map(|it| it.address).collect());
        let servers: BTreeMap<ServerId, KnownServer> = servers.into_iter().map(|it| (it.id.clone(), it)).collect();
        let (left, remembered) = self.with_table(|table| {
            if table.gossip == servers {
                return (None, None);
            }
            let left: Vec<SocketAddr> = servers
                .values()
                .filter_map(|server| table.address(&server.id).filter(|address| *address != server.address))
                .collect();
            let mut remembered = table.remembered.clone();
            remembered.extend(servers.values().map(|server| (server.id.clone(), server.address)));
            let is_new = remembered != table.remembered;
            table.gossip = servers;
            table.remembered.clone_from(&remembered);
            (Some(left), is_new.then_some(remembered))
        });
        let Some(left) = left else { return };
        if let (Some(file), Some(remembered)) = (&self.file, remembered)
            && let Err(error) = write_file(file, &remembered)
        {
            tracing::warn!(%error, file = %file.display(), "cannot remember the addresses of the servers");
        }
        for address in left {
            self.pool.close_address(address);
        }
        self.changed.send_modify(|version| *version += 1);
    }

    /// Tells the addresses of the Raft configuration, used when nothing better is known.
    pub fn update_from_configuration(&self, servers: impl IntoIterator<Item = (ServerId, SocketAddr)>) {
        let servers: BTreeMap<ServerId, SocketAddr> = servers.into_iter().collect();
        let changed = self.with_table(|table| {
            let changed = table.configured != servers;
            table.configured = servers;
            changed
        });
        if changed {
            self.changed.send_modify(|version| *version += 1);
        }
    }

    /// Where a server is, as far as known.
    #[must_use]
    pub fn address(&self, id: &ServerId) -> Option<SocketAddr> {
        self.with_table(|table| table.address(id))
    }

    /// All servers that gossip knows, by id.
    #[must_use]
    pub fn servers(&self) -> Vec<KnownServer> {
        self.with_table(|table| table.gossip.values().cloned().collect())
    }

    /// One server that gossip knows.
    #[must_use]
    pub fn server(&self, id: &ServerId) -> Option<KnownServer> {
        self.with_table(|table| table.gossip.get(id).cloned())
    }

    /// Changes with every change of the directory.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

fn read_file(path: &Path) -> BTreeMap<ServerId, SocketAddr> {
    let Ok(text) = std::fs::read(path) else { return BTreeMap::new() };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!(%error, file = %path.display(), "ignored the unreadable addresses of the servers");
        BTreeMap::new()
    })
}

fn write_file(path: &Path, addresses: &BTreeMap<ServerId, SocketAddr>) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(&serde_json::to_vec(addresses)?)?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, address: &str) -> KnownServer {
        KnownServer {
            id: id.into(),
            name: id.into(),
            address: address.parse().unwrap(),
            status: MemberStatus::Alive,
            expect: 3,
            version: String::new(),
            is_non_voter: false,
            takes_tls: false,
            since: Instant::now(),
        }
    }

    #[tokio::test]
    async fn gossip_wins_over_memory_and_memory_over_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("addresses.json");
        let id = ServerId::from("a");
        let directory = Directory::new(ConnectionPool::new(), Some(file.clone()));
        assert_eq!(directory.address(&id), None);
        directory.update_from_configuration([(id.clone(), "10.0.0.1:8300".parse().unwrap())]);
        assert_eq!(directory.address(&id), Some("10.0.0.1:8300".parse().unwrap()));
        let mut changes = directory.changes();
        changes.mark_unchanged();
        directory.update_from_gossip(vec![server("a", "10.0.0.2:8300")]);
        assert!(changes.has_changed().unwrap());
        assert_eq!(directory.address(&id), Some("10.0.0.2:8300".parse().unwrap()));

        let restarted = Directory::new(ConnectionPool::new(), Some(file));
        restarted.update_from_configuration([(id.clone(), "10.0.0.1:8300".parse().unwrap())]);
        assert_eq!(restarted.address(&id), Some("10.0.0.2:8300".parse().unwrap()));
    }
}
