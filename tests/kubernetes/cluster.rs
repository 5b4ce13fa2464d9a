//! The cluster of `cluster.yaml`: how it becomes ready, what it looks like, that it is kept right.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::environment::Environment;
use crate::kubectl::{text, wait_for};

/// How long a cluster may take to become ready before a test gives up.
pub const READY_MAX: Duration = Duration::from_secs(120);

/// Applies `cluster.yaml` and measures until it is ready.
pub fn becomes_ready(environment: &Environment) -> Result<()> {
    let start = Instant::now();
    environment.kubectl.run(&["apply", "-f", &environment.file("cluster.yaml")])?;
    environment.kubectl.run(&["wait", "--for=condition=Ready", "consulcluster/consul", "--timeout=120s"])?;
    environment.figures.ours("apply -> 3 servers, 3 clients, leader", seconds(start.elapsed()));
    // The API's times have whole seconds only.
    let scheduled = server_pods(environment)?;
    let scheduled = scheduled.iter().filter_map(|pod| {
        pod["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == "PodScheduled").cloned()
    });
    let last = scheduled.map(|one| clock(&text(&one, "/lastTransitionTime"))).max().unwrap_or_default();
    let created = clock(&text(&consul(environment)?, "/metadata/creationTimestamp"));
    environment
        .figures
        .ours("  of that, until the last volume was there", format!("about {} s", (last - created).rem_euclid(86_400)));
    Ok(())
}

/// Seconds of the day in a time such as `2026-11-22T17:40:03Z`.
fn clock(time: &str) -> i64 {
    let clock = time.split('T').nth(1).unwrap_or_default().trim_end_matches('Z');
    clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap_or_default())
}

/// The cluster object.
pub fn consul(environment: &Environment) -> Result<Value> {
    environment.kubectl.get(&["consulcluster", "consul"])
}

/// Whether a condition of a cluster is true.
pub fn condition(cluster: &Value, type_: &str) -> bool {
    let conditions = cluster["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == type_ && one["status"] == "True"))
}

/// The server pods.
pub fn server_pods(environment: &Environment) -> Result<Vec<Value>> {
    environment.kubectl.list(&["pods", "-l", "app.kubernetes.io/instance=consul,app.kubernetes.io/component=server"])
}

/// Waits until the cluster is ready and none of its server pods is one of these; returns how long it took.
pub fn ready_without(environment: &Environment, gone: &BTreeSet<String>, start: Instant) -> Result<Duration> {
    wait_for("the cluster ready again with new pods", READY_MAX, || {
        let pods = server_pods(environment)?;
        let replaced = pods.iter().all(|pod| !gone.contains(&text(pod, "/metadata/uid")));
        let cluster = consul(environment)?;
        let current = cluster["status"]["observedGeneration"] == cluster["metadata"]["generation"];
        let addresses: BTreeSet<String> = pods.iter().map(|pod| text(pod, "/status/podIP")).collect();
        let known = cluster["status"]["servers"].as_array().is_some_and(|servers| {
            servers.iter().all(|server| addresses.contains(&text(server, "/address")) && server["ready"] == true)
        });
        Ok((replaced && pods.len() == 3 && current && known && condition(&cluster, "Ready")).then_some(()))
    })?;
    Ok(start.elapsed())
}

/// What a user sees: columns, conditions, servers on different nodes, a client on each node, the restricted standard.
pub fn is_as_promised(environment: &Environment) -> Result<()> {
    let kubectl = &environment.kubectl;
    let table = kubectl.run(&["get", "consulclusters"])?;
    let header: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    ensure!(header == ["NAME", "READY", "SERVERS", "LEADER", "CLIENTS", "VERSION", "AGE"], "columns: {table}");
    let row: Vec<&str> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    ensure!(row.len() == 7 && row[1] == "True" && row[2] == "3/3" && row[4] == "3/3", "row: {table}");
    let cluster = consul(environment)?;
    let status = &cluster["status"];
    ensure!(text(status, "/leader").starts_with("consul-server-"), "leader: {status}");
    ensure!(status["voters"] == 3 && status["phase"] == "Running", "status: {status}");
    ensure!(status["observedGeneration"] == cluster["metadata"]["generation"], "observedGeneration: {status}");
    for (type_, wanted) in [("Ready", true), ("Available", true), ("Reconciling", false), ("Stalled", false)] {
        ensure!(condition(&cluster, type_) == wanted, "{type_}: {status}");
    }
    let servers = server_pods(environment)?;
    let nodes: BTreeSet<String> = servers.iter().map(|pod| text(pod, "/spec/nodeName")).collect();
    ensure!(nodes.len() == 3, "servers share nodes: {nodes:?}");
    let clients =
        kubectl.list(&["pods", "-l", "app.kubernetes.io/instance=consul,app.kubernetes.io/component=client"])?;
    let nodes: BTreeSet<String> = clients.iter().map(|pod| text(pod, "/spec/nodeName")).collect();
    ensure!(nodes.len() == 3 && clients.len() == 3, "clients: {nodes:?}");
    // The API server itself judges: a namespace that enforces the standard must accept these very pods.
    let warnings = kubectl.run(&[
        "label",
        "--dry-run=server",
        "namespace",
        "default",
        "pod-security.kubernetes.io/enforce=restricted",
        "-o",
        "name",
    ])?;
    ensure!(!warnings.contains("Warning"), "{warnings}");
    let kinds = "serviceaccounts,configmaps,services,statefulsets,daemonsets,poddisruptionbudgets";
    let owned = kubectl.list(&[kinds, "-l", "app.kubernetes.io/instance=consul"])?;
    ensure!(
        owned.len() == 11,
        "{} objects: {:?}",
        owned.len(),
        owned.iter().map(|o| text(o, "/metadata/name")).collect::<Vec<_>>()
    );
    for object in &owned {
        ensure!(object["metadata"]["ownerReferences"][0]["kind"] == "ConsulCluster", "no owner: {object}");
    }
    Ok(())
}

/// Changes and deletes children behind the operator's back.
pub fn repairs_drift(environment: &Environment) -> Result<()> {
    let kubectl = &environment.kubectl;
    kubectl.run(&[
        "patch",
        "service",
        "consul-dns",
        "--type=merge",
        "-p",
        r#"{"spec":{"selector":{"app.kubernetes.io/instance":"other"}}}"#,
    ])?;
    kubectl.run(&["delete", "service", "consul-agent", "--wait=true"])?;
    wait_for("the Services put right", Duration::from_secs(15), || {
        let selector = kubectl.get(&["service", "consul-dns"])?;
        let agent = kubectl.get(&["service", "consul-agent"])?;
        let right = selector["spec"]["selector"]["app.kubernetes.io/instance"] == "consul";
        Ok((right && agent["spec"]["internalTrafficPolicy"] == "Local").then_some(()))
    })
}

/// A duration as the table shows it.
pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
