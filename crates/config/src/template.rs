//! Address templates in the language of go-sockaddr: `{{ GetPrivateIP }}`, or a pipeline that begins with a list of
//! interfaces and narrows it down: `{{ GetAllInterfaces | include "name" "^eth" | sort "size" | limit 1 | attr "address" }}`.
//! Pure: the interfaces are facts of the [`Host`].

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use regex_lite::Regex;

use crate::host::{Host, Interface};
use crate::network::{Network, is_private_network};

/// Steps of one pipeline; far more than any has.
const STEPS_MAX: usize = 32;

/// An address template cannot be replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `}}` is missing.
    #[error("template {0:?} has no closing \"}}}}\"")]
    NotClosed(String),
    /// A function or its arguments are not known.
    #[error(
        "template function {0:?} is not known; there are GetPrivateIP(s), GetPublicIP(s), GetInterfaceIP(s) \"name\", \
         GetAllInterfaces, GetDefaultInterfaces, GetPrivateInterfaces, GetPublicInterfaces, and after a \"|\" include, \
         exclude, sort, unique, limit, offset, math, attr and join"
    )]
    Unknown(String),
    /// A function got something it cannot work with.
    #[error("template function {function:?}: {cause}")]
    Argument {
        /// The function with its arguments.
        function: String,
        /// What is wrong, and what would be right.
        cause: String,
    },
    /// A pipeline that ends with interfaces, not with text.
    #[error("template {0:?} gives interfaces; end it with attr \"address\" or join \"address\" \" \"")]
    NoText(String),
    /// The host has no such address.
    #[error("template {0:?}: this host has no such address")]
    NoAddress(String),
}

/// What a step of a pipeline gives to the next.
enum Piped {
    Interfaces(Vec<Interface>),
    Text(String),
}

/// The text that a pipeline stands for.
pub(crate) fn evaluate(host: &Host, pipeline: &str) -> Result<String, TemplateError> {
    let steps = steps(pipeline)?;
    let mut piped: Option<Piped> = None;
    for words in &steps {
        let shown = words.join(" ");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        piped = Some(match piped {
            None => source(host, &words).ok_or(TemplateError::Unknown(shown))?,
            Some(Piped::Interfaces(found)) => {
                let argument = |cause: String| TemplateError::Argument { function: shown.clone(), cause };
                step(host, &words, found).ok_or_else(|| TemplateError::Unknown(shown.clone()))?.map_err(argument)?
            }
            Some(Piped::Text(_)) => {
                let cause = "it comes after a text; only interfaces can be narrowed down".to_owned();
                return Err(TemplateError::Argument { function: shown, cause });
            }
        });
    }
    match piped {
        Some(Piped::Text(text)) if text.is_empty() => Err(TemplateError::NoAddress(pipeline.trim().to_owned())),
        Some(Piped::Text(text)) => Ok(text),
        _ => Err(TemplateError::NoText(pipeline.trim().to_owned())),
    }
}

