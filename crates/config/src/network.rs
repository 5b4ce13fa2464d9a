//! Networks in CIDR form, and which addresses are not of the public internet (RFC 6890).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network: an address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// Networks that routers do not forward to the outside (RFC 6890), without those that nobody can have.
pub(crate) const SPECIAL: &[&str] = &[
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::1/128",
    "2001:db8::/32",
    "fc00::/7",
    "fe80::/10",
];

/// Whether an address is not of the public internet.
pub(crate) fn is_private_network(ip: IpAddr) -> bool {
    SPECIAL.iter().filter_map(|text| text.parse::<Network>().ok()).any(|network| network.contains(ip))
}

impl Network {
    /// The network that an address is in.
    pub(crate) fn of(ip: IpAddr, bits: u8) -> Self {
        let first = match ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
                Ipv4Addr::from_bits(ip.to_bits() & mask).into()
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
                Ipv6Addr::from_bits(ip.to_bits() & mask).into()
            }
        };
        Self { first, bits }
    }

    /// Its first address.
    pub(crate) fn first(self) -> IpAddr {
        self.first
    }

    /// Its last address.
    pub(crate) fn last(self) -> IpAddr {
        match self.first {
            IpAddr::V4(ip) => {
                let host = u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                Ipv4Addr::from_bits(ip.to_bits() | host).into()
            }
            IpAddr::V6(ip) => {
                let host = u128::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0);
                Ipv6Addr::from_bits(ip.to_bits() | host).into()
            }
        }
    }

    /// Whether an address is in it; IPv4 addresses written as IPv6 count as IPv4.
    #[must_use]
    pub fn contains(self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.first.is_ipv4() && Self::of(ip, self.bits) == self
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid CIDR address: {text}");
        let (ip, bits) = text.trim().split_once('/').ok_or_else(invalid)?;
        let ip: IpAddr = ip.parse().map_err(|_| invalid())?;
        let widest = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse::<u8>().ok().filter(|bits| *bits <= widest).ok_or_else(invalid)?;
        Ok(Self::of(ip, bits))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, inside, outside) in [
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
            ("1.2.3.4/32", "1.2.3.4", "1.2.3.5"),
            ("fc00::/7", "fd12::1", "fe80::1"),
            ("::/0", "2001::1", "1.1.1.1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        let network: Network = "10.1.2.3/8".parse().unwrap();
        assert_eq!(
            (network.to_string(), network.last().to_string()),
            ("10.0.0.0/8".to_owned(), "10.255.255.255".to_owned())
        );
        assert!("10.0.0.0".parse::<Network>().is_err() && "10.0.0.0/33".parse::<Network>().is_err());
    }
}
