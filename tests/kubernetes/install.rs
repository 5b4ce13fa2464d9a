//! Installing by kubectl and by Helm, and that nothing is left behind.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::seconds;
use crate::environment::Environment;
use crate::kubectl::wait_for;

const GONE_MAX: Duration = Duration::from_secs(60);

/// `operator.yaml`, then at once `cluster.yaml`, on a Kubernetes that has never heard of either.
pub fn by_kubectl(environment: &Environment) -> Result<()> {
    let kubectl = &environment.kubectl;
    let operator = environment.file("operator.yaml");
    let start = Instant::now();
    kubectl.run(&["apply", "-f", &operator])?;
    kubectl.run(&["apply", "-f", &environment.file("cluster.yaml")])?;
    kubectl.run(&["wait", "--for=condition=Ready", "consulcluster/consul", "--timeout=120s"])?;
    environment.figures.ours("operator.yaml + cluster.yaml on an empty cluster", seconds(start.elapsed()));
    cluster_deleted(environment)?;
    kubectl.run(&["delete", "-f", &operator, "--timeout=60s"])?;
    let left = kubectl.run(&["get", "crds,clusterroles,clusterrolebindings", "-o", "name"])?;
    ensure!(!left.contains("concord"), "left behind: {left}");
    Ok(())
}

/// The chart with its own cluster on a Kubernetes without the definition, and the cluster taken away again.
pub fn by_helm(environment: &Environment) -> Result<()> {
    let own = "cluster.create=true,cluster.name=small,cluster.spec.server.replicas=1,\
               cluster.spec.server.storage.ephemeral=true,cluster.spec.client.enabled=false";
    helm(environment, &["install", "--create-namespace"], Some(own))?;
    let kubectl = &environment.kubectl;
    let wait = ["wait", "-n", "concord-system", "--for=condition=Ready", "consulcluster/small", "--timeout=120s"];
    kubectl.run(&wait)?;
    let pods = kubectl.run(&[
        "get",
        "pods",
        "-n",
        "concord-system",
        "-l",
        "app.kubernetes.io/instance=small",
        "-o",
        "name",
    ])?;
    ensure!(pods.trim() == "pod/small-server-0", "{pods}");
    helm(environment, &["upgrade"], None)?;
    wait_for("the chart's cluster gone", GONE_MAX, || {
        let left = kubectl.run(&[
            "get",
            "consulclusters,pods",
            "-A",
            "-l",
            "app.kubernetes.io/instance=small",
            "-o",
            "name",
        ])?;
        Ok(left.trim().is_empty().then_some(()))
    })?;
    let error =
        helm(environment, &["upgrade"], Some("operator.lgo=debug")).err().context("a misspelt value was accepted")?;
    ensure!(format!("{error:#}").contains("lgo"), "{error:#}");
    Ok(())
}

/// Deletes the cluster of `cluster.yaml`; everything but its volumes goes with it.
pub fn cluster_deleted(environment: &Environment) -> Result<()> {
    let kubectl = &environment.kubectl;
    kubectl.run(&["delete", "consulcluster", "consul", "--timeout=60s"])?;
    wait_for("everything of the cluster gone", GONE_MAX, || {
        let kinds = "pods,serviceaccounts,configmaps,services,statefulsets,daemonsets,poddisruptionbudgets";
        let left = kubectl.run(&["get", kinds, "-l", "app.kubernetes.io/instance=consul", "-o", "name"])?;
        ensure!(left.trim().is_empty(), "left behind: {left}");
        Ok(Some(()))
    })?;
    let corefile = kubectl.run(&["get", "configmap", "-n", "kube-system", "coredns", "-o", "yaml"])?;
    ensure!(!corefile.contains("concord"), "the block is still in CoreDNS's configuration: {corefile}");
    let claims = kubectl.run(&["get", "pvc", "-l", "app.kubernetes.io/instance=consul", "-o", "name"])?;
    ensure!(claims.lines().count() == 3, "volumes must outlive the cluster: {claims}");
    kubectl.run(&["delete", "pvc", "-l", "app.kubernetes.io/instance=consul", "--timeout=60s"])?;
    Ok(())
}

fn helm(environment: &Environment, command: &[&str], set: Option<&str>) -> Result<()> {
    let (repository, tag) = environment.image.rsplit_once(':').context("the image has no tag")?;
    let image = format!("image.repository={repository},image.tag={tag}");
    let mut helm = Command::new(&environment.helm);
    helm.args(command).args(["concord", &environment.file("charts/concord"), "--namespace", "concord-system"]);
    helm.args(["--wait", "--timeout", "60s", "--set", &image]);
    if let Some(set) = set {
        helm.args(["--set", set]);
    }
    let output = helm.output().context("cannot start helm")?;
    if !output.status.success() {
        bail!("helm {}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
