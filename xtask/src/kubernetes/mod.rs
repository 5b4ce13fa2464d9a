//! A real Kubernetes of three nodes on this machine, for `cargo xtask up` and for the tests.
//!
//! Each node is a network namespace with its own containerd, kubelet and kube-proxy; node 1 also runs the
//! control plane. Needs root. It is not for production: etcd does not sync, certificates last a month, and
//! there is no way out of the cluster's network.

mod addons;
mod components;
mod control_plane;
pub mod images;
pub mod layout;
mod network;
mod nodes;
mod packages;
mod pki;
pub mod stage;
mod stop;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use self::layout::{Layout, NODES, Node};
use crate::progress::step;
use crate::shell::{command, run, spawn_detached};

pub use self::network::enter;
pub use self::stop::stop;

const NODES_READY_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// A running test cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Where its files are.
    pub layout: Layout,
}

impl Cluster {
    /// Starts the cluster, or returns the one that already runs.
    ///
    /// What an earlier, interrupted start left behind is removed first.
    pub fn up() -> Result<Self> {
        if !is_root() {
            bail!("starting Kubernetes nodes needs root; give KUBECONFIG to use a cluster you have");
        }
        let cluster = Self { layout: Layout::new()? };
        if cluster.is_running() {
            step("three-node Kubernetes already runs", || Ok(()))?;
            return Ok(cluster);
        }
        step("Debian packages", packages::install)?;
        components::build_all(&cluster.layout.cache)?;
        images::build_all(&cluster.layout.cache)?;
        stop(&cluster.layout)?;
        cluster.start_all()?;
        Ok(cluster)
    }

    /// The cluster, if one runs.
    pub fn running() -> Result<Option<Self>> {
        let cluster = Self { layout: Layout::new()? };
        Ok(if cluster.is_running() { Some(cluster) } else { None })
    }

    fn start_all(&self) -> Result<()> {
        let layout = &self.layout;
        std::fs::create_dir_all(layout.log())?;
        for node in layout.nodes() {
            std::fs::create_dir_all(&node.folder)?;
        }
        // The nodes have no resolver of their own: nothing outside can be reached.
        std::fs::write(layout.run.join("resolv.conf"), "nameserver 127.0.0.1\n")?;
        self.write_scripts()?;
        step("network namespaces", || network::create(layout))?;
        step("certificates", || pki::create(layout))?;
        step("containerd on 3 nodes, base images", || control_plane_and_containerd(self))?;
        step("kubelets, nodes ready", || {
            for node in layout.nodes() {
                nodes::start_kubelet(self, &node)?;
            }
            wait_until("the nodes", NODES_READY_MAX, || self.nodes_are_ready())
        })?;
        step("cluster DNS and storage class", || addons::install(self))
    }

    /// Whether every process of a complete start still runs.
    fn is_running(&self) -> bool {
        let expected = 4 + 3 * NODES;
        stop::pids(&self.layout).iter().filter(|pid| stop::is_alive(**pid)).count() >= expected
            && self.nodes_are_ready().unwrap_or(false)
    }

    fn nodes_are_ready(&self) -> Result<bool> {
        let list = run(self.kubectl().args(["get", "nodes", "--no-headers"]))?;
        let ready = list.lines().filter(|line| line.split_whitespace().nth(1) == Some("Ready"));
        Ok(ready.count() == NODES)
    }

    /// kubectl with the administrator's rights, in the cluster's network.
    pub fn kubectl(&self) -> Command {
        command(self.layout.kubectl(), [] as [&str; 0])
    }

    /// helm with the administrator's rights, in the cluster's network.
    pub fn helm(&self) -> Command {
        command(self.layout.helm(), [] as [&str; 0])
    }

    /// Imports an image archive on every node.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        for_each_node(self, |node| nodes::load(node, archive))
    }

    /// The node with the control plane.
    fn first(&self) -> Node {
        self.layout.nodes().remove(0)
    }

    /// Starts one of our built components on a node.
    fn start(&self, node: &Node, name: &str, component: &str, args: impl FnOnce(&mut Command)) -> Result<()> {
        self.start_program(node, name, &components::program(&self.layout.cache, component), args)
    }

    /// Starts a program on a node and notes its process id, for `down`.
    fn start_program(&self, node: &Node, name: &str, program: &Path, args: impl FnOnce(&mut Command)) -> Result<()> {
        let mut command = enter(&node.namespace(), program);
        args(&mut command);
        let log = self.layout.log();
        let pid = spawn_detached(&mut command, &log.join(format!("{name}.log")))?;
        std::fs::write(log.join(format!("{name}.pid")), pid.to_string())?;
        Ok(())
    }

    fn write_scripts(&self) -> Result<()> {
        let first = self.first().namespace();
        for (name, path) in [("kubectl", self.layout.kubectl()), ("helm", self.layout.helm())] {
            let program = components::program(&self.layout.cache, name);
            let script = format!(
                "#!/bin/sh\n# {name} for the test cluster: its network exists only inside the nodes' namespaces.\n\
                 export KUBECONFIG={} HELM_CACHE_HOME={run}/helm-cache HELM_CONFIG_HOME={run}/helm-config\n\
                 exec nsenter --net=/run/netns/{first} -- {} \"$@\"\n",
                self.layout.kubeconfig().display(),
                program.display(),
                run = self.layout.run.display(),
            );
            std::fs::write(&path, script)?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        }
        Ok(())
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The control plane and the nodes' containerds do not need each other, so they start side by side.
fn control_plane_and_containerd(cluster: &Cluster) -> Result<()> {
    std::thread::scope(|scope| {
        let control_plane = scope.spawn(|| control_plane::start(cluster));
        let nodes = for_each_node(cluster, |node| nodes::start_containerd(cluster, node));
        joined(control_plane.join())?;
        nodes
    })
}

fn for_each_node(cluster: &Cluster, work: impl Fn(&Node) -> Result<()> + Sync) -> Result<()> {
    let nodes = cluster.layout.nodes();
    std::thread::scope(|scope| {
        let threads: Vec<_> = nodes.iter().map(|node| scope.spawn(|| work(node))).collect();
        threads.into_iter().try_for_each(|thread| joined(thread.join()))
    })
}

fn joined(result: std::thread::Result<Result<()>>) -> Result<()> {
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Asks until the answer is yes; an error counts as no, and is told when time runs out.
pub fn wait_until(what: &str, at_most: Duration, mut ask: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        if start.elapsed() > at_most {
            let reason = answer.err().unwrap_or_else(|| anyhow::anyhow!("still not so"));
            return Err(reason).with_context(|| format!("{what}: not ready after {} s", at_most.as_secs()));
        }
        std::thread::sleep(POLL);
    }
}

/// The path of CoreDNS, built if it is not there yet.
///
/// # Errors
/// When it cannot be built.
pub fn coredns() -> Result<std::path::PathBuf> {
    components::ensure(&crate::tools::cache()?, "coredns")
}
