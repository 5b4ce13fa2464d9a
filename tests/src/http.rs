//! A blocking HTTP/1.1 client of one request per connection, which sends exactly what a test says, also what is wrong.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer; blocking queries in tests ask for less.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header lines in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, with the chunks joined.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// The first header of that name, ignoring case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// `X-Consul-Index`; 0 when absent.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.header("X-Consul-Index").and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Sends one request with a correct `Content-Length`, and reads the answer.
///
/// # Errors
/// When there is no complete answer.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Response, String> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method != "GET" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    raw(address, &bytes)
}

/// Sends exactly these bytes and reads the answer until the connection ends.
///
/// # Errors
/// When there is no complete answer.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Result<Response, String> {
    let mut stream = TcpStream::connect(address).map_err(|error| format!("connect to {address}: {error}"))?;
    stream.set_read_timeout(Some(READ_TIMEOUT)).map_err(|error| error.to_string())?;
    // A server may refuse a large body before it has read it; its answer is still to be read.
    let sent = stream.write_all(bytes);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(format!("no answer: {error} (sent: {sent:?})"));
    }
    parse(&answer)
}

/// Reads an answer from what came over a connection.
///
/// # Errors
/// When it is none, or is cut.
pub fn parse(answer: &[u8]) -> Result<Response, String> {
    let shown = || String::from_utf8_lossy(answer).into_owned();
    let end =
        answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(|| format!("no head: {:?}", shown()))?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|digits| digits.parse().ok());
    let status = status.ok_or_else(|| format!("no status: {:?}", shown()))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let rest = &answer[end + 4..];
    let response = Response { status, headers, body: Vec::new() };
    let body = if response.header("Transfer-Encoding") == Some("chunked") { join_chunks(rest)? } else { rest.to_vec() };
    Ok(Response { body, ..response })
}

fn join_chunks(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n").ok_or("a chunk without a size")?;
        let digits = std::str::from_utf8(&rest[..line]).map_err(|error| error.to_string())?;
        let size =
            usize::from_str_radix(digits.trim(), 16).map_err(|error| format!("chunk size {digits:?}: {error}"))?;
        let start = line + 2;
        let chunk = rest.get(start..start + size).ok_or("a chunk was cut")?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(chunk);
        rest = rest.get(start + size + 2..).ok_or("a chunk was cut")?;
    }
}
