//! Settings and files to what rustls takes.

use std::path::Path;
use std::sync::Arc;

use client::tls::{
    Authorities, Names, ServerTrust, TlsError, provider, read_authorities, read_certificates, read_key, validity,
};
use config::{Tls, TlsProtocol};
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::expiry::Shown;
use super::{Current, Role};

/// A certificate with its chain, and its key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Everything that is configured.
pub(super) fn all(role: &Role, settings: &Tls) -> Result<Current, TlsError> {
    let mut current = Current::default();
    let https = &settings.https;
    if https.has_identity() {
        let mut config = server_config(https, &mut current.shown)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        current.https = Some(Arc::new(config));
    }
    let rpc = &settings.internal_rpc;
    if role.is_server && rpc.has_identity() {
        current.rpc_in = Some(Arc::new(server_config(rpc, &mut current.shown)?));
    }
    if rpc.has_authorities() {
        let names = if settings.verify_server_hostname { Names::OfHost } else { Names::Any };
        current.rpc_out = Some(Arc::new(client_config(rpc, names, &mut current.shown)?));
    }
    Ok(current)
}

fn refused(error: &dyn std::fmt::Display) -> TlsError {
    TlsError::Refused(error.to_string())
}

fn versions(settings: &TlsProtocol) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    if settings.only_tls13 { &BOTH[..1] } else { &BOTH }
}

fn authorities(settings: &TlsProtocol) -> Result<Authorities, TlsError> {
    read_authorities(settings.ca_file.as_deref(), settings.ca_path.as_deref())
}

fn identity(settings: &TlsProtocol, shown: &mut Vec<Shown>) -> Result<Option<Identity>, TlsError> {
    let (cert, key): (&Path, &Path) = match (&settings.cert_file, &settings.key_file) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert, key),
        _ => return Err(TlsError::HalfAnIdentity),
    };
    let chain = read_certificates(cert)?;
    if let Some(time) = chain.first().and_then(|first| validity(first))
        && shown.iter().all(|known| known.file != cert)
    {
        shown.push(Shown { file: cert.to_owned(), time });
    }
    Ok(Some((chain, read_key(key)?)))
}

/// The algorithms that are allowed.
fn algorithms(settings: &TlsProtocol) -> Result<Arc<CryptoProvider>, TlsError> {
    let mut provider = provider();
    if !settings.cipher_suites.is_empty() {
        restrict(Arc::make_mut(&mut provider), &settings.cipher_suites)?;
    }
    Ok(provider)
}

fn unusable(settings: &TlsProtocol, error: &rustls::Error) -> TlsError {
    let files = [&settings.cert_file, &settings.key_file].into_iter().flatten();
    let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
    refused(&format!("{}: {error}", files.join(", ")))
}

fn server_config(settings: &TlsProtocol, shown: &mut Vec<Shown>) -> Result<ServerConfig, TlsError> {
    let provider = algorithms(settings)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(settings))
        .map_err(|error| refused(&error))?;
    let builder = if settings.verify_incoming {
        builder.with_client_cert_verifier(authorities(settings)?.of_clients(provider, false)?)
    } else {
        builder.with_no_client_auth()
    };
    let (chain, key) = identity(settings, shown)?.ok_or(TlsError::HalfAnIdentity)?;
    builder.with_single_cert(chain, key).map_err(|error| unusable(settings, &error))
}

fn client_config(settings: &TlsProtocol, names: Names, shown: &mut Vec<Shown>) -> Result<ClientConfig, TlsError> {
    let provider = algorithms(settings)?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(settings))
        .map_err(|error| refused(&error))?;
    let trust = ServerTrust::new(provider, authorities(settings)?, names);
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
    match identity(settings, shown)? {
        None => Ok(builder.with_no_client_auth()),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|error| unusable(settings, &error)),
    }
}

/// Keeps the suites of TLS 1.2 that are named, as Go names them, and all of TLS 1.3.
fn restrict(provider: &mut CryptoProvider, names: &[String]) -> Result<(), TlsError> {
    let name_of = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
    let is_named = |suite: &rustls::SupportedCipherSuite, name: &str| {
        // Go leaves the hash out of the names of the ChaCha20 suites.
        let full = name_of(suite);
        full == name || full.strip_suffix("_SHA256") == Some(name)
    };
    if let Some(unknown) = names.iter().find(|name| !provider.cipher_suites.iter().any(|suite| is_named(suite, name))) {
        let known: Vec<String> =
            provider.cipher_suites.iter().map(name_of).filter(|it| !it.starts_with("TLS13")).collect();
        let known = known.join(", ");
        return Err(TlsError::Refused(format!(
            "unsupported cipher {unknown:?} in tls_cipher_suites; there are {known}"
        )));
    }
    provider.cipher_suites.retain(|suite| {
        suite.version().version == rustls::ProtocolVersion::TLSv1_3 || names.iter().any(|name| is_named(suite, name))
    });
    Ok(())
}
