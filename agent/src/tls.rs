//! TLS of the agent: HTTPS, and RPC in both directions. Files are read again when they change and at each reload; who is
//! connected stays connected. A wrong file is told in the log and what was good last stays.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use client::tls::TlsError;
use config::{Tls, TlsProtocol};
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

mod build;
mod expiry;
mod reason;
mod rpc;

pub use reason::reason;
pub use rpc::Dial;

use expiry::Shown;

/// Time between two looks at the files.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Who this agent is, as far as TLS minds.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// Whether it is a server.
    pub is_server: bool,
    /// Its datacenter.
    pub datacenter: String,
    /// The domain of DNS, with or without a dot at the end.
    pub domain: String,
}

/// What the agent shows and whom it trusts.
#[derive(Debug)]
pub struct AgentTls {
    role: Role,
    settings: ArcSwap<Tls>,
    current: ArcSwap<Current>,
    seen: Mutex<Vec<Stamp>>,
}

/// What was made of the files; `None` for what is not configured.
#[derive(Debug, Default)]
struct Current {
    https: Option<Arc<ServerConfig>>,
    rpc_in: Option<Arc<ServerConfig>>,
    rpc_out: Option<Arc<ClientConfig>>,
    shown: Vec<Shown>,
}

/// What tells that a file is another: path, length, time of the last change.
type Stamp = (PathBuf, u64, Option<SystemTime>);

impl AgentTls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn load(role: Role, settings: &Tls) -> Result<Arc<Self>, TlsError> {
        let seen = Mutex::new(stamps(settings));
        let current = ArcSwap::from_pointee(build::all(&role, settings)?);
        Ok(Arc::new(Self { role, settings: ArcSwap::from_pointee(settings.clone()), current, seen }))
    }

    /// No TLS at all.
    #[must_use]
    pub fn off() -> Arc<Self> {
        let (settings, current) = (ArcSwap::from_pointee(Tls::default()), ArcSwap::from_pointee(Current::default()));
        Arc::new(Self { role: Role::default(), settings, current, seen: Mutex::default() })
    }

    /// Takes other settings and reads the files again; on failure everything stays as it was.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn reload(&self, settings: &Tls) -> Result<(), TlsError> {
        let now = stamps(settings);
        let current = build::all(&self.role, settings);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.current.store(Arc::new(current?));
        self.settings.store(Arc::new(settings.clone()));
        Ok(())
    }

    /// Reads the files again whenever they have changed, and warns of certificates that are about to expire. Runs until
    /// dropped.
    pub async fn follow_files(self: Arc<Self>, interval: Duration) {
        let mut warned = None;
        loop {
            expiry::warn(&self.current.load().shown, &mut warned);
            tokio::time::sleep(interval).await;
            let settings = self.settings.load_full();
            if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == stamps(&settings) {
                continue;
            }
            match self.reload(&settings) {
                Ok(()) => tracing::info!(target: "agent::tls", "certificate files changed and were read again"),
                Err(error) => {
                    tracing::error!(target: "agent::tls", %error, "changed certificate files are of no use; the old ones stay in force");
                }
            }
        }
    }

    /// Seconds until the first of the certificates that are shown expires; `None` when none is shown.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        expiry::soonest(&self.current.load().shown)
    }

    /// Shakes hands with a client of HTTPS, in the time there is.
    ///
    /// # Errors
    /// What went wrong, as text for the log.
    pub async fn accept_https(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let Some(config) = self.current.load().https.clone() else {
            return Err("there is no certificate for HTTPS any more".to_owned());
        };
        let limit = self.settings.load().https.handshake_timeout;
        match tokio::time::timeout(limit, TlsAcceptor::from(config).accept(stream)).await {
            Ok(done) => done.map_err(|error: io::Error| reason(&error)),
            Err(_) => Err("it took too long".to_owned()),
        }
    }
}

fn files(protocol: &TlsProtocol) -> impl Iterator<Item = &PathBuf> {
    [&protocol.cert_file, &protocol.key_file, &protocol.ca_file, &protocol.ca_path].into_iter().flatten()
}

fn stamps(settings: &Tls) -> Vec<Stamp> {
    let stamp = |path: PathBuf| {
        let found = std::fs::metadata(&path).ok();
        let length = found.as_ref().map_or(0, std::fs::Metadata::len);
        (path, length, found.and_then(|found| found.modified().ok()))
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for protocol in [&settings.https, &settings.internal_rpc] {
        paths.extend(files(protocol).cloned());
        // A folder's own time does not tell that a file in it was overwritten.
        if let Some(folder) = protocol.ca_path.as_ref().and_then(|folder| std::fs::read_dir(folder).ok()) {
            paths.extend(folder.flatten().map(|entry| entry.path()).take(client::tls::CA_FILES_MAX));
        }
    }
    paths.sort();
    paths.dedup();
    paths.into_iter().map(stamp).collect()
}

#[cfg(test)]
mod test_pki;
#[cfg(test)]
mod tests;
