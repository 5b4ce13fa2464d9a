//! The container images of the test cluster's own parts, built from scratch: nothing is pulled.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::components::program;
use crate::progress::step;
use crate::shell::{command, run};

/// Holds the network namespace of each pod; a sleeping busybox.
pub const PAUSE: &str = "concord-test/pause:1";
/// Cluster DNS.
pub const COREDNS: &str = "concord-test/coredns:1";
/// Makes volumes of folders on a node.
pub const LOCAL_PATH: &str = "concord-test/local-path:1";
/// A shell for helper and test pods.
pub const BUSYBOX: &str = "concord-test/busybox:1";

/// The archive of one of the images above.
pub fn archive(cache: &Path, image: &str) -> PathBuf {
    let name = image.replace(['/', ':'], "-");
    cache.join("images").join(format!("{name}.tar"))
}

/// Builds the archives that are not in the cache yet.
pub fn build_all(cache: &Path) -> Result<()> {
    for image in [PAUSE, BUSYBOX, COREDNS, LOCAL_PATH] {
        let target = archive(cache, image);
        if !target.exists() {
            step(&format!("image {image}"), || build(cache, image, &target))?;
        }
    }
    Ok(())
}

fn build(cache: &Path, image: &str, target: &Path) -> Result<()> {
    let context = tempfile::tempdir()?;
    let dockerfile = match image {
        COREDNS => from_program(context.path(), &program(cache, "coredns"))?,
        LOCAL_PATH => from_program(context.path(), &program(cache, "local-path-provisioner"))?,
        PAUSE => from_busybox(context.path(), r#"ENTRYPOINT ["/bin/busybox", "sleep", "2147483647"]"#)?,
        _ => from_busybox(context.path(), r#"CMD ["sh"]"#)?,
    };
    std::fs::write(context.path().join("Dockerfile"), dockerfile)?;
    bake(context.path(), image, target)
}

fn from_program(context: &Path, program: &Path) -> Result<String> {
    std::fs::copy(program, context.join("program")).with_context(|| format!("cannot copy {}", program.display()))?;
    Ok("FROM scratch\nCOPY program /program\nENTRYPOINT [\"/program\"]\n".to_owned())
}

fn from_busybox(context: &Path, last_line: &str) -> Result<String> {
    let bin = context.join("root/bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::create_dir_all(context.join("root/tmp"))?;
    std::fs::copy("/bin/busybox", bin.join("busybox"))?;
    for applet in run(&mut command("/bin/busybox", ["--list"]))?.lines() {
        if applet != "busybox" {
            symlink("busybox", bin.join(applet))?;
        }
    }
    Ok(format!("FROM scratch\nCOPY root/ /\nENV PATH=/bin\n{last_line}\n"))
}

/// Builds the Dockerfile in `context` with buildah, without a daemon, and writes a docker archive.
pub fn bake(context: &Path, image: &str, target: &Path) -> Result<()> {
    let folder = target.parent().context("an archive has a folder")?;
    std::fs::create_dir_all(folder)?;
    // All times are the same, so that the same files make the same image.
    run(buildah(["bud", "--quiet", "--timestamp", "0", "--tag", image, "."]).current_dir(context))?;
    let partial = target.with_extension("partial");
    // buildah refuses to add to an archive that an interrupted run left behind.
    let _ = std::fs::remove_file(&partial);
    let destination = format!("docker-archive:{}:{image}", partial.display());
    run(&mut buildah(["push", "--quiet", image, &destination]))?;
    std::fs::rename(&partial, target)?;
    Ok(())
}

/// buildah with settings that need neither a daemon, nor overlay mounts, nor user namespaces.
pub fn buildah<'a>(args: impl IntoIterator<Item = &'a str>) -> std::process::Command {
    let mut buildah = command("buildah", args);
    buildah.env("STORAGE_DRIVER", "vfs").env("BUILDAH_ISOLATION", "chroot");
    buildah
}
