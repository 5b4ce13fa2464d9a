//! Paths, child processes and the tools that the tests need besides Rust and Go.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Root of the source tree.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where things that outlive one run are kept: `$XDG_CACHE_HOME/concord`, else `~/.cache/concord`.
pub fn cache() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => PathBuf::from(std::env::var_os("HOME").context("HOME is not set, and XDG_CACHE_HOME neither")?)
            .join(".cache"),
    };
    let dir = base.join("concord");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create the cache directory {}", dir.display()))?;
    Ok(dir)
}

/// The cargo that started us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The folder into which cargo builds.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command, and fails with its error output when it fails.
pub fn run(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        bail!("{shown} failed with {}:\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), text);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program is there: an absolute path, or a name on the PATH.
pub fn has_program(name: &str) -> bool {
    if name.starts_with('/') {
        return Path::new(name).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Installs the Debian packages whose program is missing. Each entry is (program, package).
pub fn install_packages(wanted: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        wanted.iter().filter(|(program, _)| !has_program(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("    installing the Debian packages {}", missing.join(" "));
    run(Command::new("apt-get").args(["update", "-qq"]))
        .context("apt-get update (is this Debian, and are you root?)")?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    run(install.args(missing)).context("apt-get install")?;
    Ok(())
}

/// The real Consul 1.8.7, the last free one that Debian packaged, fetched once through apt; what the conformance
/// cases are compared with.
pub fn oracle() -> Result<PathBuf> {
    let dir = cache()?.join("oracle-1.8.7");
    let program = dir.join("consul");
    if program.is_file() {
        return Ok(program);
    }
    println!("    fetching Consul 1.8.7 to compare with");
    let work = tempfile::tempdir()?;
    std::fs::create_dir_all(work.path().join("lists/partial"))?;
    std::fs::create_dir_all(work.path().join("cache/archives/partial"))?;
    let sources = work.path().join("sources.list");
    std::fs::write(&sources, format!("deb [trusted=yes] {} bullseye main\n", debian_mirror()?))?;
    let apt = |verb: &[&str]| -> Result<String> {
        let mut command = Command::new("apt-get");
        command.current_dir(work.path());
        for (key, value) in [
            ("Dir::Etc::sourcelist", sources.display().to_string()),
            ("Dir::Etc::sourceparts", "-".to_owned()),
            ("Dir::State::lists", work.path().join("lists").display().to_string()),
            ("Dir::Cache", work.path().join("cache").display().to_string()),
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            command.arg("-o").arg(format!("{key}={value}"));
        }
        run(command.args(verb))
    };
    apt(&["update", "-qq"])?;
    apt(&["download", "-qq", "consul"])?;
    let package = std::fs::read_dir(work.path())?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|ending| ending == "deb"))
        .context("apt-get download left no package")?;
    run(Command::new("dpkg").arg("-x").arg(&package).arg(work.path().join("root")))?;
    std::fs::create_dir_all(&dir)?;
    let partial = dir.join("consul.partial");
    std::fs::copy(work.path().join("root/usr/bin/consul"), &partial)?;
    std::fs::rename(&partial, &program)?;
    Ok(program)
}

/// The mirror that this machine's apt already uses.
fn debian_mirror() -> Result<String> {
    let mut texts = vec![std::fs::read_to_string("/etc/apt/sources.list").unwrap_or_default()];
    if let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") {
        texts.extend(entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok()));
    }
    texts
        .iter()
        .flat_map(|text| text.split_whitespace())
        .find(|word| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
        .context("apt's sources name no Debian mirror, so Consul 1.8.7 cannot be fetched to compare with")
}
