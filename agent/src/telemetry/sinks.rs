//! Sending what is recorded to statsd, statsite and DogStatsD, in their line formats.
//!
//! Each value goes out as it is recorded, several to a packet; gauges once an interval. A sink that cannot be reached
//! loses what it would have got and never slows the agent down.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::limits::{INTERVAL, SINK_EVENTS_MAX, SINK_PACKET_BYTES_MAX};
use super::registry::Registry;
use super::series::{Kind, Series};

/// Longest that a value waits for others before its packet is sent.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);
/// Pause after a connection failed.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The line format and transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// UDP; values of labels become parts of the name.
    Statsd,
    /// The same lines over TCP.
    Statsite,
    /// UDP; labels become tags, to which these are added.
    Dogstatsd {
        /// As `name:value`.
        tags: Vec<String>,
    },
}

/// Somewhere to send to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// How.
    pub protocol: Protocol,
    /// `host:port`.
    pub address: String,
}

/// A value on its way to a sink.
struct Event {
    kind: Kind,
    name: String,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

/// The way from the series to the sinks; does nothing while there are none.
#[derive(Clone, Default)]
pub struct Sender(Arc<Mutex<Vec<mpsc::Sender<Arc<Event>>>>>);

impl Sender {
    pub(super) fn send(&self, series: &Series, value: f64) {
        let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.is_empty() {
            return;
        }
        let (name, labels) = (series.name.clone(), series.labels.clone());
        let event = Arc::new(Event { kind: series.kind, name, labels, value });
        for queue in queues.iter() {
            // A full queue means that the sink is slow: its loss, not ours.
            let _ = queue.try_send(event.clone());
        }
    }

    fn listen(&self) -> mpsc::Receiver<Arc<Event>> {
        let (sender, receiver) = mpsc::channel(SINK_EVENTS_MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }
}

/// Sends all that is recorded to one sink; never returns.
pub async fn run_sink(registry: &'static Registry, sink: Sink) {
    let mut events = registry.sinks().listen();
    let mut gauges = interval(INTERVAL);
    gauges.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut transport = match Transport::open(&sink).await {
            Ok(transport) => transport,
            Err(error) => {
                tracing::warn!(address = sink.address, %error, "cannot reach the metrics sink");
                sleep(RETRY_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = feed(registry, &sink, &mut transport, &mut events, &mut gauges).await {
            tracing::debug!(address = sink.address, %error, "lost the metrics sink");
            sleep(RETRY_PAUSE).await;
        }
    }
}

/// Sends until the transport fails.
async fn feed(
    registry: &Registry,
    sink: &Sink,
    transport: &mut Transport,
    events: &mut mpsc::Receiver<Arc<Event>>,
    gauges: &mut tokio::time::Interval,
) -> io::Result<()> {
    let mut packet = String::new();
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { return std::future::pending().await };
                let name = registry.naming().full(&event.name, false);
                let kind = match event.kind { Kind::Counter => "c", Kind::Sample => "ms" };
                let line = render(sink, &name, &event.labels, event.value, kind);
                add(&mut packet, &line, transport).await?;
            }
            () = sleep(FLUSH_INTERVAL), if !packet.is_empty() => {
                transport.send(packet.as_bytes()).await?;
                packet.clear();
            }
            _ = gauges.tick() => {
                for gauge in registry.gauges() {
                    let with_host = !matches!(sink.protocol, Protocol::Dogstatsd { .. });
                    let name = registry.naming().full(&gauge.name, with_host);
                    let line = render(sink, &name, &gauge.labels, gauge.value, "g");
                    add(&mut packet, &line, transport).await?;
                }
            }
        }
    }
}

async fn add(packet: &mut String, line: &str, transport: &mut Transport) -> io::Result<()> {
    if !packet.is_empty() && packet.len() + line.len() > SINK_PACKET_BYTES_MAX {
        transport.send(packet.as_bytes()).await?;
        packet.clear();
    }
    packet.push_str(line);
    Ok(())
}

/// One line: `name:value|kind`, and for DogStatsD `|#tag:value,…`.
fn render(sink: &Sink, name: &str, labels: &[(&'static str, String)], value: f64, kind: &str) -> String {
    let mut line = clean(name);
    let mut tags = Vec::new();
    match &sink.protocol {
        Protocol::Statsd | Protocol::Statsite => {
            for (_, value) in labels {
                line.push('.');
                line.push_str(&clean(value));
            }
        }
        Protocol::Dogstatsd { tags: own } => {
            tags.clone_from(own);
            tags.extend(labels.iter().map(|(key, value)| format!("{key}:{}", clean(value))));
        }
    }
    // Writing to a String cannot fail.
    let _ = write!(line, ":{value}|{kind}");
    if !tags.is_empty() {
        let _ = write!(line, "|#{}", tags.join(","));
    }
    line.push('\n');
    line
}

/// Without the characters that the line format is made of.
fn clean(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ':' | '|' | '@' | '#' | ',') || c.is_whitespace() { '_' } else { c }).collect()
}

enum Transport {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Transport {
    async fn open(sink: &Sink) -> io::Result<Self> {
        if sink.protocol == Protocol::Statsite {
            return Ok(Self::Tcp(TcpStream::connect(&sink.address).await?));
        }
        let target = tokio::net::lookup_host(&sink.address).await?.next().ok_or(io::ErrorKind::NotFound)?;
        let any = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(target).await?;
        Ok(Self::Udp(socket))
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes).await,
            // Nobody listening is not an error of ours: UDP sinks come and go.
            Self::Udp(socket) => match socket.send(bytes).await {
                Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
                _ => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::telemetry::{Gauge, Naming};

    fn sink(protocol: Protocol, address: String) -> Sink {
        Sink { protocol, address }
    }

    #[test]
    fn lines_are_as_each_sink_reads_them() {
        let labels = [("node", "a b".to_owned())];
        let statsd = sink(Protocol::Statsd, String::new());
        assert_eq!(render(&statsd, "consul.client.rpc", &labels, 1.0, "c"), "consul.client.rpc.a_b:1|c\n");
        let dog = sink(Protocol::Dogstatsd { tags: vec!["env:x".to_owned()] }, String::new());
        assert_eq!(render(&dog, "consul.client.rpc", &labels, 0.5, "ms"), "consul.client.rpc:0.5|ms|#env:x,node:a_b\n");
    }

    #[tokio::test]
    async fn values_and_gauges_arrive() {
        let listener = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let registry: &'static Registry = Box::leak(Box::new(Registry::new(Naming::default(), Duration::ZERO)));
        registry.add_source(Box::new(|gauges| gauges.push(Gauge::new("autopilot.healthy", 1.0))));
        let target = sink(Protocol::Statsd, listener.local_addr().unwrap().to_string());
        let task = tokio::spawn(run_sink(registry, target));
        let mut got = String::new();
        let mut bytes = [0; 2048];
        while !(got.contains("consul.autopilot.healthy:1|g\n") && got.contains("consul.raft.apply:1|c\n")) {
            if let Some(series) = registry.series(Kind::Counter, "raft.apply", &[]) {
                series.record(1.0, SystemTime::now());
            }
            let length = listener.recv(&mut bytes).await.unwrap();
            got.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
        task.abort();
    }
}
