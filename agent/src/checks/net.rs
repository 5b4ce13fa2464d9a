//! Connections of checks: dialling, TLS on top, and Go's words for what goes wrong.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use client::tls::TlsSettings;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::local::TlsChoice;

/// A connection, in the clear or not.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// What checks trust, made when the first one needs it: reading the system's authorities takes a while.
#[derive(Debug)]
pub struct CheckTls {
    settings: TlsSettings,
    /// By whether certificates are verified and whether HTTP/2 is spoken.
    made: Mutex<[[Option<Arc<ClientConfig>>; 2]; 2]>,
}

impl CheckTls {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(settings: TlsSettings) -> Self {
        Self { settings, made: Mutex::default() }
    }

    fn config(&self, skip_verify: bool, h2: bool) -> Result<Arc<ClientConfig>, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut made[usize::from(skip_verify)][usize::from(h2)];
        if let Some(config) = place {
            return Ok(Arc::clone(config));
        }
        let settings = TlsSettings { skip_verify, ..self.settings.clone() };
        let protocols: &[&str] = if h2 { &["h2"] } else { &[] };
        let config = settings.client_config(protocols).map_err(|error| error.to_string())?;
        Ok(Arc::clone(place.insert(config)))
    }

    /// Connects, over TLS if a choice is given.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        tls: Option<&TlsChoice>,
        h2: bool,
    ) -> Result<Box<dyn Wire>, String> {
        let stream = dial(host, port).await?;
        let Some(choice) = tls else { return Ok(Box::new(stream)) };
        let name = if choice.server_name.is_empty() { host } else { &choice.server_name };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("tls: {name:?} is neither a host name nor an address"))?;
        let connector = TlsConnector::from(self.config(choice.skip_verify, h2)?);
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(tls_reason(&error)),
        }
    }
}

fn tls_reason(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => "tls: first record does not look like a TLS handshake".to_owned(),
        Some(rustls::Error::InvalidCertificate(reason)) => format!("x509: the certificate is refused: {reason}"),
        _ => format!("tls: {error}"),
    }
}

/// Connects to a host by name or address; the error is worded as Go words it.
pub async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = tokio::net::lookup_host((host, port)).await;
    let mut addresses = addresses.map_err(|_| format!("dial tcp: lookup {host}: no such host"))?.peekable();
    if addresses.peek().is_none() {
        return Err(format!("dial tcp: lookup {host}: no such host"));
    }
    let mut first = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => first = first.or(Some(format!("dial tcp {address}: connect: {}", reason(&error)))),
        }
    }
    Err(first.unwrap_or_default())
}

/// The system's words, without the number that Rust adds.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// `host:port` in its two parts.
pub fn split(address: &str) -> Result<(&str, u16), String> {
    let wrong = |reason: &dyn Display| format!("address {address}: {reason}");
    let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong(&"missing port in address"))?;
    let port = port.parse().map_err(|_| wrong(&"invalid port"))?;
    Ok((host.trim_matches(['[', ']']), port))
}
