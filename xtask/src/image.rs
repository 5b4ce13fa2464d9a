//! `cargo xtask image`: both programs, static, in one image.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::kubernetes::images::bake;
use crate::progress::step;
use crate::shell::{command, run};
use crate::tools;

/// The image's repository; the tag is the workspace's version.
pub const REPOSITORY: &str = "concord";
const PROGRAMS: [&str; 2] = ["consul", "consul-operator"];

/// The package and the build profile of each of [`PROGRAMS`].
const BUILDS: [(&str, &str); 2] = [("agent", "release"), ("operator", "small")];

/// The image of this version: `concord:<version>`.
pub fn name() -> String {
    format!("{REPOSITORY}:{}", env!("CARGO_PKG_VERSION"))
}

/// The archive that [`build`] writes.
pub fn archive() -> PathBuf {
    tools::target_dir().join("image").join("concord.tar")
}

/// Runs the command: `--dist-only` stops before the image.
pub fn run_command(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => build(),
        [only] if only == "--dist-only" => dist(),
        [only] if only == "--reproducible" => compare(),
        _ => bail!("usage: cargo xtask image [--dist-only | --reproducible]"),
    }
}

/// Builds the programs and the image, and says how large it is.
pub fn build() -> Result<()> {
    dist()?;
    let archive = archive();
    step(&format!("image {}", name()), || bake(&context()?, &name(), &archive))?;
    let size = |path: &PathBuf| std::fs::metadata(path).map(|file| file.len()).unwrap_or_default();
    let sizes = PROGRAMS.map(|program| format!("{program} {}", megabytes(size(&dist_folder().join(program)))));
    let compressed = archive.with_extension("tar.gz");
    run(command("gzip", ["--keep", "--force"]).arg(&archive))?;
    println!(
        "  {}: {}, image {}, compressed {}",
        archive.display(),
        sizes.join(", "),
        megabytes(size(&archive)),
        megabytes(size(&compressed))
    );
    Ok(())
}

/// Puts the image together twice from what is in `dist/`: both must be the same bytes.
fn compare() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut sums = Vec::new();
    for name_of_try in ["one.tar", "two.tar"] {
        let archive = folder.path().join(name_of_try);
        bake(&context()?, &name(), &archive)?;
        let sum = run(command("sha256sum", ["-b"]).arg(&archive))?;
        sums.push(sum.split_whitespace().next().unwrap_or_default().to_owned());
    }
    if sums[0] != sums[1] {
        bail!("two images of the same programs differ: {} and {}", sums[0], sums[1]);
    }
    println!("  {}: sha256 {}", name(), sums[0]);
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Builds both programs as static ones and puts them into `dist/`.
fn dist() -> Result<()> {
    let target = host()?;
    std::fs::create_dir_all(dist_folder())?;
    for (program, (package, profile)) in PROGRAMS.into_iter().zip(BUILDS) {
        step(&format!("{program} (static)"), || {
            let mut cargo = tools::cargo();
            cargo.args(["build", "--profile", profile, "--package", package, "--bins"]);
            // With --target the flags apply to our programs, not to build scripts and macros, which cannot be static.
            cargo.args(["--target", &target]).env("RUSTFLAGS", flags()?);
            run(&mut cargo)
        })?;
        let from = tools::target_dir().join(&target).join(profile).join(program);
        std::fs::copy(&from, dist_folder().join(program)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}

/// Static, and without the folders of this machine: the same tree makes the same program anywhere.
fn flags() -> Result<String> {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))?;
    let root = tools::root();
    Ok(format!(
        "-C target-feature=+crt-static --remap-path-prefix={}=/concord --remap-path-prefix={home}=/cargo",
        root.display()
    ))
}

fn dist_folder() -> PathBuf {
    tools::root().join("dist")
}

/// A folder with nothing but what the Dockerfile copies: the whole tree would be slow to send.
fn context() -> Result<PathBuf> {
    let folder = tools::target_dir().join("image/context");
    let dist = folder.join("dist");
    std::fs::create_dir_all(&dist)?;
    std::fs::copy(tools::root().join("Dockerfile"), folder.join("Dockerfile"))?;
    for program in PROGRAMS {
        std::fs::copy(dist_folder().join(program), dist.join(program))?;
    }
    Ok(folder)
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let version = run(&mut command("rustc", ["-vV"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}
