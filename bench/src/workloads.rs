//! The work that both programs get.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use tokio::sync::Barrier;

use crate::connection::Connection;
use crate::dns;

/// Where to send it, and for how long.
pub struct Settings {
    pub seconds: u64,
    pub http: SocketAddr,
    pub dns: SocketAddr,
}

/// Names and values.
pub type Metrics = Vec<(String, f64)>;
type Run = for<'a> fn(&'a Settings) -> Pin<Box<dyn Future<Output = Result<Metrics>> + Send + 'a>>;

/// One piece of work with a name.
pub struct Workload {
    pub name: &'static str,
    body: Run,
}

impl Workload {
    pub async fn run(&self, settings: &Settings) -> Result<Metrics> {
        (self.body)(settings).await
    }
}

/// In the order of running: later ones find the data of earlier ones.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "put 1", body: |s| Box::pin(put(s, 1)) },
    Workload { name: "put 64", body: |s| Box::pin(put(s, 64)) },
    Workload { name: "put 256", body: |s| Box::pin(put(s, 256)) },
    Workload { name: "get default 64", body: |s| Box::pin(get(s, "", 64)) },
    Workload { name: "get stale 64", body: |s| Box::pin(get(s, "stale", 64)) },
    Workload { name: "get consistent 64", body: |s| Box::pin(get(s, "consistent", 64)) },
    Workload { name: "register", body: |s| Box::pin(register(s)) },
    Workload { name: "health 50", body: |s| Box::pin(health(s, 50, 64)) },
    Workload { name: "dns 1", body: |s| Box::pin(dns_a(s, 1)) },
    Workload { name: "dns 50", body: |s| Box::pin(dns_a(s, 50)) },
    Workload { name: "wake 1000 of 50", body: |s| Box::pin(wake(s, 50, 1000)) },
    Workload { name: "health 2000", body: |s| Box::pin(health(s, 2000, 16)) },
    Workload { name: "wake 100 of 2000", body: |s| Box::pin(wake(s, 2000, 100)) },
    Workload { name: "agent 10000", body: |s| Box::pin(agent_services(s, 10_000)) },
];

/// Keys that puts and gets choose from.
const KEYS: u32 = 100_000;

/// Longest that services may take from an agent into the catalog.
const AGENT_SERVICES_MAX: Duration = Duration::from_secs(180);

