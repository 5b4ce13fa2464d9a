//! What the cluster is for: writes, reads and names, from pods on different nodes.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cluster::seconds;
use crate::environment::Environment;
use crate::kubectl::{text, wait_for};

/// Registration to an answer in another pod's DNS.
const RESOLVED_MAX: Duration = Duration::from_secs(60);

/// Writes through the servers' Service on one node, reads through the agent of another node.
pub fn write_and_read_across_nodes(environment: &Environment) -> Result<()> {
    for node in ["node1", "node2"] {
        start_shell(environment, node)?;
    }
    let kubectl = &environment.kubectl;
    let written = kubectl.shell("shell-node1", &put("consul", "/v1/kv/greeting", "hello"))?;
    ensure!(written.contains(" 200 ") && written.trim().ends_with("true"), "PUT: {written}");
    let read = kubectl.shell("shell-node2", "wget -q -O - http://consul-agent:8500/v1/kv/greeting?raw")?;
    ensure!(read == "hello", "GET: {read}");
    let myself = kubectl.shell("shell-node2", "wget -q -O - http://consul-agent:8500/v1/agent/self")?;
    let myself: serde_json::Value = serde_json::from_str(&myself)?;
    ensure!(myself["Config"]["NodeName"] == "node2", "the agent Service left the node: {}", myself["Config"]);
    ensure!(myself["Config"]["Server"] == false, "not a client agent: {}", myself["Config"]);
    Ok(())
}

/// Registers a service from one pod, resolves it through cluster DNS in another.
pub fn register_and_resolve(environment: &Environment) -> Result<()> {
    let kubectl = &environment.kubectl;
    let pod = kubectl.get(&["pod", "shell-node1"])?;
    let address = text(&pod, "/status/podIP");
    let service = format!(r#"{{"Name":"web","Port":8080,"Address":"{address}"}}"#);
    let start = Instant::now();
    let answer = kubectl.shell("shell-node1", &put("consul-agent", "/v1/agent/service/register", &service))?;
    ensure!(answer.contains(" 200 "), "register: {answer}");
    for name in ["web.service.consul", "consul.service.consul"] {
        wait_for(&format!("{name} in another pod"), RESOLVED_MAX, || {
            let answer = kubectl.shell("shell-node2", &format!("nslookup -type=a {name}"))?;
            Ok((name.starts_with("consul") || answer.contains(&address)).then_some(()))
        })?;
        if name.starts_with("web") {
            environment.figures.ours("register in a pod -> resolved in another", seconds(start.elapsed()));
        }
    }
    let outside = kubectl.shell("shell-node2", "nslookup -type=a kubernetes.default.svc.cluster.local")?;
    ensure!(outside.contains("10.96.0.1"), "other names must resolve as before: {outside}");
    Ok(())
}

fn start_shell(environment: &Environment, node: &str) -> Result<()> {
    let pod = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": format!("shell-{node}")},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node},
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "shell",
                "image": environment.shell_image,
                "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", "86400"],
            }],
        },
    });
    environment.kubectl.apply(&pod.to_string())?;
    let name = format!("pod/shell-{node}");
    environment.kubectl.run(&["wait", "--for=condition=Ready", &name, "--timeout=60s"])?;
    Ok(())
}

/// A shell line that sends a PUT: the shell's wget knows only GET and POST. The input stays open for a moment, as that
/// of an HTTP client does: a connection whose client has hung up is not answered.
fn put(host: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{{ printf '%s' 'PUT {path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}'; sleep 1; }} | nc {host} 8500"
    )
}
