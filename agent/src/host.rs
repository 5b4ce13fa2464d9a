//! The machine that the agent runs on, as `/v1/agent/host` shows it: memory, processors, disk, kernel. From `/proc`
//! and `statvfs`; what cannot be read is left out and named in `Errors`.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Json;
use nix::sys::statvfs::statvfs;
use serde_json::{Map, json};

/// All facts about the host. Blocks for a few small files.
#[must_use]
pub fn describe() -> Json {
    let mut errors = Vec::new();
    let mut known = |part: &str, found: Result<Json, String>| {
        found.unwrap_or_else(|error| {
            errors.push(format!("{part}: {error}"));
            Json::Null
        })
    };
    let (memory, processors) = (known("memory", memory()), known("cpu", processors()));
    let (host, disk) = (known("host", host()), known("disk", disk("/")));
    let errors = if errors.is_empty() { Json::Null } else { json!(errors) };
    json!({
        "Memory": memory,
        "CPU": processors,
        "Host": host,
        "Disk": disk,
        "CollectionTime": nanoseconds(SystemTime::now()),
        "Errors": errors,
    })
}

fn nanoseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos()).unwrap_or(u64::MAX)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
}

/// `/proc/meminfo` in bytes, under the lower-case names that Consul uses.
fn memory() -> Result<Json, String> {
    let text = read("/proc/meminfo")?;
    let mut facts = Map::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let number = rest.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        let unit = if rest.trim_end().ends_with("kB") { 1024 } else { 1 };
        let name = match name {
            "MemTotal" => "total".to_owned(),
            "MemFree" => "free".to_owned(),
            "MemAvailable" => "available".to_owned(),
            "Shmem" => "shared".to_owned(),
            other => other.to_ascii_lowercase().replace(['(', ')'], "_").trim_end_matches('_').to_owned(),
        };
        if let Some(number) = number {
            facts.insert(name, json!(number * unit));
        }
    }
    let fact = |name: &str| facts.get(name).and_then(Json::as_u64).unwrap_or_default();
    let total = fact("total");
    let used = total.saturating_sub(fact("free") + fact("buffers") + fact("cached"));
    facts.insert("used".to_owned(), json!(used));
    facts.insert("usedPercent".to_owned(), json!(percent(used, total)));
    Ok(Json::Object(facts))
}

/// `/proc/cpuinfo`, one object a processor.
fn processors() -> Result<Json, String> {
    let text = read("/proc/cpuinfo")?;
    let blocks = text.split("\n\n").filter(|block| block.contains("processor"));
    Ok(blocks.map(processor).collect())
}

fn processor(block: &str) -> Json {
    let fact = |name: &str| {
        let mut pairs = block.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).unwrap_or_default()
    };
    let number =
        |name: &str| fact(name).split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    let whole = |name: &str| fact(name).split(' ').next().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    json!({
        "cpu": whole("processor"),
        "vendorId": fact("vendor_id"),
        "family": fact("cpu family"),
        "model": fact("model"),
        "stepping": whole("stepping"),
        "physicalId": fact("physical id"),
        "coreId": fact("core id"),
        "cores": 1,
        "modelName": fact("model name"),
        "mhz": number("cpu MHz"),
        "cacheSize": whole("cache size"),
        "flags": fact("flags").split_whitespace().collect::<Vec<_>>(),
        "microcode": fact("microcode"),
    })
}

fn host() -> Result<Json, String> {
    let uptime = read("/proc/uptime")?;
    let uptime = uptime.split('.').next().and_then(|seconds| seconds.parse::<u64>().ok()).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let release = read("/etc/os-release").unwrap_or_default();
    let release = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let processes = fs::read_dir("/proc").map_err(|error| format!("cannot read /proc: {error}"))?;
    let is_process = |name: &std::ffi::OsStr| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
    Ok(json!({
        "hostname": read("/proc/sys/kernel/hostname")?.trim(),
        "uptime": uptime,
        "bootTime": now.saturating_sub(uptime),
        "procs": processes.flatten().filter(|entry| is_process(&entry.file_name())).count(),
        "os": std::env::consts::OS,
        "platform": release("ID"),
        "platformFamily": release("ID"),
        "platformVersion": release("VERSION_ID"),
        "kernelVersion": read("/proc/sys/kernel/osrelease")?.trim(),
        "kernelArch": std::env::consts::ARCH,
        "virtualizationSystem": "",
        "virtualizationRole": "",
        "hostid": read("/etc/machine-id").unwrap_or_default().trim(),
    }))
}

fn disk(path: &str) -> Result<Json, String> {
    let facts = statvfs(path).map_err(|error| format!("statvfs {path}: {error}"))?;
    let block = facts.fragment_size();
    let (total, free) = (facts.blocks() * block, facts.blocks_available() * block);
    let used = (facts.blocks() - facts.blocks_free()) * block;
    let (inodes, inodes_free) = (facts.files(), facts.files_free());
    Ok(json!({
        "path": path,
        "fstype": filesystem(path),
        "total": total,
        "free": free,
        "used": used,
        "usedPercent": percent(used, used + free),
        "inodesTotal": inodes,
        "inodesUsed": inodes.saturating_sub(inodes_free),
        "inodesFree": inodes_free,
        "inodesUsedPercent": percent(inodes.saturating_sub(inodes_free), inodes),
    }))
}

/// The kind of file system that is mounted there, from `/proc/mounts`.
fn filesystem(path: &str) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut mounted = mounts.lines().rev().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        (fields.next()? == path).then(|| fields.next().unwrap_or_default().to_owned())
    });
    mounted.next().unwrap_or_default()
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_memory_processors_and_a_disk() {
        let host = describe();
        assert_eq!(host["Errors"], Json::Null);
        assert!(host["Memory"]["total"].as_u64() > host["Memory"]["free"].as_u64());
        assert!(host["CPU"].as_array().is_some_and(|list| !list.is_empty()));
        assert!(host["Disk"]["total"].as_u64().is_some_and(|bytes| bytes > 1_000_000));
        assert!(host["CollectionTime"].as_u64().is_some_and(|time| time > 1_700_000_000_000_000_000));
        assert!(!host["Host"]["kernelVersion"].as_str().unwrap().is_empty());
    }

    #[test]
    fn a_processor_is_read_from_its_block() {
        let shown =
            processor("processor\t: 3\nvendor_id\t: X\ncpu MHz\t\t: 2596.1\ncache size\t: 1024 KB\nflags\t: a b");
        assert_eq!((&shown["cpu"], &shown["mhz"], &shown["cacheSize"]), (&json!(3), &json!(2596.1), &json!(1024)));
        assert_eq!(shown["flags"], json!(["a", "b"]));
    }
}
