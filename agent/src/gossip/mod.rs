//! A gossip pool with sockets: the handle that the agent holds. The protocol itself is in the
//! crate `gossip`; `driver.rs` moves its bytes, `streams.rs` its TCP streams, `known_peers.rs`
//! remembers members across restarts. LAN and WAN are two pools.

mod driver;
pub mod keyring_file;
mod known_peers;
mod shared;
mod streams;

pub use ::gossip::{Coordinate, Member, PoolEvent, Status, Timing, UserEvent};

pub use ::gossip::{Admission, Answers, Question};

use ::gossip::{CommandError, CoreConfig, Encryption, GossipCore, KeyError, Keyring, Time};
use rand::Rng as _;
use shared::Shared;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;

/// Who this node is in a pool, and where it listens.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Node name, unique in the pool; `node.datacenter` in the WAN pool.
    pub name: String,
    /// Where to listen, for UDP and TCP. Port 0 takes a free port.
    pub bind: SocketAddr,
    /// Where others reach this node. Port 0 means the port that was bound.
    pub advertise: SocketAddr,
    /// What this node tells about itself, at most 512 bytes encoded.
    pub tags: BTreeMap<String, String>,
    /// Periods and multipliers.
    pub timing: Timing,
    /// Of all randomness.
    pub seed: u64,
    /// File that keeps the addresses of known members; after a restart the pool joins through them.
    pub snapshot: Option<PathBuf>,
    /// Whether a node that left remembers its peers, to find them again when it starts.
    pub rejoins_after_leave: bool,
    /// Who may be a member.
    pub admission: Admission,
    /// How the pool is encrypted, if it is.
    pub encryption: Option<PoolEncryption>,
}

/// How a pool is encrypted.
#[derive(Clone)]
pub struct PoolEncryption {
    /// The keys, the first encrypts.
    pub keys: Vec<Vec<u8>>,
    /// Refuse what is not encrypted.
    pub verify_incoming: bool,
    /// Encrypt what is sent.
    pub verify_outgoing: bool,
    /// Where changed keys are kept; `None` forgets them at the end.
    pub file: Option<PathBuf>,
}

/// Keys are secrets: none is shown.
impl std::fmt::Debug for PoolEncryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PoolEncryption({} keys, file {:?})", self.keys.len(), self.file)
    }
}

