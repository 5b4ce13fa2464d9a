//! Which address to tell the others when only `0.0.0.0` was given to bind to.

use std::net::{IpAddr, Ipv4Addr};

/// Why no address could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is none.
    #[error("No private IPv4 address found. Please configure one with 'bind' and/or 'advertise'.")]
    None,
    /// There are several, and guessing would be wrong half of the time.
    #[error("Multiple private IPv4 addresses found. Please configure one with 'bind' and/or 'advertise'.")]
    Several,
    /// The interfaces cannot be read.
    #[error("the network interfaces cannot be read: {0}")]
    Unreadable(String),
}

/// The address to advertise: `advertise` if given, else `bind`, else the machine's only private IPv4 address.
///
/// # Errors
/// When `bind` is unspecified and the machine has no private address, or several.
pub fn advertise_address(advertise: Option<IpAddr>, bind: IpAddr) -> Result<IpAddr, AddressError> {
    match advertise {
        Some(address) => Ok(address),
        None if !bind.is_unspecified() => Ok(bind),
        None => only_private(&interface_addresses()?).map(IpAddr::V4),
    }
}

/// All addresses of the interfaces that are up.
///
/// # Errors
/// When the system refuses to list them.
pub fn interface_addresses() -> Result<Vec<IpAddr>, AddressError> {
    let interfaces = nix::ifaddrs::getifaddrs().map_err(|error| AddressError::Unreadable(error.to_string()))?;
    Ok(interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            address
                .as_sockaddr_in()
                .map(|v4| IpAddr::V4(v4.ip()))
                .or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .collect())
}

fn only_private(addresses: &[IpAddr]) -> Result<Ipv4Addr, AddressError> {
    let mut private: Vec<Ipv4Addr> = addresses
        .iter()
        .filter_map(|address| match address {
            IpAddr::V4(v4) if v4.is_private() || is_shared(*v4) => Some(*v4),
            _ => None,
        })
        .collect();
    private.sort_unstable();
    private.dedup();
    match private.as_slice() {
        [] => Err(AddressError::None),
        [only] => Ok(*only),
        _ => Err(AddressError::Several),
    }
}

/// 100.64.0.0/10 (RFC 6598), which clouds and clusters use like a private range.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && (second & 0b1100_0000) == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    #[test]
    fn a_single_private_address_is_taken() {
        assert_eq!(only_private(&[ip("127.0.0.1"), ip("10.1.2.3"), ip("8.8.8.8")]), Ok(Ipv4Addr::new(10, 1, 2, 3)));
        assert_eq!(only_private(&[ip("100.64.0.7")]), Ok(Ipv4Addr::new(100, 64, 0, 7)));
    }

    #[test]
    fn none_and_several_are_errors_that_name_the_fix() {
        assert_eq!(only_private(&[ip("127.0.0.1")]), Err(AddressError::None));
        let several = only_private(&[ip("10.0.0.1"), ip("192.168.0.1")]);
        assert!(several.is_err_and(|error| error.to_string().contains("'bind' and/or 'advertise'")));
    }
}
