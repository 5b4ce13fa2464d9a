//! The same events on the real Consul 1.8.7, deployed by plain manifests of the same shape, for comparison only:
//! its numbers are printed, none of them can fail the run. A deployment that does not start does.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cluster::seconds;
use crate::environment::Environment;
use crate::kubectl::{text, wait_for};
use crate::load::{Load, get};

const READY_MAX: Duration = Duration::from_secs(90);
/// How long it may take to recover from the loss of all pods, before "never" is noted.
const RECOVERED_MAX: Duration = Duration::from_secs(30);
const BEFORE: Duration = Duration::from_millis(700);

/// Deploys, measures, removes.
pub fn measure(environment: &Environment) -> Result<()> {
    let kubectl = &environment.kubectl;
    let path = environment.file("tests/kubernetes/consul-1.8.7.yaml");
    let manifest = std::fs::read_to_string(&path)?.replace("${IMAGE}", &environment.oracle_image);
    let start = Instant::now();
    kubectl.apply(&manifest)?;
    wait_for("3 servers, 3 clients, leader", READY_MAX, || healthy(environment, &BTreeSet::new()))?;
    environment.figures.consul("apply -> 3 servers, 3 clients, leader", seconds(start.elapsed()));
    let one = |arguments: &[&str]| {
        let leader = leader(environment)?;
        let mut all = vec!["delete", "pod", &leader, "--wait=false"];
        all.extend(arguments);
        let pods = kubectl.list(&["pods", "-l", "app=plain,role=server"])?;
        let uid = pods.iter().find(|pod| text(pod, "/metadata/name") == leader).map(|pod| text(pod, "/metadata/uid"));
        let gone = BTreeSet::from([uid.context("the leader has no pod")?]);
        disturb(environment, &gone, || kubectl.run(&all).map(|_| ()))
    };
    note(environment, "leader pod deleted", one(&[]));
    note(environment, "leader SIGKILLed, pod deleted by force", one(&["--force", "--grace-period=0"]));
    let pods = kubectl.list(&["pods", "-l", "app=plain,role=server"])?;
    let gone = pods.iter().map(|pod| text(pod, "/metadata/uid")).collect();
    let all = disturb(environment, &gone, || {
        kubectl.run(&["delete", "pods", "-l", "app=plain,role=server", "--wait=false"]).map(|_| ())
    });
    note(environment, "all server pods deleted at once", all);
    kubectl.run_with_input(&["delete", "-f", "-", "--wait=false"], &manifest)?;
    wait_for("the real Consul gone", READY_MAX, || {
        Ok(kubectl.list(&["pods", "-l", "app=plain"])?.is_empty().then_some(()))
    })?;
    kubectl.run(&["delete", "pvc", "-l", "app=plain", "--wait=false"])?;
    Ok(())
}

/// What one event did: the longest gap in writes, and the time until all was well again, if it ever was.
struct Outcome {
    gap_ms: u64,
    lost: Option<String>,
    again: Option<Duration>,
}

fn disturb(environment: &Environment, gone: &BTreeSet<String>, act: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let address = service(environment)?;
    let load = Load::start(&environment.node_namespace, &address)?;
    std::thread::sleep(BEFORE);
    let start = Instant::now();
    act()?;
    let again = wait_for("well again", RECOVERED_MAX, || healthy(environment, gone)).ok().map(|()| start.elapsed());
    std::thread::sleep(BEFORE);
    match load.stop() {
        Ok(report) => Ok(Outcome { gap_ms: report.gap_ms, lost: None, again }),
        Err(error) => Ok(Outcome { gap_ms: 0, lost: Some(format!("{error:#}")), again }),
    }
}

fn note(environment: &Environment, what: &str, outcome: Result<Outcome>) {
    let figures = &environment.figures;
    let never = || format!("not in {} s", RECOVERED_MAX.as_secs());
    match outcome {
        Ok(outcome) => {
            let gap = if outcome.lost.is_some() { never() } else { format!("{:.2} s", outcome.gap_ms as f64 / 1000.0) };
            figures.consul(&format!("{what}: writes stopped for"), gap);
            figures.consul(&format!("{what}: ready again"), outcome.again.map_or_else(never, seconds));
            println!("real Consul, {what}: gap {} ms, {:?}, {:?}", outcome.gap_ms, outcome.again, outcome.lost);
        }
        Err(error) => println!("real Consul, {what}: {error:#}"),
    }
}

/// Three new-enough ready servers that all vote, and three client agents that know a leader.
fn healthy(environment: &Environment, gone: &BTreeSet<String>) -> Result<Option<()>> {
    let pods = environment.kubectl.list(&["pods", "-l", "app=plain"])?;
    let ready = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
            && pod["metadata"].get("deletionTimestamp").is_none()
    };
    let replaced = pods.iter().all(|pod| !gone.contains(&text(pod, "/metadata/uid")));
    if !replaced || pods.iter().filter(ready).count() != 6 {
        return Ok(None);
    }
    let peers = get(&environment.node_namespace, &service(environment)?, "/v1/status/peers")?;
    let peers: Vec<String> = serde_json::from_str(&peers)?;
    let servers: BTreeSet<String> = pods
        .iter()
        .filter(|pod| pod["metadata"]["labels"]["role"] == "server")
        .map(|pod| format!("{}:8300", text(pod, "/status/podIP")))
        .collect();
    if peers.into_iter().collect::<BTreeSet<_>>() != servers {
        return Ok(None);
    }
    for client in pods.iter().filter(|pod| pod["metadata"]["labels"]["role"] == "client") {
        let address = format!("{}:8500", text(client, "/status/podIP"));
        let leader = get(&environment.node_namespace, &address, "/v1/status/leader")?;
        ensure!(leader.contains(":8300"), "a client agent knows no leader: {leader}");
    }
    Ok(Some(()))
}

fn service(environment: &Environment) -> Result<String> {
    let service = environment.kubectl.get(&["service", "plain"])?;
    Ok(format!("{}:8500", text(&service, "/spec/clusterIP")))
}

fn leader(environment: &Environment) -> Result<String> {
    wait_for("a leader of the real Consul", READY_MAX, || {
        let leader = get(&environment.node_namespace, &service(environment)?, "/v1/status/leader")?;
        let pods = environment.kubectl.list(&["pods", "-l", "app=plain,role=server"])?;
        let name = pods.iter().find(|pod| leader.contains(&format!("\"{}:", text(pod, "/status/podIP"))));
        Ok(name.map(|pod| text(pod, "/metadata/name")))
    })
}
