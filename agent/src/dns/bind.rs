//! Opening the sockets: UDP and TCP on the same address and port.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::limits::{TCP_BACKLOG, UDP_BUFFER_BYTES};

/// How often another port is tried when the system chose one for UDP that is taken for TCP.
const PORT_TRIES: usize = 16;

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen for DNS on {protocol} {address}: {source}; choose another address with -client or another port \
     with -dns-port"
)]
pub struct BindError {
    /// `udp` or `tcp`.
    pub protocol: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

/// The two sockets of one address.
#[derive(Debug)]
pub struct Listener {
    /// What both listen on, with the port that the system chose if it was left to it.
    pub address: SocketAddr,
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

/// Opens the sockets. With port 0 the system chooses a port.
///
/// # Errors
/// The first address that cannot be listened on.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<Listener>, BindError> {
    addresses.iter().map(|address| bind_both(*address)).collect()
}

fn bind_both(wanted: SocketAddr) -> Result<Listener, BindError> {
    let mut tries = if wanted.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        let udp = open_udp(wanted).map_err(|source| BindError { protocol: "udp", address: wanted, source })?;
        let address = udp.local_addr().map_err(|source| BindError { protocol: "udp", address: wanted, source })?;
        match open_tcp(address) {
            Ok(tcp) => return Ok(Listener { address, udp, tcp }),
            Err(error) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(BindError { protocol: "tcp", address, source }),
        }
    }
}

fn open_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // A smaller buffer than wanted only drops packets earlier under load.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER_BYTES);
    match address {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn open_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(TCP_BACKLOG)?;
    Ok(socket.into())
}
