//! A small HTTP/1.1 client connection for measuring: keep-alive, one request at a time, as little work as possible.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest answer that is read, bytes.
const ANSWER_MAX: usize = 1 << 30;

/// One kept connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub index: u64,
    pub body_len: usize,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Sends one request and reads its whole answer.
    pub async fn request(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: b\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_ascii_lowercase();
        self.buffer.drain(..head_end);
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).context("no status line")?;
        let index = header(&head, "x-consul-index").and_then(|text| text.parse().ok()).unwrap_or(0);
        let body = if header(&head, "transfer-encoding") == Some("chunked") {
            self.read_chunks().await?
        } else {
            let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
            self.read_exactly(length).await?
        };
        Ok(Answer { status, index, body_len: body.len(), body })
    }

    async fn read_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                self.fill().await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[..line_end])?.trim(), 16)?;
            self.buffer.drain(..line_end + 2);
            let chunk = self.read_exactly(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        if length > ANSWER_MAX {
            bail!("an answer of {length} bytes");
        }
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn fill(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the connection was closed in the middle of an answer");
        }
        Ok(())
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}
