//! Docker checks: runs a program in a container through the Docker API and takes its exit code, as a script check does.
//!
//! Three requests over the daemon's socket: make an exec, start it (the answer is its output), ask how it ended.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use model::{Json, Status};
use serde_json::json;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use super::Outcome;
use super::net::{Wire, dial, reason, split};
use super::output::Tail;
use super::script::status_of;

/// Where the daemon listens unless `DOCKER_HOST` says otherwise.
pub const HOST_DEFAULT: &str = "unix:///var/run/docker.sock";
/// Largest answer of the API apart from outputs, bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Head of each piece of output: stream, three zeros, length.
const PIECE_HEAD_BYTES: usize = 8;

/// Runs the program once.
pub async fn run(host: &str, container: &str, args: &[String], limit: usize) -> Outcome {
    match execute(host, container, args, limit).await {
        Ok(outcome) => outcome,
        Err(output) => Outcome { status: Status::Critical, output },
    }
}

async fn execute(host: &str, container: &str, args: &[String], limit: usize) -> Result<Outcome, String> {
    let daemon = Daemon { host };
    let create = json!({ "AttachStdin": false, "AttachStdout": true, "AttachStderr": true, "Tty": false, "Cmd": args });
    let failed = |reason: String| format!("create exec failed for container {container}: {reason}");
    let path = format!("/containers/{}/exec", escaped(container));
    let created = daemon.ask(Method::POST, &path, create).await.map_err(failed)?;
    let id = created["Id"].as_str().map(str::to_owned).ok_or_else(|| failed("the answer has no Id".to_owned()))?;

    let failed = |reason: String| format!("start exec failed for container {container}: {reason}");
    let start = json!({ "Detach": false, "Tty": false });
    let output = daemon.output(&format!("/exec/{}/start", escaped(&id)), start, limit).await.map_err(failed)?;

    let failed = |reason: String| format!("inspect exec failed for container {container}: {reason}");
    let ended = daemon.ask(Method::GET, &format!("/exec/{}/json", escaped(&id)), Json::Null).await.map_err(failed)?;
    let code = ended["ExitCode"].as_i64().ok_or_else(|| failed("the answer has no ExitCode".to_owned()))?;
    Ok(Outcome { status: status_of(i32::try_from(code).ok()), output: output.into_noted_text() })
}

/// A name in a path. Ids and names of containers need no escaping; anything else must not change the path.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

struct Daemon<'a> {
    host: &'a str,
}

impl Daemon<'_> {
    async fn connect(&self) -> Result<Box<dyn Wire>, String> {
        if let Some(path) = self.host.strip_prefix("unix://") {
            let stream = UnixStream::connect(path).await;
            return Ok(Box::new(stream.map_err(|error| format!("dial unix {path}: connect: {}", reason(&error)))?));
        }
        let address = self.host.split_once("://").map_or(self.host, |(_, address)| address);
        let (host, port) = split(address.trim_end_matches('/'))?;
        Ok(Box::new(dial(host, port).await?))
    }

    /// One request; the connection lives as long as the handle.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Json,
    ) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), String> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            // Whoever waits for the answer sees the error.
            let _ = connection.await;
        }));
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "docker")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        if response.status().is_success() {
            return Ok((response, driver));
        }
        let status = response.status().as_u16();
        let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let text = answer.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned());
        Err(format!("status code {status}: {}", text.unwrap_or_default()))
    }

    async fn ask(&self, method: Method, path: &str, body: Json) -> Result<Json, String> {
        let (response, _driver) = self.send(method, path, &body).await?;
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string())
    }

    async fn output(&self, path: &str, body: Json, limit: usize) -> Result<Tail, String> {
        let (response, _driver) = self.send(Method::POST, path, &body).await?;
        let mut body = response.into_body();
        let mut pieces = Pieces::default();
        let mut tail = Tail::new(limit);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() {
                pieces.take(&data, &mut tail);
            }
        }
        Ok(tail)
    }
}

/// Takes the heads out of a stream of pieces, however it arrives.
#[derive(Debug, Default)]
struct Pieces {
    head: Vec<u8>,
    left: usize,
}

impl Pieces {
    fn take(&mut self, mut data: &[u8], tail: &mut Tail) {
        while !data.is_empty() {
            if self.left > 0 {
                let (now, later) = data.split_at(self.left.min(data.len()));
                tail.push(now);
                self.left -= now.len();
                data = later;
                continue;
            }
            let (now, later) = data.split_at((PIECE_HEAD_BYTES - self.head.len()).min(data.len()));
            self.head.extend_from_slice(now);
            data = later;
            if let [_, _, _, _, length @ ..] = self.head.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                self.left = u32::from_be_bytes(length) as usize;
                self.head.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_apart_however_they_arrive() {
        let stream = b"\x01\0\0\0\0\0\0\x03one\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x03two";
        for step in 1..stream.len() {
            let (mut pieces, mut tail) = (Pieces::default(), Tail::new(100));
            for chunk in stream.chunks(step) {
                pieces.take(chunk, &mut tail);
            }
            assert_eq!(tail.into_text(), "onetwo", "in steps of {step}");
        }
    }

    #[test]
    fn names_do_not_change_the_path() {
        assert_eq!(escaped("web_1.a-b"), "web_1.a-b");
        assert_eq!(escaped("../x?y"), "..%2Fx%3Fy");
    }
}
