//! A very small HTTP client: one request per connection, so that every request is balanced anew by the Service.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const CONNECT_MAX: Duration = Duration::from_millis(300);
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Sends a request; returns status and body.
pub fn request(method: &str, address: SocketAddr, path: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    // HTTP/1.0: the answer ends with the connection and is never cut into chunks.
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the answer has no status")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    if length.is_some_and(|length| length != body.len()) {
        bail!("the answer was cut off");
    }
    Ok((status, body.to_owned()))
}

/// Prints the body of an answer with status 200, for calls from outside the network namespace.
pub fn print(method: &str, address: &str, path: &str) -> Result<()> {
    let (status, body) = request(method, address.parse()?, path, "")?;
    if status != 200 {
        bail!("{method} {path}: status {status}: {body}");
    }
    print!("{body}");
    Ok(())
}
