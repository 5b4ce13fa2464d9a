//! Stopping the test cluster: by the process ids it noted and the paths it made, never by a program's name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::{FABRIC, Layout};
use super::{nodes, wait_until};
use crate::shell::{command, run};

const PROCESSES_GONE_MAX: Duration = Duration::from_secs(20);

/// Ends every process, removes mounts, namespaces, cgroups and the run directory. Safe to repeat.
pub fn stop(layout: &Layout) -> Result<()> {
    if layout.run.exists() {
        end_processes(layout)?;
        unmount_below(&layout.run)?;
    }
    remove_namespaces(layout);
    for node in layout.nodes() {
        nodes::remove_cgroup(&node.namespace());
    }
    if layout.run.exists() {
        std::fs::remove_dir_all(&layout.run).with_context(|| format!("cannot remove {}", layout.run.display()))?;
    }
    Ok(())
}

/// The process ids noted at the start; some may have ended since.
pub fn pids(layout: &Layout) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir(layout.log()) else { return Vec::new() };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pid"))
        .filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok())
        .collect()
}

/// Whether a process exists and is not merely waiting to be reaped.
pub fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

fn end_processes(layout: &Layout) -> Result<()> {
    let mut ours: Vec<i32> = pids(layout).into_iter().filter(|pid| is_ours(layout, *pid)).collect();
    // First who would start containers again, then the containers' shims with everything in them.
    for pid in &ours {
        end(*pid);
    }
    wait_until("the components to end", PROCESSES_GONE_MAX, || Ok(ours.iter().all(|pid| !is_alive(*pid))))?;
    ours = containers(layout);
    for pid in &ours {
        end(*pid);
    }
    wait_until("the containers to end", PROCESSES_GONE_MAX, || Ok(ours.iter().all(|pid| !is_alive(*pid))))
}

/// A noted process id may have been reused since; ours name the run directory or the cache in their command line.
fn is_ours(layout: &Layout, pid: i32) -> bool {
    let cache = layout.cache.display().to_string();
    command_line(pid).is_some_and(|line| line.contains(&cache))
}

fn command_line(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

/// The shims of our containerds, and every process in the network namespaces or cgroups of our pods.
fn containers(layout: &Layout) -> Vec<i32> {
    let run = layout.run.display().to_string();
    let cgroups: Vec<String> = layout.nodes().iter().map(|node| format!("/{}/", node.namespace())).collect();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let shim =
                command_line(*pid).is_some_and(|line| line.contains("containerd-shim-runc-v2") && line.contains(&run));
            let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            shim || cgroups.iter().any(|name| cgroup.contains(name.as_str()))
        })
        .collect()
}

fn end(pid: i32) {
    // It may have ended by itself meanwhile.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

fn unmount_below(folder: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    let mut points: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(|point| PathBuf::from(point.replace("\\040", " ")))
        .filter(|point| point.starts_with(folder))
        .collect();
    points.sort();
    for point in points.into_iter().rev() {
        run(command("umount", ["-l"]).arg(&point))?;
    }
    Ok(())
}

fn remove_namespaces(layout: &Layout) {
    let list = run(&mut command("ip", ["netns", "list"])).unwrap_or_default();
    let existing: Vec<&str> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut ours: Vec<String> = layout.nodes().iter().map(super::layout::Node::namespace).collect();
    ours.push(FABRIC.to_owned());
    for namespace in ours.iter().filter(|name| existing.contains(&name.as_str())) {
        let _ = run(&mut command("ip", ["netns", "del", namespace]));
    }
    remove_pod_namespaces(&existing);
}

/// containerd names pod namespaces `cni-<uuid>`; ours hold a pod address, or nothing once their link is gone, and no process.
fn remove_pod_namespaces(existing: &[&str]) {
    for namespace in existing.iter().filter(|name| name.starts_with("cni-")) {
        let addresses = run(&mut command("ip", ["-n", namespace, "-o", "-4", "addr"])).unwrap_or_default();
        let processes = run(&mut command("ip", ["netns", "pids", namespace])).unwrap_or_default();
        let ours = addresses.contains(" 10.244.") || !addresses.contains(" eth0 ");
        if ours && processes.trim().is_empty() {
            let _ = run(&mut command("ip", ["netns", "del", namespace]));
        }
    }
}