/// Why a pool could not start or do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// An address that cannot be listened on.
    #[error("cannot listen for gossip on {protocol} {addr}: {cause}")]
    Bind {
        /// `TCP` or `UDP`.
        protocol: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        cause: std::io::Error,
    },
    /// An address nobody can send to.
    #[error("cannot advertise {0} to other nodes: give an address of this machine (-advertise or -bind)")]
    Advertise(SocketAddr),
    /// A keyring that cannot encrypt.
    #[error("the gossip keyring cannot be used: {0}")]
    Keyring(#[from] KeyError),
    /// The pool was shut down meanwhile.
    #[error("the pool was shut down")]
    Stopped,
    /// The command makes no sense now.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// A running pool. Clones are cheap; the sockets close with [`Pool::shutdown`] or the last clone.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Running>);

#[derive(Debug)]
struct Running {
    shared: Arc<Shared>,
    task: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Pool {
    /// Binds the sockets and starts to gossip, alone until a join. Must be called in a runtime.
    pub async fn start(config: PoolConfig) -> Result<Pool, PoolError> {
        let (encryption, keyring_file) = match config.encryption {
            Some(PoolEncryption { keys, verify_incoming, verify_outgoing, file }) => {
                let keyring = Keyring::new(&keys, rand::rng().random())?;
                (Some(Encryption { keyring, verify_incoming, verify_outgoing }), file)
            }
            None => (None, None),
        };
        let (tcp, udp, port) = bind(config.bind).await?;
        let mut advertise = config.advertise;
        if advertise.port() == 0 {
            advertise.set_port(port);
        }
        if advertise.ip().is_unspecified() {
            return Err(PoolError::Advertise(advertise));
        }
        let known = match &config.snapshot {
            Some(path) => known_peers::read(path).await,
            None => Vec::new(),
        };
        let core_config = CoreConfig {
            name: config.name,
            advertise,
            tags: config.tags,
            timing: config.timing,
            seed: config.seed,
            admission: config.admission,
        };
        let core = GossipCore::new(&core_config, encryption, Time::ZERO)?;
        let shared = Arc::new(Shared::new(core, config.bind.ip(), keyring_file));
        let task = tokio::spawn(driver::run(shared.clone(), tcp, udp, config.snapshot, config.rejoins_after_leave));
        let pool = Pool(Arc::new(Running { shared, task: tokio::sync::Mutex::new(Some(task)) }));
        let known: Vec<_> = known.into_iter().filter(|addr| *addr != advertise).collect();
        if !known.is_empty() {
            tokio::spawn(known_peers::rejoin(pool.0.shared.clone(), known));
        }
        Ok(pool)
    }

    /// All members, sorted by name; a snapshot that never changes.
    pub fn members(&self) -> Arc<Vec<Member>> {
        self.0.shared.members.load_full()
    }

    /// This node as it tells others.
    pub fn local(&self) -> Member {
        self.0.shared.read(GossipCore::local)
    }

    /// What happens from now on. A receiver that lags must read [`Pool::members`] again. An event
    /// comes after the snapshot that shows it.
    pub fn events(&self) -> broadcast::Receiver<PoolEvent> {
        self.0.shared.events.subscribe()
    }

    /// Joins through each address, all at the same time. Returns how many answered, and why the
    /// others did not. One answer is enough to be a member.
    pub async fn join(&self, addrs: &[SocketAddr]) -> (usize, Vec<(SocketAddr, String)>) {
        let attempts: Vec<_> = addrs.iter().map(|addr| (*addr, self.0.shared.join(*addr))).collect();
        let (mut contacted, mut errors) = (0, Vec::new());
        for (addr, attempt) in attempts {
            let result = tokio::select! {
                result = attempt => result.ok(),
                () = self.0.shared.stop.cancelled() => None,
            };
            match result {
                Some(Ok(())) => contacted += 1,
                Some(Err(reason)) => errors.push((addr, reason)),
                None => errors.push((addr, "the pool was shut down".to_owned())),
            }
        }
        (contacted, errors)
    }

    /// Leaves in good order and waits, at most `timeout`, until that has spread. The sockets stay
    /// open until [`Pool::shutdown`].
    pub async fn leave(&self, timeout: Duration) {
        let (done, wait) = oneshot::channel();
        self.0.shared.write(|inner, now| {
            inner.leaves.push(done);
            inner.core.leave(now);
        });
        if tokio::time::timeout(timeout, wait).await.is_err() {
            tracing::warn!(?timeout, "leaving took too long; others may see this node as failed");
        }
    }

    /// Declares a failed member as left; with `prune` it is also forgotten. Waits until that has
    /// been passed on. A live member overrules it.
    pub async fn force_leave(&self, node: &str, prune: bool) -> Result<(), PoolError> {
        let (done, wait) = oneshot::channel();
        self.0.shared.write(|inner, now| {
            inner.forced.push((node.to_owned(), done));
            let result = inner.core.force_leave(now, node, prune);
            if result.is_err() {
                inner.forced.pop();
            }
            result
        })?;
        tokio::select! {
            // The other side is dropped when the message is out.
            _ = wait => {}
            () = self.0.shared.stop.cancelled() => {}
        }
        Ok(())
    }

    /// Tells everybody new tags of this node; an error when they are longer than 512 bytes.
    #[expect(clippy::unused_async, reason = "the handle's commands look alike")]
    pub async fn set_tags(&self, tags: BTreeMap<String, String>) -> Result<(), PoolError> {
        Ok(self.0.shared.write(|inner, now| inner.core.set_tags(now, tags))?)
    }

    /// Fires a user event at everybody, this node included; an error when name and payload are
    /// longer than 512 bytes.
    #[expect(clippy::unused_async, reason = "the handle's commands look alike")]
    pub async fn user_event(&self, name: &str, payload: &[u8], coalesce: bool) -> Result<(), PoolError> {
        Ok(self.0.shared.write(|inner, now| inner.core.user_event(now, name, payload, coalesce))?)
    }

    /// Asks all members, this node included, and waits until all have answered or the time is over.
    pub async fn ask(&self, question: Question) -> Result<Answers, PoolError> {
        let wait = self.0.shared.ask(question)?;
        tokio::select! {
            answers = wait => answers.map_err(|_| PoolError::Stopped),
            () = self.0.shared.stop.cancelled() => Err(PoolError::Stopped),
        }
    }

    /// 0 is well; higher when this node misses answers, which makes it slower to accuse others.
    pub fn health_score(&self) -> u32 {
        self.0.shared.read(GossipCore::health_score)
    }

    /// Where this node is in the network, by round-trip times.
    pub fn coordinate(&self) -> Coordinate {
        self.0.shared.read(GossipCore::coordinate)
    }

    /// Numbers for `consul info`.
    pub fn stats(&self) -> BTreeMap<String, String> {
        self.0.shared.read(GossipCore::stats)
    }

    /// Closes the sockets without leaving: others will see this node as failed.
    pub async fn shutdown(&self) {
        self.0.shared.stop.cancel();
        if let Some(task) = self.0.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the gossip task ended badly");
        }
    }
}

/// Binds both protocols to one port. With port 0 a port that is free for both is looked for.
async fn bind(addr: SocketAddr) -> Result<(TcpListener, UdpSocket, u16), PoolError> {
    let mut attempts = if addr.port() == 0 { 16 } else { 1 };
    loop {
        attempts -= 1;
        let tcp = TcpListener::bind(addr).await.map_err(|cause| PoolError::Bind { protocol: "TCP", addr, cause })?;
        let port = tcp.local_addr().map_or(addr.port(), |bound| bound.port());
        match UdpSocket::bind(SocketAddr::new(addr.ip(), port)).await {
            Ok(udp) => return Ok((tcp, udp, port)),
            Err(_) if attempts > 0 => {}
            Err(cause) => return Err(PoolError::Bind { protocol: "UDP", addr, cause }),
        }
    }
}
