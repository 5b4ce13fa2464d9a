//! Facts about the host that the configuration may refer to.

use std::net::{IpAddr, Ipv4Addr};

use crate::template::{TemplateError, evaluate};

/// What the agent found out about the host before it read its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Host name.
    pub name: String,
    /// Addresses of the interfaces that are up, in the order of the system.
    pub interfaces: Vec<Interface>,
    /// Name of the interface of the default route; empty when there is none.
    pub default_interface: String,
}

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name as `eth0`.
    pub name: String,
    /// Address.
    pub ip: IpAddr,
    /// Length of the network's prefix, bits.
    pub prefix: u8,
    /// What the system says of it: `broadcast`, `multicast`, `point-to-point`.
    pub flags: Vec<&'static str>,
}

impl Interface {
    /// An interface of which only the name and the address are known.
    #[must_use]
    pub fn new(name: &str, ip: IpAddr) -> Self {
        Self { name: name.to_owned(), ip, prefix: if ip.is_ipv4() { 32 } else { 128 }, flags: Vec::new() }
    }
}

impl Host {
    /// Private IPv4 addresses of the host, without those of the loopback interface.
    #[must_use]
    pub fn private_ipv4(&self) -> Vec<Ipv4Addr> {
        self.ipv4().filter(|ip| is_private(*ip)).collect()
    }

    /// Public IPv4 addresses of the host.
    #[must_use]
    pub fn public_ipv4(&self) -> Vec<Ipv4Addr> {
        self.ipv4().filter(|ip| !is_private(*ip) && !ip.is_link_local()).collect()
    }

    /// Global IPv6 addresses of the host.
    #[must_use]
    pub fn global_ipv6(&self) -> Vec<IpAddr> {
        let global = |ip: &IpAddr| matches!(ip, IpAddr::V6(v6) if !v6.is_loopback() && !v6.is_unicast_link_local());
        self.interfaces.iter().map(|interface| interface.ip).filter(global).collect()
    }

    /// Replaces `{{ ... }}` by the addresses it names, separated by spaces; other text is returned as it is.
    pub fn expand(&self, text: &str) -> Result<String, TemplateError> {
        let (mut done, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((call, next)) = after.split_once("}}") else {
                return Err(TemplateError::NotClosed(text.to_owned()));
            };
            done.push_str(before);
            done.push_str(&evaluate(self, call)?);
            rest = next;
        }
        done.push_str(rest);
        Ok(done.trim().to_owned())
    }

    fn ipv4(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.interfaces.iter().filter_map(|interface| match interface.ip {
            IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_unspecified() => Some(ip),
            _ => None,
        })
    }
}

/// Addresses that routers do not forward to the outside: the private networks, and those kept for carriers,
/// documentation and benchmarks (RFC 6890).
fn is_private(ip: Ipv4Addr) -> bool {
    let octets = ip.octets();
    ip.is_private()
        || ip.is_documentation()
        || (octets[0] == 100 && octets[1] & 0xc0 == 64)
        || (octets[0] == 198 && octets[1] & 0xfe == 18)
        || octets[..3] == [192, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::{Host, Interface};

    #[test]
    fn templates_stand_among_other_text() {
        let interfaces = vec![Interface::new("eth0", "10.1.2.3".parse().unwrap())];
        let host = Host { interfaces, ..Host::default() };
        assert_eq!(host.expand("127.0.0.1 {{ GetPrivateIP }} ").as_deref(), Ok("127.0.0.1 10.1.2.3"));
        assert_eq!(host.expand("1.2.3.4").as_deref(), Ok("1.2.3.4"));
        assert!(host.expand("{{ GetPrivateIP").unwrap_err().to_string().contains("has no closing"));
    }
}