/// The words of each step; what stands in quotes is one word.
fn steps(pipeline: &str) -> Result<Vec<Vec<String>>, TemplateError> {
    let (mut steps, mut word, mut quoted) = (vec![Vec::new()], None::<String>, None::<char>);
    for letter in pipeline.chars() {
        let steps_now = steps.len();
        let last = &mut steps[steps_now - 1];
        match (quoted, letter) {
            (Some(quote), letter) if letter == quote => {
                quoted = None;
                last.extend(word.take());
            }
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '"' | '`') => {
                quoted = Some(letter);
                word = Some(String::new());
            }
            (None, '|') => {
                last.extend(word.take());
                steps.push(Vec::new());
            }
            (None, letter) if letter.is_whitespace() => last.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(last) = steps.last_mut() {
        last.extend(word.take());
    }
    let unknown = || TemplateError::Unknown(pipeline.trim().to_owned());
    if quoted.is_some() || steps.len() > STEPS_MAX || steps.iter().any(Vec::is_empty) {
        return Err(unknown());
    }
    Ok(steps)
}

/// What a pipeline begins with.
fn source(host: &Host, words: &[&str]) -> Option<Piped> {
    let first = |mut found: Vec<IpAddr>| {
        found.truncate(1);
        found
    };
    let text = |found: Vec<IpAddr>| {
        let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
        Piped::Text(shown.join(" "))
    };
    Some(match *words {
        ["GetPrivateIP"] => text(first(host.private_ipv4().into_iter().map(IpAddr::V4).collect())),
        ["GetPrivateIPs"] => text(host.private_ipv4().into_iter().map(IpAddr::V4).collect()),
        ["GetPublicIP"] => text(first(host.public_ipv4().into_iter().map(IpAddr::V4).collect())),
        ["GetPublicIPs"] => text(host.public_ipv4().into_iter().map(IpAddr::V4).collect()),
        ["GetInterfaceIP", name] => text(first(of_interface(host, name))),
        ["GetInterfaceIPs", name] => text(of_interface(host, name)),
        ["GetAllInterfaces"] => Piped::Interfaces(host.interfaces.clone()),
        ["GetDefaultInterfaces"] => only(host, |found| found.name == host.default_interface),
        ["GetPrivateInterfaces"] => only(host, |found| is_usable(found) && is_private_network(found.ip)),
        ["GetPublicInterfaces"] => only(host, |found| is_usable(found) && !is_private_network(found.ip)),
        _ => return None,
    })
}

fn only(host: &Host, wanted: impl Fn(&Interface) -> bool) -> Piped {
    Piped::Interfaces(host.interfaces.iter().filter(|found| wanted(found)).cloned().collect())
}

/// IPv4 first, as most peers need.
fn of_interface(host: &Host, name: &str) -> Vec<IpAddr> {
    let mut ips: Vec<IpAddr> = host.interfaces.iter().filter(|i| i.name == name).map(|i| i.ip).collect();
    ips.sort_by_key(IpAddr::is_ipv6);
    ips
}

/// Whether others can be reached through it.
fn is_usable(found: &Interface) -> bool {
    !has_flag(found, "loopback") && !has_flag(found, "link-local unicast")
}

type Stepped = Result<Piped, String>;

/// One step after the first; `None` for an unknown function.
fn step(host: &Host, words: &[&str], found: Vec<Interface>) -> Option<Stepped> {
    let interfaces = |found: Result<Vec<Interface>, String>| found.map(Piped::Interfaces);
    Some(match *words {
        ["include", by, value] => interfaces(chosen(found, by, value, true)),
        ["exclude", by, value] => interfaces(chosen(found, by, value, false)),
        ["sort", by] => interfaces(sorted(host, found, by)),
        ["unique", by] => interfaces(unique(found, by)),
        ["limit", number] => interfaces(count(number).map(|count| found.into_iter().take(count).collect())),
        ["offset", number] => interfaces(count(number).map(|count| found.into_iter().skip(count).collect())),
        ["math", what, by] => interfaces(found.into_iter().map(|found| moved(found, what, by)).collect()),
        ["attr", what] => found.first().map_or(Ok(String::new()), |found| attribute(found, what)).map(Piped::Text),
        ["join", what, between] => {
            let all: Result<Vec<String>, String> = found.iter().map(|found| attribute(found, what)).collect();
            all.map(|all| Piped::Text(all.join(between)))
        }
        _ => return None,
    })
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

fn chosen(found: Vec<Interface>, by: &str, value: &str, wanted: bool) -> Result<Vec<Interface>, String> {
    let fits: Box<dyn Fn(&Interface) -> bool> = match by {
        "name" => {
            let regex = regex(value)?;
            Box::new(move |found| regex.is_match(&found.name))
        }
        "address" => {
            let regex = regex(value)?;
            Box::new(move |found| regex.is_match(&found.ip.to_string()))
        }
        "network" => {
            let networks: Result<Vec<Network>, String> = value.split('|').map(str::parse).collect();
            let networks = networks?;
            Box::new(move |found| networks.iter().any(|network| network.contains(found.ip)))
        }
        "rfc" => {
            let numbers: Result<Vec<&[&str]>, String> = value.split('|').map(rfc).collect();
            let networks = numbers?.concat().into_iter().map(str::parse).collect::<Result<Vec<Network>, String>>()?;
            Box::new(move |found| networks.iter().any(|network| network.contains(found.ip)))
        }
        "size" => {
            let bits: u8 =
                value.trim_start_matches('/').parse().map_err(|_| format!("{value:?} is not a size as 24"))?;
            Box::new(move |found| found.prefix == bits)
        }
        "type" => {
            let types: Vec<String> = value.split('|').map(str::to_ascii_lowercase).collect();
            if let Some(other) = types.iter().find(|found| !["ip", "ipv4", "ipv6"].contains(&found.as_str())) {
                return Err(format!("{other:?} is not one of IP, IPv4 and IPv6"));
            }
            Box::new(move |found| types.iter().any(|wanted| wanted == "ip" || (wanted == "ipv4") == found.ip.is_ipv4()))
        }
        "flag" | "flags" => {
            let flags: Vec<String> = value.split('|').map(|flag| flag.trim().to_ascii_lowercase()).collect();
            if let Some(other) = flags.iter().find(|flag| !FLAGS.contains(&flag.as_str())) {
                return Err(format!("{other:?} is not one of the flags {}", FLAGS.join(", ")));
            }
            Box::new(move |found| flags.iter().all(|flag| has_flag(found, flag)))
        }
        other => {
            return Err(format!("{other:?} is not one of name, address, network, rfc, size, type and flag"));
        }
    };
    Ok(found.into_iter().filter(|found| fits(found) == wanted).collect())
}

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("{text:?} is not a regular expression: {error}"))
}

