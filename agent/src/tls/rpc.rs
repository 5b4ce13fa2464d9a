//! TLS on the server port: when to speak it, who may connect, and who is a server.
//!
//! The port takes plain connections and TLS alike, told apart by the first byte, unless `verify_incoming` is set.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{AgentTls, reason};
use crate::rpc::frame::Welcome;
use crate::rpc::wire::Wire;

/// First byte of a TLS connection: a handshake record.
const TLS_BYTE: u8 = 0x16;
/// A fatal alert `access_denied`: there is no certificate to begin a handshake with.
const NO_TLS_HERE: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 49];
/// Most that is read of who is turned away.
const UNREAD_MAX: usize = 16 * 1024;

/// Answers somebody who is not let in. What it sent is read first: closing would reset the connection otherwise, and
/// the answer would be lost.
async fn turn_away(mut stream: TcpStream, answer: &[u8]) -> io::Result<()> {
    let mut unread = vec![0; 4096];
    let mut total = stream.read(&mut unread).await?;
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    while total < UNREAD_MAX {
        match stream.read(&mut unread).await? {
            0 => break,
            count => total += count,
        }
    }
    Ok(())
}

/// How to speak with a server.
#[derive(Clone, Debug)]
pub enum Dial {
    /// In plain text.
    Plain,
    /// With TLS, to a server of this name.
    Tls(Arc<ClientConfig>, ServerName<'static>),
}

impl Dial {
    /// Shakes hands over a connection.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn wrap(self, stream: TcpStream) -> Result<Wire, String> {
        match self {
            Self::Plain => Ok(Wire::plain(stream)),
            Self::Tls(config, name) => {
                let shaken = TlsConnector::from(config).connect(name, stream).await;
                shaken.map(Wire::tls).map_err(|error| format!("TLS: {}", reason(&error)))
            }
        }
    }
}

/// Who called, as far as TLS tells.
#[derive(Clone, Debug)]
pub struct Caller {
    certificate: Option<CertificateDer<'static>>,
}

impl AgentTls {
    /// Whether this agent takes TLS on its server port.
    #[must_use]
    pub fn serves_rpc(&self) -> bool {
        self.current.load().rpc_in.is_some()
    }

    /// How to speak with a server that is known to take TLS, or not.
    ///
    /// # Errors
    /// When it must be TLS and cannot be.
    pub fn dial(&self, takes_tls: bool) -> Result<Dial, String> {
        let must = self.settings.load().internal_rpc.verify_outgoing;
        let out = self.current.load().rpc_out.clone();
        match out.filter(|_| must || takes_tls) {
            None if must => Err("verify_outgoing is set, and there are no authorities to check a server".to_owned()),
            None => Ok(Dial::Plain),
            Some(config) => Ok(Dial::Tls(config, self.server_name()?)),
        }
    }

    /// The name that certificates of this datacenter's servers have.
    fn server_name(&self) -> Result<ServerName<'static>, String> {
        let name = format!("server.{}.{}", self.role.datacenter, self.role.domain.trim_end_matches('.'));
        ServerName::try_from(name.clone()).map_err(|error| format!("{name:?} is no name for a certificate: {error}"))
    }

    /// Finds out what a caller speaks, and shakes hands. The caller of this sets the time.
    ///
    /// # Errors
    /// Why the connection is refused.
    pub async fn accept_rpc(&self, stream: TcpStream, peer: SocketAddr) -> Result<(Wire, Caller), String> {
        let mut first = [0];
        let count = stream.peek(&mut first).await.map_err(|error: io::Error| error.to_string())?;
        if count == 0 {
            return Err("it said nothing".to_owned());
        }
        if first[0] != TLS_BYTE {
            if self.settings.load().internal_rpc.verify_incoming {
                // The one who is turned away may have hung up.
                let _ = turn_away(stream, &Welcome::WantsTls.encode()).await;
                return Err("Non-TLS connection attempted with VerifyIncoming set".to_owned());
            }
            return Ok((Wire::plain(stream), Caller { certificate: None }));
        }
        let Some(config) = self.current.load().rpc_in.clone() else {
            let _ = turn_away(stream, &NO_TLS_HERE).await;
            return Err("TLS connection attempted, but this server has no cert_file and key_file".to_owned());
        };
        let stream =
            TlsAcceptor::from(config).accept(stream).await.map_err(|error| format!("TLS: {}", reason(&error)))?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|shown| shown.clone().into_owned());
        tracing::trace!(target: "agent::tls", %peer, version = ?stream.get_ref().1.protocol_version(), "RPC over TLS");
        Ok((Wire::tls(stream), Caller { certificate }))
    }

    /// Whether a caller may do what only servers do to each other: with `verify_incoming` and `verify_server_hostname`
    /// its certificate must be that of a server.
    ///
    /// # Errors
    /// Why not.
    pub fn check_server(&self, caller: &Caller) -> Result<(), String> {
        let settings = self.settings.load();
        if !(settings.internal_rpc.verify_incoming && settings.verify_server_hostname) {
            return Ok(());
        }
        let name = self.server_name()?;
        let Some(certificate) = &caller.certificate else {
            return Err(format!("it has no certificate for {}", name.to_str()));
        };
        let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
        verify_server_name(&parsed, &name)
            .map_err(|_| format!("its certificate is not that of a server: it is not for {}", name.to_str()))
    }
}

#[cfg(test)]
mod tests;
