//! The arrows between our crates, and the dependencies that pure crates must not have, from `cargo metadata`.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Breach;
use crate::tools;

/// Which of our crates each of our crates may use. Arrows only point down.
const ARROWS: &[(&str, &[&str])] = &[
    ("agent", &["acl", "client", "config", "dns", "filter", "gossip", "jwt", "model", "server", "state"]),
    ("operator", &["client", "config", "model"]),
    ("server", &["acl", "filter", "jwt", "model", "state"]),
    ("state", &["model"]),
    ("dns", &["model"]),
    ("gossip", &["model"]),
    ("config", &["hcl", "model"]),
    ("acl", &["hcl"]),
    ("hcl", &[]),
    ("jwt", &[]),
    ("client", &["model"]),
    ("filter", &[]),
    ("model", &[]),
    ("base2histogram", &[]),
    ("tests", &["agent", "client", "config", "dns", "gossip", "model", "operator", "server", "state"]),
    ("bench", &["agent", "client", "model", "server", "state"]),
    ("xtask", &["config", "operator"]),
];

/// Crates that decide without IO.
const PURE: &[&str] = &["acl", "config", "dns", "filter", "gossip", "hcl", "jwt", "model", "server", "state"];

/// What a pure crate must not depend on.
const IMPURE: &[&str] = &["tokio", "hyper", "axum", "socket2", "openraft", "kube", "sled", "reqwest"];

pub(super) fn check() -> Result<Vec<Breach>> {
    let text = tools::run(tools::cargo().args(["metadata", "--no-deps", "--format-version", "1", "--offline"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let ours: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut breaches = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
            breaches.push(format!("{name}: no row in xtask/src/tidy/arrows.rs says what it may use"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            let only_tests = dependency["kind"].as_str() == Some("dev");
            if ours.contains(&used) && !allowed.contains(&used) && used != name {
                breaches.push(format!("{name} -> {used}: this arrow does not exist in ARCHITECTURE.md"));
            }
            if PURE.contains(&name) && IMPURE.contains(&used) && !only_tests {
                breaches.push(format!("{name} is pure and must not depend on {used}"));
            }
        }
    }
    Ok(breaches)
}
