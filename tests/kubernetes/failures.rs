//! Servers that go away while writers run: nothing acknowledged may be lost, and the gap in writes is measured.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{consul, ready_without, seconds, server_pods};
use crate::environment::Environment;
use crate::kubectl::{text, wait_for};
use crate::load::{Load, Report, get};

/// How long writers run undisturbed before something happens.
const BEFORE: Duration = Duration::from_millis(700);

/// `kubectl delete pod` of the leader.
pub fn leader_deleted(environment: &Environment) -> Result<()> {
    let leader = leader(environment)?;
    let (report, again) = disturb(environment, std::slice::from_ref(&leader), || {
        environment.kubectl.run(&["delete", "pod", &leader, "--wait=false"]).map(|_| ())
    })?;
    note(environment, "leader pod deleted", &report, again);
    Ok(())
}

/// SIGKILL to the leader, and its pod gone at once, so that it comes back at a new address without a word.
pub fn leader_killed(environment: &Environment) -> Result<()> {
    let leader = leader(environment)?;
    let (report, again) = disturb(environment, std::slice::from_ref(&leader), || {
        kill(process(&leader)?, Signal::SIGKILL).context("cannot kill the leader")?;
        environment.kubectl.run(&["delete", "pod", &leader, "--force", "--grace-period=0", "--wait=false"]).map(|_| ())
    })?;
    note(environment, "leader SIGKILLed, pod deleted by force", &report, again);
    Ok(())
}

/// A setting that needs a restart: the operator replaces every server, one at a time, the leader last.
pub fn setting_changed(environment: &Environment) -> Result<()> {
    let pods = names(environment)?;
    let (report, again) = disturb(environment, &pods, || {
        let patch = r#"{"spec":{"logLevel":"debug"}}"#;
        environment.kubectl.run(&["patch", "consulcluster", "consul", "--type=merge", "-p", patch]).map(|_| ())
    })?;
    note(environment, "every server restarted by a changed setting", &report, again);
    Ok(())
}

/// All server pods deleted in one call; every one comes back at a new address.
pub fn all_servers_deleted(environment: &Environment) -> Result<()> {
    let pods = names(environment)?;
    let (report, again) = disturb(environment, &pods, || {
        let all = "app.kubernetes.io/instance=consul,app.kubernetes.io/component=server";
        environment.kubectl.run(&["delete", "pods", "-l", all, "--wait=false"]).map(|_| ())
    })?;
    note(environment, "all server pods deleted at once", &report, again);
    // The client agents must find the servers again by themselves.
    let clients = environment.kubectl.list(&["pods", "-l", "app.kubernetes.io/component=client"])?;
    ensure!(clients.len() == 3, "{} client agents", clients.len());
    for client in &clients {
        let address = format!("{}:8500", text(client, "/status/podIP"));
        wait_for("a client agent that answers", Duration::from_secs(20), || {
            let value = get(&environment.node_namespace, &address, "/v1/kv/greeting?raw")?;
            ensure!(value == "hello", "read {value:?}");
            Ok(Some(()))
        })?;
    }
    Ok(())
}

/// Runs writers, does something to some pods, waits until the cluster is ready with new pods in their place, and
/// until writes are acknowledged again; checks that no acknowledged write is lost and that addresses are new.
fn disturb(environment: &Environment, pods: &[String], act: impl FnOnce() -> Result<()>) -> Result<(Report, Duration)> {
    let service = environment.kubectl.get(&["service", "consul"])?;
    let address = format!("{}:8500", text(&service, "/spec/clusterIP"));
    let before = server_pods(environment)?;
    let affected: Vec<_> = before.iter().filter(|pod| pods.contains(&text(pod, "/metadata/name"))).collect();
    ensure!(affected.len() == pods.len(), "pods {pods:?} are not all there");
    let gone: BTreeSet<String> = affected.iter().map(|pod| text(pod, "/metadata/uid")).collect();
    let load = Load::start(&environment.node_namespace, &address)?;
    std::thread::sleep(BEFORE);
    let start = Instant::now();
    act()?;
    let again = ready_without(environment, &gone, start)?;
    // Ready: from here on writes must go through, so that the gap that is measured has an end.
    std::thread::sleep(BEFORE);
    let report = load.stop()?;
    ensure!(u128::from(report.ran_ms) >= again.as_millis(), "the writers ended too early");
    for pod in &affected {
        let name = text(pod, "/metadata/name");
        let now = environment.kubectl.get(&["pod", &name])?;
        ensure!(text(&now, "/status/podIP") != text(pod, "/status/podIP"), "{name} kept its address");
    }
    Ok((report, again))
}

fn note(environment: &Environment, what: &str, report: &Report, again: Duration) {
    let figures = &environment.figures;
    figures.ours(&format!("{what}: writes stopped for"), format!("{:.2} s", report.gap_ms as f64 / 1000.0));
    figures.ours(&format!("{what}: ready again"), seconds(again));
    figures.ours(&format!("{what}: acknowledged, lost"), format!("{}, 0", report.acknowledged.len()));
    println!(
        "{what}: gap {} ms, ready again after {}, {} errors {:?}",
        report.gap_ms,
        seconds(again),
        report.errors,
        report.samples
    );
}

fn leader(environment: &Environment) -> Result<String> {
    wait_for("a leader", Duration::from_secs(20), || {
        let leader = text(&consul(environment)?, "/status/leader");
        Ok((!leader.is_empty()).then_some(leader))
    })
}

fn names(environment: &Environment) -> Result<Vec<String>> {
    Ok(server_pods(environment)?.iter().map(|pod| text(pod, "/metadata/name")).collect())
}

/// The agent's process of a server pod: its arguments hold the pod's name.
fn process(pod: &str) -> Result<Pid> {
    let wanted = format!("-node={pod}");
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(arguments) = std::fs::read(entry.path().join("cmdline")) else { continue };
        if arguments.split(|byte| *byte == 0).any(|argument| argument == wanted.as_bytes()) {
            return Ok(Pid::from_raw(pid));
        }
    }
    anyhow::bail!("no process has the argument {wanted}")
}