/// The percentile of some times, ms. Sorts them.
pub fn percentile_ms(times: &mut [Duration], percent: f64) -> f64 {
    times.sort_unstable();
    let at = ((times.len() as f64 * percent / 100.0) as usize).min(times.len().saturating_sub(1));
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

/// Runs the same request maker on `clients` connections; rate, median and 99th percentile.
async fn closed_loop(
    settings: &Settings,
    name: &str,
    clients: usize,
    make: impl Fn(&mut SmallRng) -> (&'static str, String, Vec<u8>) + Send + Sync + 'static,
) -> Result<Metrics> {
    let make = Arc::new(make);
    let started = Instant::now();
    let until = started + Duration::from_secs(settings.seconds);
    let mut tasks = Vec::new();
    for client in 0..clients {
        let (make, address) = (make.clone(), settings.http);
        tasks.push(tokio::spawn(async move {
            let mut random = SmallRng::seed_from_u64(client as u64);
            let mut connection = Connection::open(address).await?;
            let mut times = Vec::new();
            while Instant::now() < until {
                let (method, path, body) = make(&mut random);
                let sent = Instant::now();
                let answer = connection.request(method, &path, &body).await?;
                // A random key that was not written yet is a fair miss.
                if answer.status != 200 && answer.status != 404 {
                    bail!("{method} {path} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
                }
                times.push(sent.elapsed());
            }
            Ok(times)
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    Ok(vec![
        (format!("{name}, /s"), rate),
        (format!("{name}, p50 ms"), percentile_ms(&mut times, 50.0)),
        (format!("{name}, p99 ms"), percentile_ms(&mut times, 99.0)),
    ])
}

async fn put(settings: &Settings, clients: usize) -> Result<Metrics> {
    closed_loop(settings, &format!("put, {clients} clients"), clients, |random| {
        ("PUT", format!("/v1/kv/bench/{}", random.random_range(0..KEYS)), vec![b'v'; 256])
    })
    .await
}

async fn get(settings: &Settings, mode: &'static str, clients: usize) -> Result<Metrics> {
    let name = if mode.is_empty() { "default" } else { mode };
    closed_loop(settings, &format!("get {name}, {clients} clients"), clients, move |random| {
        ("GET", format!("/v1/kv/bench/{}?{mode}", random.random_range(0..KEYS)), Vec::new())
    })
    .await
}

fn registration(service: &str, instance: usize, output: &str) -> Vec<u8> {
    let node = format!("node-{service}-{instance}");
    serde_json::json!({
        "Node": node, "Address": format!("10.{}.{}.{}", instance >> 16, (instance >> 8) & 255, instance & 255),
        "Service": {"Service": service, "ID": format!("{service}-{instance}"), "Port": 8080, "Tags": ["v1", "prod"]},
        "Check": {"CheckID": format!("c-{instance}"), "Name": "alive", "Status": "passing", "Output": output,
                  "ServiceID": format!("{service}-{instance}")},
    })
    .to_string()
    .into_bytes()
}

async fn register(settings: &Settings) -> Result<Metrics> {
    let serial = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    closed_loop(settings, "register new instance, 32 clients", 32, move |_| {
        let next = serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        ("PUT", "/v1/catalog/register".to_owned(), registration("bulk", next, ""))
    })
    .await
}

/// Registers services with the agent, each with a check, and waits until anti-entropy has brought all into the catalog.
async fn agent_services(settings: &Settings, count: usize) -> Result<Metrics> {
    let started = Instant::now();
    in_parts(settings, count, |number| {
        let body = serde_json::json!({"Name": format!("many-{number}"), "Port": 80, "Check": {"TTL": "1h"}});
        ("/v1/agent/service/register".to_owned(), body.to_string().into_bytes())
    })
    .await?;
    let registered = started.elapsed();
    let mut control = Connection::open(settings.http).await?;
    let mut index = 0;
    loop {
        let answer = control.request("GET", &format!("/v1/catalog/services?index={index}&wait=5s"), b"").await?;
        let services: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&answer.body)?;
        if services.keys().filter(|name| name.starts_with("many-")).count() == count {
            break;
        }
        index = answer.index;
        if started.elapsed() > AGENT_SERVICES_MAX {
            bail!("{} of {count} services are in the catalog after {AGENT_SERVICES_MAX:?}", services.len());
        }
    }
    let name = format!("{count} services through an agent");
    Ok(vec![
        (format!("{name}, registered in s"), registered.as_secs_f64()),
        (format!("{name}, all in the catalog after s"), started.elapsed().as_secs_f64()),
    ])
}

/// Sends one `PUT` for each number on 32 connections; each must be answered with 200.
async fn in_parts(settings: &Settings, count: usize, make: fn(usize) -> (String, Vec<u8>)) -> Result<()> {
    let mut tasks = Vec::new();
    for part in 0..32 {
        let address = settings.http;
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            for number in (part..count).step_by(32) {
                let (path, body) = make(number);
                let answer = connection.request("PUT", &path, &body).await?;
                if answer.status != 200 {
                    bail!("PUT {path} answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
                }
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(())
}

/// Makes a service with exactly that many instances.
async fn fill(settings: &Settings, instances: usize) -> Result<String> {
    let service = format!("s{instances}");
    let mut tasks = Vec::new();
    for part in 0..32 {
        let (address, service) = (settings.http, service.clone());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            for instance in (part..instances).step_by(32) {
                let answer =
                    connection.request("PUT", "/v1/catalog/register", &registration(&service, instance, "")).await?;
                if answer.status != 200 {
                    bail!("register answered {}", answer.status);
                }
            }
            Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(service)
}

async fn health(settings: &Settings, instances: usize, clients: usize) -> Result<Metrics> {
    let service = fill(settings, instances).await?;
    closed_loop(settings, &format!("health of {instances} instances, {clients} clients"), clients, move |_| {
        ("GET", format!("/v1/health/service/{service}?passing"), Vec::new())
    })
    .await
}

async fn dns_a(settings: &Settings, instances: usize) -> Result<Metrics> {
    let service = fill(settings, instances).await?;
    let name = format!("{service}.service.consul");
    let (rate, p99) = dns::ask(settings.dns, &name, 1, 16, settings.seconds).await?;
    Ok(vec![
        (format!("DNS A of {instances} instances, /s"), rate),
        (format!("DNS A of {instances} instances, p99 ms"), p99),
    ])
}

/// Blocks many watchers on one service, changes it once, and takes the time until each has the new answer.
async fn wake(settings: &Settings, instances: usize, watchers: usize) -> Result<Metrics> {
    let service = fill(settings, instances).await?;
    let mut control = Connection::open(settings.http).await?;
    let path = format!("/v1/health/service/{service}?passing");
    let index = control.request("GET", &path, b"").await?.index;
    let ready = Arc::new(Barrier::new(watchers + 1));
    let mut tasks = Vec::new();
    for _ in 0..watchers {
        let (ready, address, path) = (ready.clone(), settings.http, format!("{path}&index={index}&wait=60s"));
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            ready.wait().await;
            let answer = connection.request("GET", &path, b"").await?;
            if answer.status != 200 || answer.index <= index || answer.body_len == 0 {
                bail!("woken with status {} and index {} (was {index})", answer.status, answer.index);
            }
            Ok(Instant::now())
        }));
    }
    ready.wait().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let changed = Instant::now();
    let output = format!("changed {changed:?}");
    control.request("PUT", "/v1/catalog/register", &registration(&service, 0, &output)).await?;
    let mut times = Vec::new();
    for task in tasks {
        times.push(task.await??.duration_since(changed));
    }
    let name = format!("wake {watchers} watchers of {instances} instances");
    Ok(vec![
        (format!("{name}, p50 ms"), percentile_ms(&mut times, 50.0)),
        (format!("{name}, p99 ms"), percentile_ms(&mut times, 99.0)),
    ])
}
