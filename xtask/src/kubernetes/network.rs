//! Network namespaces: one per node, one with the bridge that joins them. None has a route out.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::Result;

use super::layout::{FABRIC, Layout, Node, SERVICE_RANGE};
use crate::shell::{command, run};

/// Makes the namespaces, their links and routes.
pub fn create(layout: &Layout) -> Result<()> {
    ip("netns", &["add", FABRIC])?;
    ip_in(FABRIC, "link add br0 type bridge")?;
    ip_in(FABRIC, "link set br0 up")?;
    let nodes = layout.nodes();
    for node in &nodes {
        create_node(node)?;
    }
    for node in &nodes {
        for peer in nodes.iter().filter(|peer| peer.number != node.number) {
            let route = format!("route add {} via {}", peer.pod_range(), peer.address());
            ip_in(&node.namespace(), &route)?;
        }
    }
    Ok(())
}

fn create_node(node: &Node) -> Result<()> {
    let (namespace, address) = (node.namespace(), node.address());
    ip("netns", &["add", &namespace])?;
    let link = format!("cnode{}", node.number);
    ip("link", &["add", &link, "netns", FABRIC, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
    ip_in(FABRIC, &format!("link set {link} master br0 up"))?;
    ip_in(&namespace, &format!("addr add {address}/24 dev eth0"))?;
    ip_in(&namespace, "link set eth0 up")?;
    ip_in(&namespace, "link set lo up")?;
    // Packets to a Service need some route before the rules of kube-proxy rewrite them; a bridge
    // without ports stands in for the dummy interface that not every kernel has.
    ip_in(&namespace, "link add services type bridge")?;
    ip_in(&namespace, "link set services up")?;
    ip_in(&namespace, &format!("route add {SERVICE_RANGE} dev services src {address}"))?;
    run(enter(&namespace, "sysctl").args(["-qw", "net.ipv4.ip_forward=1"]))?;
    // Absent where bridged packets pass the rules anyway.
    let _ = run(enter(&namespace, "sysctl").args(["-qw", "net.bridge.bridge-nf-call-iptables=1"]));
    Ok(())
}

/// A command that runs in a network namespace, and only its network: unlike `ip netns exec` this leaves
/// `/sys` with its cgroups as it is.
pub fn enter(namespace: &str, program: impl AsRef<OsStr>) -> Command {
    let mut enter = command("nsenter", [format!("--net=/run/netns/{namespace}")]);
    enter.arg("--").arg(program);
    enter
}

fn ip(family: &str, args: &[&str]) -> Result<String> {
    run(command("ip", [family]).args(args))
}

fn ip_in(namespace: &str, words: &str) -> Result<String> {
    run(command("ip", ["-n", namespace]).args(words.split(' ')))
}
