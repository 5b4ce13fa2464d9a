//! etcd, API server, controller manager and scheduler, all on node 1.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Cluster;
use super::layout::{POD_RANGE, SERVICE_RANGE};
use super::wait_until;
use crate::shell::run;

const API_READY_MAX: Duration = Duration::from_secs(90);

/// Starts the control plane and waits until the API answers.
pub fn start(cluster: &Cluster) -> Result<()> {
    start_etcd(cluster)?;
    start_api_server(cluster)?;
    wait_until("the API server", API_READY_MAX, || {
        run(cluster.kubectl().args(["get", "--raw", "/readyz"])).map(|_| true)
    })?;
    start_controllers(cluster)
}

fn start_etcd(cluster: &Cluster) -> Result<()> {
    let data = cluster.layout.run.join("etcd");
    cluster.start(&cluster.first(), "etcd", "etcd", |etcd| {
        etcd.arg("--data-dir").arg(data).args([
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            // The cluster is thrown away; syncing each write would only slow the tests.
            "--unsafe-no-fsync",
        ]);
    })
}

fn start_api_server(cluster: &Cluster) -> Result<()> {
    let pki = cluster.layout.pki("").display().to_string();
    let file = |flag: &str, name: &str| format!("--{flag}={pki}{name}");
    cluster.start(&cluster.first(), "kube-apiserver", "kube-apiserver", |api| {
        api.args([
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--service-cluster-ip-range={SERVICE_RANGE}"),
            format!("--advertise-address={}", cluster.first().address()),
            "--secure-port=6443".into(),
            file("client-ca-file", "ca.crt"),
            file("tls-cert-file", "apiserver.crt"),
            file("tls-private-key-file", "apiserver.key"),
            file("service-account-key-file", "sa.pub"),
            file("service-account-signing-key-file", "sa.key"),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
            "--authorization-mode=Node,RBAC".into(),
            "--enable-admission-plugins=NodeRestriction".into(),
            file("kubelet-client-certificate", "apikubelet.crt"),
            file("kubelet-client-key", "apikubelet.key"),
            file("kubelet-certificate-authority", "ca.crt"),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--allow-privileged=true".into(),
        ]);
    })
}

fn start_controllers(cluster: &Cluster) -> Result<()> {
    let run = &cluster.layout.run;
    let kubeconfigs = |user: &str| {
        let path = run.join(format!("{user}.kubeconfig")).display().to_string();
        ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"].map(|flag| format!("--{flag}={path}"))
    };
    let pki = |flag: &str, name: &str| format!("--{flag}={}", cluster.layout.pki(name).display());
    let first = cluster.first();
    cluster
        .start(&first, "kube-controller-manager", "kube-controller-manager", |manager| {
            manager.args(kubeconfigs("controller-manager")).args([
                "--use-service-account-credentials".to_owned(),
                pki("service-account-private-key-file", "sa.key"),
                pki("root-ca-file", "ca.crt"),
                pki("cluster-signing-cert-file", "ca.crt"),
                pki("cluster-signing-key-file", "ca.key"),
                format!("--cluster-cidr={POD_RANGE}"),
                "--leader-elect=false".into(),
            ]);
        })
        .context("cannot start the controller manager")?;
    cluster.start(&first, "kube-scheduler", "kube-scheduler", |scheduler| {
        scheduler.args(kubeconfigs("scheduler")).arg("--leader-elect=false");
    })
}
