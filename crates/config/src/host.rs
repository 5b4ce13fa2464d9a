//! Facts about the host that the configuration may refer to, and the address templates that do.

use std::net::{IpAddr, Ipv4Addr};

/// What the agent found out about the host before it read its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Host name.
    pub name: String,
    /// Addresses of the interfaces that are up, in the order of the system.
    pub interfaces: Vec<Interface>,
}

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name as `eth0`.
    pub name: String,
    /// Address.
    pub ip: IpAddr,
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
            done.push_str(&self.call(call)?);
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

    fn call(&self, call: &str) -> Result<String, TemplateError> {
        let mut words = call.split_whitespace();
        let name = words.next().unwrap_or_default();
        let argument: Option<String> = words.next().map(|word| word.trim_matches(['"', '`']).to_owned());
        if words.next().is_some() {
            return Err(TemplateError::Unknown(call.trim().to_owned()));
        }
        let found: Vec<String> = match (name, &argument) {
            ("GetPrivateIP", None) => self.private_ipv4().first().map(ToString::to_string).into_iter().collect(),
            ("GetPrivateIPs", None) => self.private_ipv4().iter().map(ToString::to_string).collect(),
            ("GetPublicIP", None) => self.public_ipv4().first().map(ToString::to_string).into_iter().collect(),
            ("GetPublicIPs", None) => self.public_ipv4().iter().map(ToString::to_string).collect(),
            ("GetInterfaceIP", Some(name)) => self.of_interface(name).first().cloned().into_iter().collect(),
            ("GetInterfaceIPs", Some(name)) => self.of_interface(name),
            _ => return Err(TemplateError::Unknown(call.trim().to_owned())),
        };
        if found.is_empty() {
            return Err(TemplateError::NoAddress(call.trim().to_owned()));
        }
        Ok(found.join(" "))
    }

    /// IPv4 first, as most peers need.
    fn of_interface(&self, name: &str) -> Vec<String> {
        let mut ips: Vec<IpAddr> = self.interfaces.iter().filter(|i| i.name == name).map(|i| i.ip).collect();
        ips.sort_by_key(IpAddr::is_ipv6);
        ips.iter().map(ToString::to_string).collect()
    }
}

/// An address template cannot be replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `}}` is missing.
    #[error("template {0:?} has no closing \"}}}}\"")]
    NotClosed(String),
    /// The function, or its argument, is not known.
    #[error(
        "template {0:?} is not known; use GetPrivateIP, GetPublicIP, GetInterfaceIP \"name\" (or their plurals), or an address"
    )]
    Unknown(String),
    /// The host has no such address.
    #[error("template {0:?}: this host has no such address")]
    NoAddress(String),
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

    fn host() -> Host {
        let interface = |name: &str, ip: &str| Interface { name: name.to_owned(), ip: ip.parse().unwrap() };
        Host {
            name: "h".to_owned(),
            interfaces: vec![
                interface("lo", "127.0.0.1"),
                interface("eth0", "fe80::1"),
                interface("eth0", "10.1.2.3"),
                interface("eth1", "8.8.4.4"),
            ],
        }
    }

    #[test]
    fn replaces_templates() {
        for (text, wanted) in [
            ("{{ GetPrivateIP }}", "10.1.2.3"),
            ("{{GetPublicIP}}", "8.8.4.4"),
            ("127.0.0.1 {{ GetInterfaceIP \"eth0\" }}", "127.0.0.1 10.1.2.3"),
            ("{{ GetInterfaceIPs `eth0` }}", "10.1.2.3 fe80::1"),
            ("1.2.3.4", "1.2.3.4"),
        ] {
            assert_eq!(host().expand(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn says_why_it_cannot() {
        for (text, part) in [
            ("{{ GetInterfaceIP \"eth9\" }}", "this host has no such address"),
            ("{{ GetAllInterfaces | sort }}", "is not known"),
            ("{{ GetPrivateIP", "has no closing"),
        ] {
            let message = host().expand(text).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