/// The networks of the documents that people name.
fn rfc(number: &str) -> Result<&'static [&'static str], String> {
    Ok(match number.trim() {
        "1918" => &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        "3927" => &["169.254.0.0/16"],
        "4193" => &["fc00::/7"],
        "6598" => &["100.64.0.0/10"],
        "6890" => crate::network::SPECIAL,
        other => return Err(format!("RFC {other:?} is not one of 1918, 3927, 4193, 6598 and 6890; use network")),
    })
}

/// Flags that can be asked for.
const FLAGS: [&str; 9] = [
    "up",
    "broadcast",
    "loopback",
    "point-to-point",
    "multicast",
    "forwardable",
    "global unicast",
    "link-local unicast",
    "interface-local multicast",
];

fn has_flag(found: &Interface, flag: &str) -> bool {
    let link_local = match found.ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let multicast = found.ip.is_multicast();
    match flag {
        "up" => true,
        "loopback" => found.ip.is_loopback(),
        "link-local unicast" => link_local,
        "interface-local multicast" => multicast,
        "forwardable" => !found.ip.is_loopback() && !link_local && !multicast,
        "global unicast" => !found.ip.is_loopback() && !link_local && !multicast && !found.ip.is_unspecified(),
        other => found.flags.contains(&other),
    }
}

fn sorted(host: &Host, mut found: Vec<Interface>, by: &str) -> Result<Vec<Interface>, String> {
    type Compare<'a> = Box<dyn Fn(&Interface, &Interface) -> Ordering + 'a>;
    let mut compares: Vec<Compare<'_>> = Vec::new();
    for word in by.split(',').map(str::trim) {
        let descending = word.starts_with('-');
        let compare: Compare<'_> = match word.trim_start_matches(['+', '-']) {
            "address" => Box::new(|a, b| a.ip.cmp(&b.ip)),
            "name" => Box::new(|a, b| a.name.cmp(&b.name)),
            "type" => Box::new(|a, b| a.ip.is_ipv6().cmp(&b.ip.is_ipv6())),
            // A longer prefix is a smaller network, which comes first.
            "size" => Box::new(|a, b| b.prefix.cmp(&a.prefix)),
            "private" => Box::new(|a, b| is_private_network(b.ip).cmp(&is_private_network(a.ip))),
            "default" => Box::new(|a, b| (b.name == host.default_interface).cmp(&(a.name == host.default_interface))),
            other => {
                return Err(format!("{other:?} is not one of address, default, name, private, size and type"));
            }
        };
        compares.push(if descending { Box::new(move |a, b| compare(b, a)) } else { compare });
    }
    found.sort_by(|a, b| compares.iter().fold(Ordering::Equal, |known, compare| known.then_with(|| compare(a, b))));
    Ok(found)
}

