//! DNS questions over UDP, one in flight per client.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::net::UdpSocket;

/// Answers per second and the 99th percentile in ms, for `clients` asking for one name with EDNS.
pub async fn ask(server: SocketAddr, name: &str, kind: u16, clients: usize, seconds: u64) -> Result<(f64, f64)> {
    let question = question(name, kind);
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let question = question.clone();
        tasks.push(tokio::spawn(async move {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            socket.connect(server).await?;
            let (mut answer, mut times) = (vec![0; 65_535], Vec::new());
            while Instant::now() < until {
                let sent = Instant::now();
                socket.send(&question).await?;
                let length = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut answer)).await??;
                if length < 12 || answer[3] & 15 != 0 || u16::from_be_bytes([answer[6], answer[7]]) == 0 {
                    bail!("not an answer with records: {:02x?}", &answer[..length.min(32)]);
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
    Ok((rate, crate::workloads::percentile_ms(&mut times, 99.0)))
}

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
    packet.extend_from_slice(&kind.to_be_bytes());
    packet.extend_from_slice(&[0, 1]);
    // OPT record with a buffer of 4096 bytes.
    packet.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    packet
}
