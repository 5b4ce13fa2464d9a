//! The stage of `cargo xtask test` that runs the end-to-end tests on a real Kubernetes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Cluster, images, stop};
use crate::image;
use crate::stage::Log;
use crate::tools;

/// The image of the real Consul, to compare with.
const ORACLE_IMAGE: &str = "concord-test/oracle:1";
/// What the real Consul's program is linked with.
const ORACLE_LIBRARIES: &[&str] =
    &["lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/libpthread.so.0"];

/// Builds and loads the images, runs the tests, and stops the cluster unless it ran before.
pub fn run(log: &Log) -> Result<()> {
    let kept = Cluster::running()?;
    let cluster = match &kept {
        Some(cluster) => cluster.clone(),
        None => Cluster::up()?,
    };
    let result = test(&cluster, log);
    if kept.is_none() {
        stop(&cluster.layout)?;
    }
    result
}

fn test(cluster: &Cluster, log: &Log) -> Result<()> {
    image::build()?;
    cluster.load_image(&image::archive())?;
    cluster.load_image(&oracle_image()?)?;
    let mut cargo: Command = tools::cargo();
    cargo.args(["test", "--package", "tests", "--features", "kubernetes", "--test", "kubernetes"]);
    cargo.env("CONCORD_KUBECTL", cluster.layout.kubectl());
    cargo.env("CONCORD_HELM", cluster.layout.helm());
    cargo.env("CONCORD_NODE_NAMESPACE", cluster.first().namespace());
    cargo.env("CONCORD_IMAGE", image::name());
    cargo.env("CONCORD_SHELL_IMAGE", images::BUSYBOX);
    cargo.env("CONCORD_ORACLE_IMAGE", ORACLE_IMAGE);
    let figures = tools::target_dir().join("xtask/kubernetes-figures.txt");
    log.run(cargo.env("CONCORD_FIGURES", &figures))?;
    print!("{}", std::fs::read_to_string(&figures).context("the tests wrote no figures")?);
    Ok(())
}

/// The real Consul in an image of its own, built once.
fn oracle_image() -> Result<PathBuf> {
    let archive = images::archive(&tools::cache()?, ORACLE_IMAGE);
    if archive.exists() {
        return Ok(archive);
    }
    let context = tempfile::tempdir()?;
    let root = context.path().join("root");
    std::fs::create_dir_all(root.join("bin"))?;
    std::fs::copy(tools::oracle()?, root.join("bin/consul")).context("cannot copy the real Consul")?;
    for library in ORACLE_LIBRARIES {
        let target = root.join(library);
        std::fs::create_dir_all(target.parent().unwrap_or(&root))?;
        std::fs::copy(format!("/{library}"), &target).with_context(|| format!("cannot copy /{library}"))?;
    }
    let dockerfile = "FROM scratch\nCOPY root/ /\nENV PATH=/bin\nUSER 65532:65532\nENTRYPOINT [\"/bin/consul\"]\n";
    std::fs::write(context.path().join("Dockerfile"), dockerfile)?;
    images::bake(context.path(), ORACLE_IMAGE, &archive)?;
    Ok(archive)
}
