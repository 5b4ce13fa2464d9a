//! gRPC checks: asks `grpc.health.v1.Health/Check`; only SERVING passes.
//!
//! The question and the answer are one small protobuf message each, so that they are written and read here and not by a
//! gRPC library.

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use model::Status;
use tokio_util::task::AbortOnDropHandle;

use super::Outcome;
use super::net::{CheckTls, split};
use crate::local::GrpcProbe;

/// Largest answer that is read, bytes. The real one has four.
const ANSWER_BYTES_MAX: usize = 4096;
/// Largest headers of an answer, bytes.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// The states of the protocol, by number.
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/// The codes of the protocol, by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// Asks once.
pub async fn run(probe: &GrpcProbe, tls: &CheckTls) -> Outcome {
    let target = &probe.target;
    match ask(probe, tls).await {
        Ok(1) => Outcome { status: Status::Passing, output: format!("gRPC check {target}: success") },
        Ok(state) => {
            let state = STATES.get(state as usize).copied().unwrap_or("UNKNOWN");
            Outcome { status: Status::Critical, output: format!("gRPC {target} serving status: {state}") }
        }
        Err(output) => Outcome { status: Status::Critical, output },
    }
}

fn unavailable(reason: &str) -> String {
    format!("rpc error: code = Unavailable desc = {reason}")
}

async fn ask(probe: &GrpcProbe, tls: &CheckTls) -> Result<u64, String> {
    let (address, service) = probe.target.split_once('/').unwrap_or((&probe.target, ""));
    let dialled = |reason: String| {
        let reason = if reason.starts_with("address ") { format!("dial tcp: {reason}") } else { reason };
        unavailable(&format!("connection error: desc = \"transport: Error while dialing {reason}\""))
    };
    let (host, port) = split(address).map_err(dialled)?;
    let stream = tls.connect(host, port, probe.tls.as_ref(), true).await.map_err(dialled)?;
    let mut builder = h2::client::Builder::new();
    builder.max_header_list_size(HEADER_BYTES_MAX).enable_push(false);
    let closed = |error: h2::Error| unavailable(&format!("connection closed: {error}"));
    let (sender, connection) = builder.handshake(stream).await.map_err(closed)?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(async move {
        // Whoever waits for the answer sees the error.
        let _ = connection.await;
    }));
    let scheme = if probe.tls.is_some() { "https" } else { "http" };
    let request = Request::post(format!("{scheme}://{address}/grpc.health.v1.Health/Check"))
        .header(CONTENT_TYPE, "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "Consul Health Check")
        .body(())
        .map_err(|error| unavailable(&error.to_string()))?;
    exchange(sender, request, question(service)).await
}

async fn exchange(sender: SendRequest<Bytes>, request: Request<()>, question: Bytes) -> Result<u64, String> {
    let closed = |error: h2::Error| unavailable(&format!("connection closed: {error}"));
    let mut sender = sender.ready().await.map_err(closed)?;
    let (response, mut body) = sender.send_request(request, false).map_err(closed)?;
    body.send_data(question, true).map_err(closed)?;
    let response = response.await.map_err(closed)?;
    if response.status() != 200 {
        let code = response.status().as_u16();
        return Err(format!("rpc error: code = Unknown desc = the server answered with HTTP status {code}"));
    }
    // An answer without a message has its outcome among the headers.
    refusal(response.headers())?;
    let mut body = response.into_body();
    let mut answer = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(closed)?;
        if answer.len() + data.len() > ANSWER_BYTES_MAX {
            return Err("rpc error: code = ResourceExhausted desc = the answer is too long".to_owned());
        }
        body.flow_control().release_capacity(data.len()).map_err(closed)?;
        answer.extend_from_slice(&data);
    }
    if let Some(trailers) = body.trailers().await.map_err(closed)? {
        refusal(&trailers)?;
    }
    let malformed = "rpc error: code = Internal desc = the answer is not a HealthCheckResponse";
    answer_state(&answer).ok_or_else(|| malformed.to_owned())
}

/// The error that headers or trailers tell of.
fn refusal(headers: &HeaderMap) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        None | Some("0") => Ok(()),
        Some(code) => {
            let code = code.parse::<usize>().ok().and_then(|code| CODES.get(code)).copied().unwrap_or("Unknown");
            let message = text("grpc-message").unwrap_or_default();
            Err(format!("rpc error: code = {code} desc = {}", unescape(message)))
        }
    }
}

/// Undoes the percent-encoding of messages; what is not well-formed stays.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// `HealthCheckRequest`: the name as field 1, in the frame of gRPC (not compressed, length).
fn question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(&message);
    Bytes::from(framed)
}

/// The state in a framed `HealthCheckResponse`: field 1, 0 when absent; `None` for anything that is no such message.
fn answer_state(framed: &[u8]) -> Option<u64> {
    let (head, mut message) = framed.split_at_checked(5)?;
    if head[0] != 0 || u32::from_be_bytes(head[1..].try_into().ok()?) as usize != message.len() {
        return None;
    }
    let mut state = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                let value = varint(&mut message)?;
                if tag >> 3 == 1 {
                    state = value;
                }
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(state)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_framed_protobuf() {
        assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(&question(&"x".repeat(200))[..9], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1, b'x']);
    }

    #[test]
    fn answers_are_read_and_anything_else_is_not() {
        assert_eq!(answer_state(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(answer_state(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(answer_state(&[0, 0, 0, 0, 7, 0x12, 1, b'x', 8, 2, 0x18, 0]), Some(2), "unknown fields are skipped");
        for wrong in [&[][..], &[0, 0], &[1, 0, 0, 0, 2, 8, 1], &[0, 0, 0, 0, 9, 8, 1], &[0, 0, 0, 0, 1, 8]] {
            assert_eq!(answer_state(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn messages_are_unescaped() {
        assert_eq!(unescape("a%20b%"), "a b%");
        assert_eq!(unescape("%zz%41"), "%zzA");
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(0u8.., 0..40), text in "\\PC*") {
            let _ = answer_state(&bytes);
            let _ = unescape(&text);
        }
    }
}
