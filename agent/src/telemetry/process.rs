//! Figures of this process, from `/proc`: memory, descriptors, threads, tasks.

use std::fs;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

use super::registry::Gauge;

/// The gauges of the process. Where `/proc` cannot be read they are left out.
pub fn collect_process(gauges: &mut Vec<Gauge>) {
    if let Some((virtual_bytes, resident_bytes)) = memory() {
        gauges.push(Gauge::new("runtime.alloc_bytes", resident_bytes));
        gauges.push(Gauge::new("runtime.sys_bytes", virtual_bytes));
        gauges.push(Gauge::new("process.resident_memory_bytes", resident_bytes));
        gauges.push(Gauge::new("process.virtual_memory_bytes", virtual_bytes));
    }
    if let Ok(handle) = tokio::runtime::Handle::try_current() {
        gauges.push(Gauge::new("runtime.num_goroutines", handle.metrics().num_alive_tasks() as f64));
    }
    if let Some(open) = fs::read_dir("/proc/self/fd").ok().map(Iterator::count) {
        gauges.push(Gauge::new("process.open_fds", open as f64));
    }
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        gauges.push(Gauge::new("process.max_fds", soft as f64));
    }
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) {
        let seconds = [usage.user_time(), usage.system_time()];
        let total = seconds.iter().map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6).sum();
        gauges.push(Gauge::new("process.cpu_seconds_total", total));
    }
}

/// Virtual and resident size in bytes.
fn memory() -> Option<(f64, f64)> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes = rest.split_whitespace().next()?.parse::<f64>().ok()?;
        Some(kibibytes * 1024.0)
    };
    Some((bytes("VmSize:")?, bytes("VmRSS:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_descriptors() {
        let mut gauges = Vec::new();
        collect_process(&mut gauges);
        let value = |name: &str| gauges.iter().find(|gauge| gauge.name == name).map(|gauge| gauge.value);
        assert!(value("runtime.alloc_bytes").is_some_and(|bytes| bytes > 1e6));
        assert!(value("process.open_fds").is_some_and(|open| open >= 3.0));
        assert!(value("process.max_fds").is_some_and(|most| most > 3.0));
    }
}
