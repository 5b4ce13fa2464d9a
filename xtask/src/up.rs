//! `cargo xtask up`: from nothing to a working cluster in a real Kubernetes, shown from inside a pod.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::image;
use crate::kubernetes::{Cluster, images, wait_until};
use crate::progress::{seconds, step};
use crate::shell::{command, run, run_with_input};
use crate::tools;

/// Namespace of the operator.
const OPERATOR_NAMESPACE: &str = "concord-system";
/// How long cluster DNS may take to pick up the new domain: its configuration is mounted and re-read in steps.
const DNS_MAX: Duration = Duration::from_secs(180);

/// Where to install: the test cluster of this machine, or one that the user has.
enum Target {
    Own(Cluster),
    Given { kubeconfig: PathBuf, image: String },
}

/// Runs the command.
pub fn run_command(arguments: &[String]) -> Result<()> {
    let start = Instant::now();
    let target = target(arguments)?;
    if let Target::Own(cluster) = &target {
        image::build()?;
        step("load the image on every node", || cluster.load_image(&image::archive()))?;
    }
    step("helm install: operator ready", || install(&target))?;
    let applied = Instant::now();
    let manifest = tools::root().join("cluster.yaml");
    step("kubectl apply -f cluster.yaml: cluster ready", || {
        run(target.kubectl().arg("apply").arg("-f").arg(&manifest))?;
        run(target.kubectl().args(["wait", "--for=condition=Ready", "consulcluster/consul", "--timeout=180s"]))
    })?;
    let ready = applied.elapsed();
    step("a pod to look from", || start_pod(&target))?;
    let dns = step("DNS from the pod", || resolve(&target))?;
    let nodes = step("HTTP from the pod", || exec(&target, "wget -q -O - http://consul-agent:8500/v1/catalog/nodes"))?;
    let status = run(target.kubectl().args(["get", "consulclusters,statefulsets,daemonsets,services"]))?;
    println!("\n$ nslookup consul.service.consul\n{}", dns.trim());
    println!("\n$ wget -q -O - http://consul-agent:8500/v1/catalog/nodes\n{}", nodes.trim());
    println!("\n$ kubectl get consulclusters,statefulsets,daemonsets,services\n{}", status.trim());
    println!("\nThe cluster was ready {} after apply; everything took {}.", seconds(ready), seconds(start.elapsed()));
    target.explain();
    Ok(())
}

fn target(arguments: &[String]) -> Result<Target> {
    let mut kubeconfig = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut image = std::env::var("CONCORD_IMAGE").ok();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--kubeconfig" => kubeconfig = Some(PathBuf::from(value?)),
            "--image" => image = Some(value?.clone()),
            other => bail!("unknown option {other}; usage: cargo xtask up [--kubeconfig FILE --image REPOSITORY:TAG]"),
        }
    }
    let Some(kubeconfig) = kubeconfig else { return Ok(Target::Own(Cluster::up()?)) };
    let image = image.context(
        "your cluster must be able to pull the image: build it with `cargo xtask image`, push it, and give it with --image",
    )?;
    for program in ["kubectl", "helm"] {
        if !tools::has_program(program) {
            bail!("{program} is not in PATH; it is needed to use the cluster of your kubeconfig");
        }
    }
    Ok(Target::Given { kubeconfig, image })
}

impl Target {
    fn kubectl(&self) -> Command {
        match self {
            Self::Own(cluster) => cluster.kubectl(),
            Self::Given { kubeconfig, .. } => with_kubeconfig("kubectl", kubeconfig),
        }
    }

    fn helm(&self) -> Command {
        match self {
            Self::Own(cluster) => cluster.helm(),
            Self::Given { kubeconfig, .. } => with_kubeconfig("helm", kubeconfig),
        }
    }

    /// The image of the operator and its agents.
    fn image(&self) -> String {
        match self {
            Self::Own(_) => image::name(),
            Self::Given { image, .. } => image.clone(),
        }
    }

    /// An image with a shell for the pod to look from.
    fn shell_image(&self) -> &'static str {
        match self {
            Self::Own(_) => images::BUSYBOX,
            Self::Given { .. } => "busybox:stable",
        }
    }

    /// Says how to go on.
    fn explain(&self) {
        match self {
            Self::Own(cluster) => {
                let kubectl = cluster.layout.kubectl();
                println!("\nThis Kubernetes lives in network namespaces of this machine. To use it:");
                println!("  alias kubectl={}", kubectl.display());
                println!("  alias helm={}", cluster.layout.helm().display());
            }
            Self::Given { kubeconfig, .. } => println!("\nInstalled with {}.", kubeconfig.display()),
        }
        println!("  kubectl get consulcluster consul -o yaml");
        println!("  kubectl exec concord-hello -- wget -q -O - http://consul-agent:8500/v1/agent/members");
        println!("  kubectl exec consul-server-0 -- consul members");
        println!("Remove it with:");
        match self {
            Self::Own(_) => println!("  cargo xtask down"),
            Self::Given { .. } => println!(
                "  kubectl delete pod concord-hello; kubectl delete -f cluster.yaml; helm -n {OPERATOR_NAMESPACE} uninstall concord"
            ),
        }
    }
}

fn with_kubeconfig(program: &str, kubeconfig: &PathBuf) -> Command {
    let mut command = command(program, [] as [&str; 0]);
    command.env("KUBECONFIG", kubeconfig);
    command
}

fn install(target: &Target) -> Result<String> {
    let image = target.image();
    let (repository, tag) = image.rsplit_once(':').context("the image has no tag")?;
    let values = [format!("image.repository={repository}"), format!("image.tag={tag}")];
    let mut helm = target.helm();
    helm.args(["upgrade", "--install", "concord"]).arg(tools::root().join("charts/concord"));
    helm.args(["--namespace", OPERATOR_NAMESPACE, "--create-namespace", "--wait", "--timeout", "120s"]);
    for value in &values {
        helm.args(["--set", value]);
    }
    run(&mut helm)
}

fn start_pod(target: &Target) -> Result<String> {
    let pod = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "concord-hello"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "shell",
                "image": target.shell_image(),
                "imagePullPolicy": "IfNotPresent",
                "command": ["sleep", "86400"],
            }],
        },
    });
    run_with_input(target.kubectl().args(["apply", "-f", "-"]), &pod.to_string())?;
    run(target.kubectl().args(["wait", "--for=condition=Ready", "pod/concord-hello", "--timeout=120s"]))
}

fn resolve(target: &Target) -> Result<String> {
    let mut answer = String::new();
    wait_until("consul.service.consul in cluster DNS", DNS_MAX, || {
        answer = exec(target, "nslookup -type=a consul.service.consul")?;
        Ok(true)
    })?;
    Ok(answer)
}

fn exec(target: &Target, shell: &str) -> Result<String> {
    run(target.kubectl().args(["exec", "concord-hello", "--", "sh", "-c", shell]))
}
