//! What every real cluster has beyond its nodes: cluster DNS and a default storage class.

use std::time::Duration;

use anyhow::{Context, Result};

use super::images::{BUSYBOX, COREDNS, LOCAL_PATH};
use super::layout::SERVICE_DNS;
use super::{Cluster, wait_until};
use crate::shell::{run, run_with_input};
use crate::tools;

const DNS_READY_MAX: Duration = Duration::from_secs(90);

/// Applies the manifests of `tests/kubernetes/addons` and waits until cluster DNS answers.
pub fn install(cluster: &Cluster) -> Result<()> {
    let volumes = cluster.layout.run.join("volumes");
    std::fs::create_dir_all(&volumes)?;
    for name in ["coredns.yaml", "local-path.yaml"] {
        let path = tools::root().join("tests/kubernetes/addons").join(name);
        let manifest = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
            .replace("${COREDNS_IMAGE}", COREDNS)
            .replace("${LOCAL_PATH_IMAGE}", LOCAL_PATH)
            .replace("${BUSYBOX_IMAGE}", BUSYBOX)
            .replace("${DNS_ADDRESS}", SERVICE_DNS)
            .replace("${VOLUMES}", &volumes.display().to_string());
        run_with_input(cluster.kubectl().args(["apply", "-f", "-"]), &manifest)?;
    }
    let ready = ["-n", "kube-system", "get", "deployment", "coredns", "-o", "jsonpath={.status.readyReplicas}"];
    wait_until("cluster DNS", DNS_READY_MAX, || Ok(run(cluster.kubectl().args(ready))? == "1"))
}
