//! Loopback addresses of their own for agents under test, so that every agent can use the default ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use rand::Rng as _;

/// Ports that an agent uses by default.
const PORTS: &[u16] = &[8300, 8301, 8302, 8500, 8502, 8600];

/// An address of 127.0.0.0/8 on which nothing listened on an agent's ports when it was chosen.
///
/// It is drawn from 16 million at random, so that programs which run at the same time do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopbackAddress(Ipv4Addr);

impl LoopbackAddress {
    /// A free address.
    ///
    /// # Panics
    /// When a hundred random addresses are all in use, which means that something else is wrong.
    #[must_use]
    pub fn free() -> Self {
        let mut random = rand::rng();
        (0..100)
            .map(|_| {
                let mut byte = || random.random_range(1..=254);
                Self(Ipv4Addr::new(127, byte(), byte(), byte()))
            })
            .find(Self::is_free)
            .expect("no free loopback address found")
    }

    fn is_free(&self) -> bool {
        PORTS.iter().all(|port| TcpListener::bind((self.0, *port)).is_ok() && UdpSocket::bind((self.0, *port)).is_ok())
    }

    /// The bare address.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        IpAddr::V4(self.0)
    }

    /// The address with a port.
    #[must_use]
    pub fn port(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip(), port)
    }
}

impl std::fmt::Display for LoopbackAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
