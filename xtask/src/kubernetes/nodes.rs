//! What makes a namespace a node: containerd, kubelet and kube-proxy, each with its configuration.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::components::program;
use super::images::{self, BUSYBOX, COREDNS, LOCAL_PATH, PAUSE};
use super::layout::{Layout, Node, POD_RANGE, SERVICE_DNS};
use super::{Cluster, wait_until};
use crate::shell::{command, run};

const CONTAINERD_READY_MAX: Duration = Duration::from_secs(30);
const CGROUPS: &str = "/sys/fs/cgroup";

/// Starts containerd and loads the images the cluster itself needs.
pub fn start_containerd(cluster: &Cluster, node: &Node) -> Result<()> {
    let cni = node.folder.join("cni");
    std::fs::create_dir_all(&cni)?;
    std::fs::write(cni.join("10-bridge.conflist"), cni_config(node))?;
    let config = node.folder.join("containerd.toml");
    std::fs::write(&config, containerd_config(node))?;
    make_cgroup(&node.namespace())?;
    cluster.start_program(node, &format!("containerd-{}", node.name()), Path::new("containerd"), |containerd| {
        containerd.arg("-c").arg(&config);
    })?;
    wait_until("containerd", CONTAINERD_READY_MAX, || {
        run(command("ctr", ["-a"]).arg(node.containerd()).arg("version")).map(|_| true)
    })?;
    load(node, &images::archive(&cluster.layout.cache, PAUSE))?;
    load(node, &images::archive(&cluster.layout.cache, BUSYBOX))?;
    if node.number == 1 {
        // The add-ons are pinned to node 1, so the other nodes do not unpack their images.
        load(node, &images::archive(&cluster.layout.cache, COREDNS))?;
        load(node, &images::archive(&cluster.layout.cache, LOCAL_PATH))?;
    }
    Ok(())
}

/// Imports an image archive into a node's containerd.
pub fn load(node: &Node, archive: &Path) -> Result<()> {
    run(command("ctr", ["-a"]).arg(node.containerd()).args(["-n", "k8s.io", "image", "import"]).arg(archive))
        .with_context(|| format!("cannot load an image into {}", node.name()))?;
    Ok(())
}

/// Starts kubelet and kube-proxy.
pub fn start_kubelet(cluster: &Cluster, node: &Node) -> Result<()> {
    let layout = &cluster.layout;
    let config = node.folder.join("kubelet.yaml");
    std::fs::write(&config, kubelet_config(layout, node))?;
    let root = node.folder.join("kubelet");
    std::fs::create_dir_all(&root)?;
    let kubelet = program(&layout.cache, "kubelet");
    cluster.start_program(node, &format!("kubelet-{}", node.name()), &kubelet, |kubelet| {
        kubelet.args([
            format!("--config={}", config.display()),
            format!("--kubeconfig={}", layout.run.join(format!("{}.kubeconfig", node.name())).display()),
            format!("--root-dir={}", root.display()),
            format!("--cert-dir={}", root.join("pki").display()),
            format!("--hostname-override={}", node.name()),
            format!("--node-ip={}", node.address()),
        ]);
    })?;
    let config = node.folder.join("proxy.yaml");
    std::fs::write(&config, proxy_config(layout, node))?;
    let proxy = program(&layout.cache, "kube-proxy");
    cluster.start_program(node, &format!("kube-proxy-{}", node.name()), &proxy, |proxy| {
        proxy.arg(format!("--config={}", config.display()));
    })
}

/// Makes the cgroup that a kubelet keeps its pods in, in every hierarchy there is.
fn make_cgroup(name: &str) -> Result<()> {
    let root = Path::new(CGROUPS);
    if root.join("cgroup.controllers").exists() {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder)?;
        for parent in [root, &folder] {
            for controller in ["+cpu", "+cpuset", "+memory", "+pids", "+io"] {
                // Not every kernel has every controller; the kubelet says which one it misses.
                let _ = std::fs::write(parent.join("cgroup.subtree_control"), controller);
            }
        }
        return Ok(());
    }
    let hierarchies = std::fs::read_dir(root).with_context(|| format!("{CGROUPS} is not mounted"))?;
    for hierarchy in hierarchies {
        let hierarchy = hierarchy?.path();
        let folder = hierarchy.join(name);
        if !hierarchy.is_dir() || hierarchy.is_symlink() || std::fs::create_dir_all(&folder).is_err() {
            continue;
        }
        for file in ["cpuset.cpus", "cpuset.mems"] {
            // A new cpuset is empty, and an empty one accepts no process.
            if let Ok(value) = std::fs::read(hierarchy.join(file)) {
                std::fs::write(folder.join(file), value)?;
            }
        }
    }
    Ok(())
}

/// Removes what [`make_cgroup`] made, with the cgroups of pods below it.
pub fn remove_cgroup(name: &str) {
    let root = Path::new(CGROUPS);
    let mut candidates = vec![root.join(name)];
    if let Ok(hierarchies) = std::fs::read_dir(root) {
        candidates.extend(hierarchies.flatten().map(|entry| entry.path().join(name)));
    }
    for folder in candidates {
        remove_cgroup_tree(&folder);
    }
}

fn remove_cgroup_tree(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.path().is_dir() {
            remove_cgroup_tree(&entry.path());
        }
    }
    // Only empty cgroups can be removed; one with a dying process goes with the next `down`.
    let _ = std::fs::remove_dir(folder);
}

fn cni_config(node: &Node) -> String {
    serde_json::json!({
        "cniVersion": "0.4.0",
        "name": "concord-test",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": node.folder.join("ipam"),
                    "ranges": [[{"subnet": node.pod_range()}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
    .to_string()
}

fn containerd_config(node: &Node) -> String {
    let folder = node.folder.display();
    format!(
        r#"version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Containers of machines without CAP_SYS_RESOURCE may not lower the score, and fail to start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"#
    )
}

fn kubelet_config(layout: &Layout, node: &Node) -> String {
    serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": layout.pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": layout.pki(&format!("{}.crt", node.name())),
        "tlsPrivateKeyFile": layout.pki(&format!("{}.key", node.name())),
        "clusterDomain": "cluster.local",
        "clusterDNS": [SERVICE_DNS],
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", node.namespace()),
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "failCgroupV1": false,
        "containerRuntimeEndpoint": format!("unix://{}", node.containerd().display()),
        "resolvConf": layout.run.join("resolv.conf"),
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "4s",
        // Changed ConfigMaps reach running pods with the pods' next sync.
        "syncFrequency": "5s",
        "volumePluginDir": node.folder.join("plugins"),
        "podLogsDir": node.folder.join("podlogs"),
    })
    .to_string()
}

fn proxy_config(layout: &Layout, node: &Node) -> String {
    serde_json::json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": layout.run.join("proxy.kubeconfig")},
        "hostnameOverride": node.name(),
        "mode": "iptables",
        "clusterCIDR": POD_RANGE,
        // Without these, kube-proxy tries to set limits of the whole machine and stops.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "0.0.0.0:10256",
    })
    .to_string()
}