/// Keeps the first of those that are alike and stand beside each other.
fn unique(found: Vec<Interface>, by: &str) -> Result<Vec<Interface>, String> {
    let mut kept: Vec<(String, Interface)> = Vec::new();
    for interface in found {
        let key = attribute(&interface, by)?;
        if kept.last().is_none_or(|(last, _)| *last != key) {
            kept.push((key, interface));
        }
    }
    Ok(kept.into_iter().map(|(_, interface)| interface).collect())
}

fn attribute(found: &Interface, what: &str) -> Result<String, String> {
    Ok(match what {
        "address" | "host" => found.ip.to_string(),
        "name" => found.name.clone(),
        "type" => if found.ip.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
        "size" | "mask_bits" => found.prefix.to_string(),
        "network" => Network::of(found.ip, found.prefix).to_string(),
        "flags" => found.flags.join("|"),
        other => return Err(format!("{other:?} is not one of address, name, network, size, type and flags")),
    })
}

/// An interface with an address some way off: `address +1`, `network +10` (from its first address) or `network -1` (from
/// its last), `mask 24`.
fn moved(mut found: Interface, what: &str, by: &str) -> Result<Interface, String> {
    let number: i128 = by.parse().map_err(|_| format!("{by:?} is not a number as +1"))?;
    let network = Network::of(found.ip, found.prefix);
    let from = match what {
        "address" => found.ip,
        "network" if number >= 0 => network.first(),
        "network" => network.last(),
        "mask" => {
            let widest = if found.ip.is_ipv4() { 32 } else { 128 };
            let bits = u8::try_from(number).ok().filter(|bits| *bits <= widest);
            found.prefix = bits.ok_or_else(|| format!("{by:?} is not a prefix length"))?;
            found.ip = Network::of(found.ip, found.prefix).first();
            return Ok(found);
        }
        other => return Err(format!("{other:?} is not one of address, network and mask")),
    };
    let number = if what == "network" && number < 0 { number + 1 } else { number };
    let outside = || format!("{by:?} leads out of all addresses");
    found.ip = match from {
        IpAddr::V4(ip) => {
            let moved = i128::from(ip.to_bits()).checked_add(number).and_then(|bits| u32::try_from(bits).ok());
            Ipv4Addr::from_bits(moved.ok_or_else(outside)?).into()
        }
        IpAddr::V6(ip) => {
            let moved = if number >= 0 {
                ip.to_bits().checked_add(number.unsigned_abs())
            } else {
                ip.to_bits().checked_sub(number.unsigned_abs())
            };
            Ipv6Addr::from_bits(moved.ok_or_else(outside)?).into()
        }
    };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        let interface = |name: &str, ip: &str, prefix, flags: &[&'static str]| Interface {
            name: name.to_owned(),
            ip: ip.parse().unwrap(),
            prefix,
            flags: flags.to_vec(),
        };
        Host {
            name: "h".to_owned(),
            interfaces: vec![
                interface("lo", "127.0.0.1", 8, &[]),
                interface("lo", "::1", 128, &[]),
                interface("eth0", "fe80::1", 64, &["broadcast", "multicast"]),
                interface("eth0", "10.1.2.3", 16, &["broadcast", "multicast"]),
                interface("eth1", "8.8.4.4", 24, &["broadcast"]),
                interface("eth2", "172.20.0.9", 12, &["broadcast"]),
                interface("tun0", "192.168.9.2", 30, &["point-to-point"]),
            ],
            default_interface: "eth1".to_owned(),
        }
    }

    #[test]
    fn pipelines_give_addresses() {
        for (pipeline, wanted) in [
            ("GetPrivateIP", "10.1.2.3"),
            ("GetPrivateIPs", "10.1.2.3 172.20.0.9 192.168.9.2"),
            ("GetPublicIP", "8.8.4.4"),
            ("GetInterfaceIP \"eth0\"", "10.1.2.3"),
            ("GetInterfaceIPs `eth0`", "10.1.2.3 fe80::1"),
            ("GetAllInterfaces | include \"name\" \"^eth\" | include \"type\" \"IPv4\" | attr \"address\"", "10.1.2.3"),
            ("GetAllInterfaces|include \"network\" \"172.16.0.0/12\"|attr \"address\"", "172.20.0.9"),
            (
                "GetAllInterfaces | include \"rfc\" \"1918\" | sort \"-address\" | limit 1 | attr \"address\"",
                "192.168.9.2",
            ),
            ("GetAllInterfaces | include \"flags\" \"up|point-to-point\" | attr \"name\"", "tun0"),
            ("GetPrivateInterfaces | exclude \"name\" \"tun.*\" | join \"address\" \",\"", "10.1.2.3,172.20.0.9"),
            ("GetPrivateInterfaces | sort \"size\" | offset 1 | attr \"address\"", "10.1.2.3"),
            ("GetDefaultInterfaces | attr \"address\"", "8.8.4.4"),
            ("GetAllInterfaces | sort \"default,address\" | attr \"name\"", "eth1"),
            ("GetPublicInterfaces | attr \"network\"", "8.8.4.0/24"),
            ("GetInterfaceIP \"eth1\"", "8.8.4.4"),
            ("GetAllInterfaces | include \"name\" \"eth1\" | math \"network\" \"+1\" | attr \"address\"", "8.8.4.1"),
            ("GetAllInterfaces | include \"name\" \"eth1\" | math \"address\" \"-2\" | attr \"address\"", "8.8.4.2"),
            ("GetAllInterfaces | unique \"name\" | join \"name\" \" \"", "lo eth0 eth1 eth2 tun0"),
            ("GetAllInterfaces | include \"size\" \"16\" | attr \"address\"", "10.1.2.3"),
        ] {
            assert_eq!(evaluate(&host(), pipeline).as_deref(), Ok(wanted), "{pipeline}");
        }
    }

    #[test]
    fn says_why_it_cannot() {
        for (pipeline, part) in [
            ("GetInterfaceIP \"eth9\"", "this host has no such address"),
            ("GetAllInterfaces | include \"name\" \"none\" | attr \"address\"", "this host has no such address"),
            ("GetAllInterfaces | sort", "\"sort\" is not known; there are GetPrivateIP(s)"),
            ("GetAllInterfaces | sort \"colour\"", "not one of address, default"),
            ("GetAllInterfaces", "gives interfaces; end it with attr"),
            ("GetPrivateIP | limit 1", "it comes after a text"),
            ("GetAllInterfaces | limit x | attr \"address\"", "\"x\" is not a number"),
            ("GetAllInterfaces | include \"name\" \"(\" | attr \"address\"", "is not a regular expression"),
            ("GetAllInterfaces | include \"network\" \"10\" | attr \"address\"", "invalid CIDR address: 10"),
            ("GetAllInterfaces | include \"flag\" \"red\" | attr \"address\"", "not one of the flags up"),
            ("GetAllInterfaces | math \"mask\" \"33\" | attr \"address\"", "is not a prefix length"),
            ("printf \"%s\" .", "is not known"),
            ("", "is not known"),
        ] {
            let message = evaluate(&host(), pipeline).unwrap_err().to_string();
            assert!(message.contains(part), "{pipeline}: {message}");
        }
    }
}
