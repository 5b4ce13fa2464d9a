//! The programs a Kubernetes is made of, built from their Go modules and kept in the cache.
//!
//! Each group has a `go.mod` and `go.sum` under `tests/kubernetes/tools`, so versions and checksums are
//! pinned in this repository. A built program stays in `<cache>/bin/<version>/` until its version changes.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::progress::step;
use crate::shell::{command, run};
use crate::tools;

/// Programs that are built from one Go module file with the same flags.
struct Group {
    /// Folder under `tests/kubernetes/tools`.
    folder: &'static str,
    /// Names the folder in the cache; part of it is the version that `go.mod` pins.
    version: &'static str,
    flags: &'static [&'static str],
    /// Name of the program, and the package it is built from.
    programs: &'static [(&'static str, &'static str)],
}

const GROUPS: &[Group] = &[
    Group {
        folder: "kubernetes",
        version: "kubernetes-v1.34.4",
        flags: &[
            "-trimpath",
            "-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4 \
             -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34",
        ],
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
            ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ],
    },
    Group {
        folder: "etcd",
        version: "etcd-v3.7.3",
        flags: &["-ldflags=-s -w"],
        programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
    },
    Group {
        folder: "tools",
        version: "helm-v3.22.0-coredns-v1.15.0",
        flags: &["-ldflags=-s -w"],
        programs: &[("helm", "helm.sh/helm/v3/cmd/helm"), ("coredns", "github.com/coredns/coredns")],
    },
    Group {
        folder: "local-path",
        version: "local-path-provisioner-v0.0.30",
        flags: &["-ldflags=-s -w"],
        programs: &[("local-path-provisioner", "github.com/rancher/local-path-provisioner")],
    },
];

/// The path of a component's program in the cache.
///
/// # Panics
/// When the name is not in the table above, which is a mistake in this crate.
pub fn program(cache: &Path, name: &str) -> PathBuf {
    let group = GROUPS
        .iter()
        .find(|group| group.programs.iter().any(|(program, _)| *program == name))
        .unwrap_or_else(|| panic!("{name} is not a component"));
    cache.join("bin").join(group.version).join(name)
}

/// Builds every component that is not in the cache yet.
pub fn build_all(cache: &Path) -> Result<()> {
    for group in GROUPS {
        for (name, package) in group.programs {
            let target = program(cache, name);
            if target.exists() {
                continue;
            }
            step(&format!("build {name} ({})", group.version), || build(group, package, &target))?;
        }
    }
    Ok(())
}

/// The path of a program that is in the cache then.
///
/// # Errors
/// When it cannot be built.
pub fn ensure(cache: &Path, name: &str) -> Result<PathBuf> {
    let target = program(cache, name);
    let found = GROUPS.iter().find_map(|group| {
        let (_, package) = group.programs.iter().find(|(program, _)| *program == name)?;
        Some((group, package))
    });
    if let (false, Some((group, package))) = (target.exists(), found) {
        step(&format!("build {name} ({})", group.version), || build(group, package, &target))?;
    }
    Ok(target)
}

fn build(group: &Group, package: &str, target: &Path) -> Result<()> {
    if !tools::has_program("go") {
        anyhow::bail!("building Kubernetes needs Go 1.26 or newer in PATH");
    }
    let folder = target.parent().context("a program has a folder")?;
    std::fs::create_dir_all(folder)?;
    // Built beside its place and renamed, so that an interrupted build leaves nothing that looks done.
    let partial = target.with_extension("partial");
    let mut go = command("go", ["build"]);
    go.args(group.flags).arg("-o").arg(&partial).arg(package);
    go.current_dir(tools::root().join("tests/kubernetes/tools").join(group.folder));
    run(go.env("CGO_ENABLED", "0"))?;
    std::fs::rename(&partial, target)?;
    Ok(())
}
