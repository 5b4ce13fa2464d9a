//! The sockets that HTTP listens on: TCP in the clear, TCP with TLS, and unix sockets.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::UnixSockets;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::limits::BACKLOG;
use crate::tls::AgentTls;

/// A connection of any kind.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for T {}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address and port.
    #[error(
        "cannot listen for HTTP on {address}: {reason}; choose another address with -client or another port with -http-port"
    )]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says. Not a `source`: the text above has it already.
        reason: io::Error,
    },
    /// A path.
    #[error("cannot listen for HTTP on unix://{}: {reason}; see addresses.http and unix_sockets", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
}

/// A socket that is bound but not served yet.
#[derive(Debug)]
pub enum Listener {
    /// TCP, with TLS or in the clear.
    Tcp(std::net::TcpListener, Option<Arc<AgentTls>>),
    /// A unix socket.
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

/// The file of a unix socket, removed when dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Removed by somebody else already, or by the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Opens the listening sockets; with port 0 the system chooses.
///
/// # Errors
/// When an address cannot be bound.
pub fn bind(addresses: &[SocketAddr], tls: Option<&Arc<AgentTls>>) -> Result<Vec<Listener>, BindError> {
    let open = |address: SocketAddr| -> io::Result<Listener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Listener::Tcp(socket.into(), tls.cloned()))
    };
    addresses.iter().map(|&address| open(address).map_err(|reason| BindError::Address { address, reason })).collect()
}

/// Opens unix sockets, in place of what an earlier process left.
///
/// # Errors
/// When a path cannot be bound, or its owner or permissions cannot be set.
pub fn bind_unix(paths: &[PathBuf], looks: &UnixSockets) -> Result<Vec<Listener>, BindError> {
    let open = |path: &Path| -> io::Result<Listener> {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
        }
        match std::fs::symlink_metadata(path) {
            Ok(found) if !std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
            }
            Ok(_) => std::fs::remove_file(path)?,
            Err(_) => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        let file = SocketFile(path.to_owned());
        let user = number(&looks.user, "/etc/passwd")?;
        let group = number(&looks.group, "/etc/group")?;
        if user.is_some() || group.is_some() {
            chown(path, user, group)?;
        }
        if let Some(mode) = looks.mode {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        Ok(Listener::Unix(listener, file))
    };
    let failed = |path: &PathBuf, reason| BindError::Path { path: path.clone(), reason };
    paths.iter().map(|path| open(path).map_err(|reason| failed(path, reason))).collect()
}

/// The number of a user or group: given as one, or looked up in the system's list.
fn number(name: &str, list: &str) -> io::Result<Option<u32>> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let text = std::fs::read_to_string(list)?;
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{name:?} is not in {list}")))
}

impl Listener {
    /// Hands it to the runtime.
    pub(super) fn open(self) -> io::Result<OpenListener> {
        Ok(match self {
            Self::Tcp(listener, tls) => {
                listener.set_nonblocking(true)?;
                OpenListener::Tcp(TcpListener::from_std(listener)?, tls)
            }
            Self::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                OpenListener::Unix(UnixListener::from_std(listener)?, file)
            }
        })
    }

    /// The address of a TCP socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener, _) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

/// A socket that accepts.
pub(super) enum OpenListener {
    Tcp(TcpListener, Option<Arc<AgentTls>>),
    Unix(UnixListener, #[expect(dead_code, reason = "held for its drop, which removes the file")] SocketFile),
}

/// A connection that came.
pub(super) enum Accepted {
    Tcp(TcpStream, SocketAddr, Option<Arc<AgentTls>>),
    Unix(UnixStream),
}

impl OpenListener {
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener, tls) => {
                listener.accept().await.map(|(stream, peer)| Accepted::Tcp(stream, peer, tls.clone()))
            }
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_named() {
        let any = "127.0.0.1:0".parse().expect("an address");
        let first = bind(&[any], None).expect("a free port");
        let address = first[0].local_addr().expect("bound");
        let error = bind(&[address], None).expect_err("taken");
        assert!(error.to_string().starts_with(&format!("cannot listen for HTTP on {address}: ")), "{error}");
    }

    #[test]
    fn a_socket_replaces_a_dead_one_and_leaves_everything_else_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("http.sock");
        let looks = UnixSockets { mode: Some(0o640), ..UnixSockets::default() };
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket nobody serves any more"));
        let open = bind_unix(std::slice::from_ref(&path), &looks).expect("the dead one is replaced");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o640);
        let error = bind_unix(std::slice::from_ref(&path), &looks).expect_err("somebody listens");
        assert!(error.to_string().contains("another process listens there"), "{error}");
        drop(open);
        assert!(!path.exists(), "removed at the end");
        std::fs::write(&path, "precious").expect("written");
        bind_unix(std::slice::from_ref(&path), &looks).expect_err("a file is in the way");
        assert_eq!(std::fs::read_to_string(&path).expect("still there"), "precious");
    }

    #[test]
    fn owners_are_numbers_or_names() {
        assert_eq!(number("", "/etc/passwd").expect("nothing asked"), None);
        assert_eq!(number("12", "/etc/passwd").expect("a number"), Some(12));
        assert_eq!(number("root", "/etc/passwd").expect("everywhere"), Some(0));
        number("nobody of this name", "/etc/passwd").expect_err("not there");
    }
}
