//! Datagrams: each is answered from the very address that it was sent to, also where the socket listens on all.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::Poll;

use dns::Transport;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Current;
use super::limits::{UDP_REQUEST_BYTES_MAX, UDP_WAITING_MAX};

/// A UDP socket with the places for questions that wait.
pub(super) struct Socket {
    udp: UdpSocket,
    waiting: Arc<Semaphore>,
}

/// Who asked, and at which of our addresses.
#[derive(Clone, Copy)]
struct Route {
    client: SocketAddr,
    asked: Option<IpAddr>,
}

impl Socket {
    pub(super) fn new(udp: std::net::UdpSocket) -> io::Result<Arc<Self>> {
        let waiting = Arc::new(Semaphore::new(UDP_WAITING_MAX));
        Ok(Arc::new(Self { udp: UdpSocket::from_std(udp)?, waiting }))
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Route)> {
        self.udp.async_io(Interest::READABLE, || receive(&self.udp, buffer)).await
    }

    async fn send(&self, answer: &[u8], route: Route) {
        if let Err(error) = self.udp.async_io(Interest::WRITABLE, || send(&self.udp, answer, route)).await {
            debug!("a DNS answer to {} was not sent: {error}", route.client);
        }
    }
}

/// Reads and answers until told to stop. What can be answered at once is answered in place; what waits for others goes
/// on by itself.
pub(super) async fn serve(server: Arc<Current>, socket: Arc<Socket>, stop: CancellationToken) {
    let mut buffer = vec![0; UDP_REQUEST_BYTES_MAX];
    loop {
        let received = tokio::select! {
            received = socket.receive(&mut buffer) => received,
            () = stop.cancelled() => return,
        };
        let (length, route) = match received {
            Ok(received) => received,
            Err(error) => {
                // An earlier answer that could not be delivered is reported here; the socket itself goes on.
                debug!("reading a DNS question failed: {error}");
                continue;
            }
        };
        let packet = buffer[..length].to_vec();
        let (server, task_socket) = (server.load_full(), Arc::clone(&socket));
        let mut answering = Box::pin(async move {
            if let Some(answer) = server.handle(&packet, route.client.ip(), Transport::Udp).await {
                task_socket.send(&answer, route).await;
            }
        });
        let is_done = std::future::poll_fn(|cx| Poll::Ready(answering.as_mut().poll(cx).is_ready())).await;
        if is_done {
            continue;
        }
        if let Ok(place) = Arc::clone(&socket.waiting).try_acquire_owned() {
            let stop = stop.clone();
            tokio::spawn(async move {
                let _place = place;
                stop.run_until_cancelled(answering).await;
            });
        }
    }
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Route)> {
    let mut control = cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let client = message.address.as_ref().and_then(to_socket_address).ok_or(Errno::EAFNOSUPPORT)?;
    let asked = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes())),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    });
    Ok((message.bytes, Route { client, asked }))
}

fn send(socket: &UdpSocket, answer: &[u8], route: Route) -> io::Result<usize> {
    let (v4, v6);
    let control = match route.asked {
        Some(IpAddr::V4(ip)) => {
            let nowhere = libc::in_addr { s_addr: 0 };
            let source = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
            v4 = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: nowhere };
            Some(ControlMessage::Ipv4PacketInfo(&v4))
        }
        Some(IpAddr::V6(ip)) => {
            v6 = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: 0 };
            Some(ControlMessage::Ipv6PacketInfo(&v6))
        }
        None => None,
    };
    let client = SockaddrStorage::from(route.client);
    let parts = [IoSlice::new(answer)];
    Ok(sendmsg(socket.as_raw_fd(), &parts, control.as_slice(), MsgFlags::MSG_DONTWAIT, Some(&client))?)
}

fn to_socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::from((v4.ip(), v4.port())));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}
