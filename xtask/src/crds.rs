//! `cargo xtask crds`: writes the files that are generated from the operator's types, or with `--check` only
//! compares them.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::image;
use crate::shell::run;
use crate::tools;

/// The first line of each generated file.
const NOTE: &str = "# Generated from the operator's Rust types by `cargo xtask crds`. Do not edit.\n";

/// Runs the command.
pub fn run_command(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => write(),
        [check] if check == "--check" => compare(),
        _ => bail!("usage: cargo xtask crds [--check]"),
    }
}

fn write() -> Result<()> {
    for (path, text) in files()? {
        let folder = path.parent().context("a generated file has a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, text)?;
        println!("  wrote {}", path.display());
    }
    Ok(())
}

/// Fails when a generated file is not what the types say.
pub fn compare() -> Result<()> {
    let stale: Vec<String> = files()?
        .into_iter()
        .filter(|(path, text)| std::fs::read_to_string(path).ok().as_ref() != Some(text))
        .map(|(path, _)| path.strip_prefix(tools::root()).unwrap_or(&path).display().to_string())
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    bail!("not generated from the current types: {}; run `cargo xtask crds`", stale.join(", "))
}

fn files() -> Result<Vec<(PathBuf, String)>> {
    let root = tools::root();
    let crds = operator(&["crds"])?;
    Ok(vec![
        (root.join("crds/consulclusters.yaml"), crds.clone()),
        (root.join("charts/concord/crds/consulclusters.yaml"), crds),
        (root.join("charts/concord/files/rules.yaml"), operator(&["rules"])?),
        (root.join("operator.yaml"), operator(&["manifest", "--image", &image::name()])?),
    ])
}

fn operator(arguments: &[&str]) -> Result<String> {
    let mut cargo = tools::cargo();
    cargo.args(["run", "--quiet", "--package", "operator", "--"]).args(arguments);
    Ok(format!("{NOTE}{}", run(&mut cargo)?))
}
