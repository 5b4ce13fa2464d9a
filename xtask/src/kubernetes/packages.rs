//! The Debian packages a node needs, installed when one of their programs is missing.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell::{command, run};
use crate::tools::has_program;

/// Program to look for, and the package that has it.
const NEEDED: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("buildah", "buildah"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("socat", "socat"),
    ("ipset", "ipset"),
    ("openssl", "openssl"),
    ("nsenter", "util-linux"),
    ("/bin/busybox", "busybox-static"),
];

/// Installs what is missing; returns the names of the packages it installed.
///
/// Errors when a package is missing and this is not a Debian-like system with root rights.
pub fn install() -> Result<Vec<&'static str>> {
    let missing: Vec<_> = NEEDED.iter().filter(|(program, _)| !exists(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    if !exists("apt-get") {
        bail!("these packages are missing, install them first: {}", missing.join(" "));
    }
    let mut install = command("apt-get", ["install", "-y", "--no-install-recommends"]);
    install.args(&missing).env("DEBIAN_FRONTEND", "noninteractive");
    if run(&mut install).is_err() {
        // The package lists of a fresh machine are empty or old.
        run(&mut command("apt-get", ["update"]))?;
        run(&mut install).context("cannot install the packages of a Kubernetes node")?;
    }
    Ok(missing)
}

/// Whether a program is there: an absolute path, or a name in `PATH`.
fn exists(program: &str) -> bool {
    if program.starts_with('/') { Path::new(program).exists() } else { has_program(program) }
}
