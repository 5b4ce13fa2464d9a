//! TLS of the agent's own listeners. The certificate is read again when its files change and at each reload; who is
//! connected stays connected. A wrong file is told in the log and the last good certificate stays.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use client::tls::{TlsError, provider, read_authorities, read_certificates, read_key};
use config::Tls;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Time between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What a listener shows and wants.
#[derive(Debug)]
pub struct ServerTls {
    settings: Tls,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Vec<Stamp>>,
}

/// What tells that a file is another: path, length, time of the last change.
type Stamp = (PathBuf, u64, Option<SystemTime>);

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn load(settings: &Tls) -> Result<Arc<Self>, TlsError> {
        let seen = Mutex::new(stamps(settings));
        let current = ArcSwap::from_pointee(server_config(settings)?);
        Ok(Arc::new(Self { settings: settings.clone(), current, seen }))
    }

    /// Reads the files again; on failure everything stays as it was.
    ///
    /// # Errors
    /// When one cannot be used.
    pub fn reload(&self) -> Result<(), TlsError> {
        let now = stamps(&self.settings);
        let config = server_config(&self.settings);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.current.store(Arc::new(config?));
        Ok(())
    }

    /// Reads the files again whenever they have changed. Runs until dropped.
    pub async fn follow_files(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == stamps(&self.settings) {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!(target: "agent::tls", "certificate files changed and were read again"),
                Err(error) => {
                    tracing::error!(target: "agent::tls", %error, "changed certificate files are of no use; the old ones stay in force");
                }
            }
        }
    }

    /// Shakes hands with a client, in the time there is.
    ///
    /// # Errors
    /// What went wrong, as text for the log.
    pub async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let acceptor = TlsAcceptor::from(self.current.load_full());
        let shaken = tokio::time::timeout(self.settings.handshake_timeout, acceptor.accept(stream)).await;
        match shaken {
            Ok(done) => done.map_err(|error: io::Error| error.to_string()),
            Err(_) => Err("it took too long".to_owned()),
        }
    }
}

fn stamps(settings: &Tls) -> Vec<Stamp> {
    let files = [&settings.cert_file, &settings.key_file, &settings.ca_file, &settings.ca_path];
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok();
        let length = found.as_ref().map_or(0, std::fs::Metadata::len);
        (path.clone(), length, found.and_then(|found| found.modified().ok()))
    };
    files.into_iter().flatten().map(stamp).collect()
}

fn server_config(settings: &Tls) -> Result<ServerConfig, TlsError> {
    let refused = |error: &dyn std::fmt::Display| TlsError::Refused(error.to_string());
    let (Some(cert), Some(key)) = (&settings.cert_file, &settings.key_file) else {
        return Err(TlsError::HalfAnIdentity);
    };
    let mut provider = provider();
    if !settings.cipher_suites.is_empty() {
        restrict(Arc::make_mut(&mut provider), &settings.cipher_suites)?;
    }
    let versions: &[_] = if settings.only_tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| refused(&error))?;
    let builder = if settings.verify_incoming_https {
        let roots = read_authorities(path(&settings.ca_file), path(&settings.ca_path))?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        builder.with_client_cert_verifier(verifier.map_err(|error| refused(&error))?)
    } else {
        builder.with_no_client_auth()
    };
    let built = builder.with_single_cert(read_certificates(cert)?, read_key(key)?);
    let mut config = built.map_err(|error| refused(&format!("{}, {}: {error}", cert.display(), key.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn path(file: &Option<PathBuf>) -> Option<&Path> {
    file.as_deref()
}

/// Keeps the suites of TLS 1.2 that are named, as Go names them, and all of TLS 1.3.
fn restrict(provider: &mut rustls::crypto::CryptoProvider, names: &[String]) -> Result<(), TlsError> {
    let name_of = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
    let is_named = |suite: &rustls::SupportedCipherSuite, name: &str| {
        // Go leaves the hash out of the names of the ChaCha20 suites.
        let full = name_of(suite);
        full == name || full.strip_suffix("_SHA256") == Some(name)
    };
    if let Some(unknown) = names.iter().find(|name| !provider.cipher_suites.iter().any(|suite| is_named(suite, name))) {
        return Err(TlsError::Refused(format!("unsupported cipher {unknown:?} in tls_cipher_suites")));
    }
    provider.cipher_suites.retain(|suite| {
        suite.version().version == rustls::ProtocolVersion::TLSv1_3 || names.iter().any(|name| is_named(suite, name))
    });
    Ok(())
}

#[cfg(test)]
mod tests;
