//! A single server of either program on its own loopback address, stopped by its process id.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rand::Rng as _;

use crate::connection::Connection;

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Concord,
    Consul,
}

/// A running server.
pub struct Program {
    path: PathBuf,
    child: Child,
    data: tempfile::TempDir,
    pub http: SocketAddr,
    pub dns: SocketAddr,
}

/// Longest time to start.
const START_MAX: Duration = Duration::from_secs(180);

fn spawn(path: &Path, data: &Path, address: IpAddr) -> Result<Child> {
    Command::new(path)
        .args(["agent", "-server", "-bootstrap-expect=1", "-log-level=err"])
        .arg(format!("-data-dir={}", data.join("data").display()))
        .arg(format!("-bind={address}"))
        .arg(format!("-client={address}"))
        .arg("-hcl=performance { raft_multiplier = 1 }")
        .arg("-hcl=limits { http_max_conns_per_client = 10000 }")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| format!("cannot start {}", path.display()))
}

impl Program {
    /// Starts a bootstrapped server and waits until it leads; also the milliseconds that took.
    pub async fn start(path: &Path) -> Result<(Self, f64)> {
        let mut random = rand::rng();
        let address = IpAddr::V4(Ipv4Addr::new(
            127,
            random.random_range(1..250),
            random.random_range(1..250),
            random.random_range(1..250),
        ));
        let data = tempfile::tempdir_in(std::env::current_dir()?)?;
        let started = Instant::now();
        let child = spawn(path, data.path(), address)?;
        let (http, dns) = (SocketAddr::new(address, 8500), SocketAddr::new(address, 8600));
        let program = Self { path: path.to_owned(), child, data, http, dns };
        program.wait_until("PUT", "/v1/kv/bench/ready").await?;
        Ok((program, started.elapsed().as_secs_f64() * 1000.0))
    }

    /// Kills it and starts it again on its data; the milliseconds from the start until a path is answered with 200.
    pub async fn restart(&mut self, path: &str) -> Result<f64> {
        self.child.kill()?;
        self.child.wait()?;
        let started = Instant::now();
        self.child = spawn(&self.path, self.data.path(), self.http.ip())?;
        self.wait_until("GET", path).await?;
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    }

    async fn wait_until(&self, method: &str, path: &str) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            if let Ok(mut connection) = Connection::open(self.http).await
                && let Ok(answer) = connection.request(method, path, b"x").await
                && answer.status == 200
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("no leader within {START_MAX:?}")
    }

    /// Resident memory.
    pub fn memory_mb(&self) -> Result<f64> {
        self.status_mb("VmRSS:")
    }

    /// The most memory that was ever resident.
    pub fn peak_memory_mb(&self) -> Result<f64> {
        self.status_mb("VmHWM:")
    }

    fn status_mb(&self, name: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(name)).context("no such line")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kilobytes / 1024.0)
    }

    /// Size of the data directory.
    pub fn disk_mb(&self) -> Result<f64> {
        fn size(path: &Path) -> std::io::Result<u64> {
            let mut sum = 0;
            for entry in std::fs::read_dir(path)? {
                let entry = entry?;
                let about = entry.metadata()?;
                sum += if about.is_dir() { size(&entry.path())? } else { about.len() };
            }
            Ok(sum)
        }
        Ok(size(self.data.path())? as f64 / f64::from(1 << 20))
    }

    /// Stops it.
    pub fn stop(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // After `stop` both calls fail harmlessly; after an error they end the server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
