//! TLS of outgoing connections: certificates and keys from PEM files, whom to trust, and the rustls settings made of both.
//!
//! The command line, the agent's health checks and its own listeners read their files here, so that the same mistake has
//! the same message everywhere. It opens no connections.

mod trust;
mod validity;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

pub use trust::{Authorities, Names, ServerTrust};
pub use validity::{Validity, validity};

/// Files in a folder of authorities that are read; more are an error.
pub const CA_FILES_MAX: usize = 1024;

/// Whom to trust and who to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file of authorities; where neither this nor `ca_path` is given, those of the system are trusted.
    pub ca_file: Option<PathBuf>,
    /// Folder of such files.
    pub ca_path: Option<PathBuf>,
    /// PEM file of the own certificate and its chain.
    pub cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    pub key_file: Option<PathBuf>,
    /// Name that the other side's certificate must have, where it is not the host's.
    pub server_name: String,
    /// Take any certificate: nobody is trusted any more, so only for tests and for checks that say so.
    pub skip_verify: bool,
}

/// TLS cannot be set up. The text names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// Its path.
        path: String,
        /// What the system says.
        cause: String,
    },
    /// A file holds nothing of what is wanted.
    #[error("there is no {what} in {path}; it must be in PEM form")]
    Empty {
        /// Its path.
        path: String,
        /// What was looked for.
        what: &'static str,
    },
    /// A certificate without a key, or the other way round.
    #[error("a certificate and its key are needed together: give both, or none")]
    HalfAnIdentity,
    /// The library refuses what it was given.
    #[error("unusable TLS settings: {0}")]
    Refused(String),
}

fn unreadable(path: &Path, cause: &dyn std::fmt::Display) -> TlsError {
    TlsError::Read { path: path.display().to_string(), cause: cause.to_string() }
}

/// The one provider of algorithms that is used everywhere.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates of a PEM file, in order.
///
/// # Errors
/// When it cannot be read or has none.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(path, &error))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| unreadable(path, &error))?;
    if found.is_empty() {
        return Err(TlsError::Empty { path: path.display().to_string(), what: "certificate" });
    }
    Ok(found)
}

/// The private key of a PEM file.
///
/// # Errors
/// When it cannot be read or has none.
pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => {
            TlsError::Empty { path: path.display().to_string(), what: "private key" }
        }
        error => unreadable(path, &error),
    })
}

/// The authorities of a file and of all files in a folder.
///
/// # Errors
/// When one cannot be read, or none is found at all.
pub fn read_authorities(file: Option<&Path>, folder: Option<&Path>) -> Result<Authorities, TlsError> {
    let mut paths: Vec<PathBuf> = file.into_iter().map(Path::to_owned).collect();
    if let Some(folder) = folder {
        let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            if path.is_file() {
                paths.push(path);
            }
        }
        if paths.len() > CA_FILES_MAX {
            return Err(TlsError::Refused(format!("more than {CA_FILES_MAX} files in {}", folder.display())));
        }
        paths.sort();
    }
    let mut found = Authorities::default();
    for path in &paths {
        for certificate in read_certificates(path)? {
            found.add(certificate).map_err(|error| unreadable(path, &error))?;
        }
    }
    if found.is_empty() {
        let folder = folder.map(|folder| folder.display().to_string()).unwrap_or_default();
        return Err(TlsError::Empty { path: folder, what: "certificate of an authority" });
    }
    Ok(found)
}

/// The authorities that the system trusts; none where it has no list, as in an image without files.
fn system_authorities() -> Authorities {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.into()
}

impl TlsSettings {
    /// Settings for connections that speak one of the protocols (`h2`), or whatever comes where none is named.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn client_config(&self, protocols: &[&str]) -> Result<Arc<ClientConfig>, TlsError> {
        let refused = |error: rustls::Error| TlsError::Refused(error.to_string());
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(refused)?;
        let trust = match (self.skip_verify, &self.ca_file, &self.ca_path) {
            (true, ..) => ServerTrust::any(provider),
            (false, None, None) => ServerTrust::new(provider, system_authorities(), Names::OfHost),
            (false, file, folder) => {
                ServerTrust::new(provider, read_authorities(file.as_deref(), folder.as_deref())?, Names::OfHost)
            }
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
        let mut config = match (&self.cert_file, &self.key_file) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                builder.with_client_auth_cert(read_certificates(cert)?, read_key(key)?).map_err(refused)?
            }
            _ => return Err(TlsError::HalfAnIdentity),
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }
}
