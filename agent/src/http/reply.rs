//! What handlers answer, and how it is put on the wire: status, headers, pretty printing, compression.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use server::request::{Consistency, ErrorKind, ReadMeta, RequestError};

use super::gzip;
use super::pretty::render_pretty;

/// Result of a handler.
pub type Answer = Result<Reply, Failure>;

const INDEX: HeaderName = HeaderName::from_static("x-consul-index");
const KNOWN_LEADER: HeaderName = HeaderName::from_static("x-consul-knownleader");
const LAST_CONTACT: HeaderName = HeaderName::from_static("x-consul-lastcontact");
const EFFECTIVE_CONSISTENCY: HeaderName = HeaderName::from_static("x-consul-effective-consistency");
const FENCING_TOKEN: HeaderName = HeaderName::from_static("x-concord-fencing-token");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A successful answer (which may well be a 404: nothing of that name).
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    content: Content,
    body: Payload,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug)]
enum Payload {
    Whole(Bytes),
    Stream(Body),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Minified JSON; `?pretty` applies.
    Json,
    /// Plain text.
    Text,
    /// A stored value as it is, fenced against browsers.
    Raw,
    /// No content type unless a header gives one.
    None,
}

impl Reply {
    /// Minified JSON text.
    #[must_use]
    pub fn json(body: Bytes) -> Self {
        Self { status: StatusCode::OK, content: Content::Json, body: Payload::Whole(body), headers: Vec::new() }
    }

    /// A value as JSON, with `<`, `>` and `&` escaped as Consul does.
    pub fn json_of(value: &impl Serialize) -> Answer {
        let text = model::to_json(value)
            .map_err(|error| Failure::internal(format!("the answer cannot be written as JSON: {error}")))?;
        Ok(Self::json(text.into()))
    }

    /// `true` or `false`, the answer to most writes.
    #[must_use]
    pub fn boolean(value: bool) -> Self {
        Self::json(Bytes::from_static(if value { b"true" } else { b"false" }))
    }

    /// A stored value as it is.
    #[must_use]
    pub fn raw(body: Bytes) -> Self {
        Self { status: StatusCode::OK, content: Content::Raw, body: Payload::Whole(body), headers: Vec::new() }
    }

    /// Plain text.
    #[must_use]
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, content: Content::Text, body: Payload::Whole(body.into()), headers: Vec::new() }
    }

    /// A body that is sent as it comes, neither indented nor compressed. For events and archives of unknown length.
    #[must_use]
    pub fn stream(content_type: HeaderValue, body: Body) -> Self {
        let headers = vec![(CONTENT_TYPE, content_type)];
        Self { status: StatusCode::OK, content: Content::None, body: Payload::Stream(body), headers }
    }

    /// No body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        Self { status, content: Content::None, body: Payload::Whole(Bytes::new()), headers: Vec::new() }
    }

    /// The same answer under another status.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds an index to block on, where there is nothing else to tell about a read.
    #[must_use]
    pub fn with_index(self, index: u64) -> Self {
        self.with_header(INDEX, HeaderValue::from(index))
    }

    /// Adds the headers that tell about a read.
    #[must_use]
    pub fn with_read(mut self, meta: &ReadMeta) -> Self {
        self.headers.reserve(4);
        self.headers.push((INDEX, HeaderValue::from(meta.index.max(1))));
        self.with_contact(meta)
    }

    /// Adds the headers that tell how near the leader the read was, for answers without an index.
    #[must_use]
    pub fn with_contact(mut self, meta: &ReadMeta) -> Self {
        let known = if meta.known_leader { "true" } else { "false" };
        self.headers.push((KNOWN_LEADER, HeaderValue::from_static(known)));
        self.headers.push((LAST_CONTACT, HeaderValue::from(meta.last_contact_ms)));
        if meta.fencing_token > 0 { self.with_fencing_token(meta.fencing_token) } else { self }
    }

    /// Tells at which index the holder of a lock took it.
    #[must_use]
    pub fn with_fencing_token(self, token: u64) -> Self {
        self.with_header(FENCING_TOKEN, HeaderValue::from(token))
    }

    /// Adds what consistency the read really had; catalog and health tell it, keys do not.
    #[must_use]
    pub fn with_consistency(mut self, meta: &ReadMeta) -> Self {
        let word = match meta.consistency {
            Consistency::Default => "leader",
            Consistency::Stale => "stale",
            Consistency::Consistent => "consistent",
        };
        self.headers.push((EFFECTIVE_CONSISTENCY, HeaderValue::from_static(word)));
        self
    }
}

/// A request that was not answered as asked: status and the exact text for the client.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    message: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    close: bool,
}

impl Failure {
    /// Any status with its text.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into(), headers: Vec::new(), close: false }
    }

    /// 400 with the bare text.
    #[must_use]
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 500 with the bare text.
    #[must_use]
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The text for the client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// 405 with the methods that are allowed, such as `OPTIONS,GET`.
    #[must_use]
    pub fn method_not_allowed(method: &http::Method, allowed: HeaderValue) -> Self {
        let mut failure = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("method {method} not allowed"));
        failure.headers.push((ALLOW, allowed));
        failure
    }

    /// Closes the connection after the answer: the rest of the request is not wanted.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Adds the read headers that catalog and health send even with an error.
    #[must_use]
    pub fn with_read_headers(mut self) -> Self {
        self.headers.push((INDEX, HeaderValue::from_static("1")));
        self.headers.push((KNOWN_LEADER, HeaderValue::from_static("false")));
        self.headers.push((LAST_CONTACT, HeaderValue::from_static("0")));
        self
    }
}

impl Failure {
    /// As [`Failure::with_read_headers`], but for 404, which tells nothing about a read.
    #[must_use]
    pub fn with_read_headers_unless_missing(self) -> Self {
        if self.status == StatusCode::NOT_FOUND { self } else { self.with_read_headers() }
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let status = match error.kind {
            ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
            ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorKind::Denied => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Busy => return Self::new(StatusCode::TOO_MANY_REQUESTS, ""),
            ErrorKind::Failed | ErrorKind::NoLeader | ErrorKind::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.message)
    }
}

/// What the client wants the answer to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// Indented, with a line feed at the end.
    pub pretty: bool,
    /// The client reads gzip.
    pub gzip: bool,
}

/// Puts a result into the form of the wire.
pub async fn render(answer: Answer, looks: Looks) -> Response {
    match answer {
        Ok(reply) => render_reply(reply, looks).await,
        Err(failure) => render_failure(failure),
    }
}

async fn render_reply(reply: Reply, looks: Looks) -> Response {
    let (body, is_compressed) = match reply.body {
        Payload::Whole(body) => render_body(body, reply.content, looks).await,
        Payload::Stream(body) => (body, false),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.reserve(8);
    match reply.content {
        Content::Json => set(headers, CONTENT_TYPE, HeaderValue::from_static("application/json")),
        Content::Text => set(headers, CONTENT_TYPE, TEXT),
        Content::Raw => {
            set(headers, CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            set(headers, http::header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
        }
        Content::None => {}
    }
    fence(headers);
    set(headers, VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_compressed {
        set(headers, CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for (name, value) in reply.headers {
        set(headers, name, value);
    }
    response
}

/// The bytes to send, and whether they are compressed.
async fn render_body(mut body: Bytes, content: Content, looks: Looks) -> (Body, bool) {
    if looks.pretty && content == Content::Json {
        body = render_pretty(&body).into();
    }
    let compressed = if looks.gzip { gzip::compress(&body).await } else { None };
    let is_compressed = compressed.is_some();
    (Body::from(compressed.unwrap_or(body)), is_compressed)
}

fn render_failure(failure: Failure) -> Response {
    let is_empty = failure.message.is_empty();
    let mut response = Response::new(match failure.message {
        Cow::Borrowed(text) => Body::from(text),
        Cow::Owned(text) => Body::from(text),
    });
    *response.status_mut() = failure.status;
    let headers = response.headers_mut();
    if !is_empty {
        set(headers, CONTENT_TYPE, TEXT);
    }
    fence(headers);
    set(headers, VARY, HeaderValue::from_static("Accept-Encoding"));
    for (name, value) in failure.headers {
        set(headers, name, value);
    }
    if failure.close {
        set(headers, CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A browser takes nothing for another type than it says to be.
pub(super) fn fence(headers: &mut HeaderMap) {
    set(headers, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.insert(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn read_headers_never_show_index_zero() {
        let meta = ReadMeta {
            index: 0,
            known_leader: true,
            last_contact_ms: 7,
            consistency: Consistency::Stale,
            ..ReadMeta::default()
        };
        let reply = Reply::boolean(true).with_read(&meta).with_consistency(&meta);
        let response = render(Ok(reply), Looks { pretty: true, gzip: false }).await;
        assert_eq!(response.headers()["x-consul-index"], "1");
        assert_eq!(response.headers()["x-consul-lastcontact"], "7");
        assert_eq!(response.headers()["x-consul-effective-consistency"], "stale");
        let body = axum::body::to_bytes(response.into_body(), 100).await.expect("short");
        assert_eq!(&body[..], b"true\n");
    }

    #[tokio::test]
    async fn streams_pass_through_as_they_are() {
        let reply = Reply::stream(HeaderValue::from_static("text/event-stream"), Body::from("data: {}\n\n"));
        let response = render(Ok(reply), Looks { pretty: true, gzip: true }).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(!response.headers().contains_key("content-encoding"));
        let body = axum::body::to_bytes(response.into_body(), 100).await.expect("short");
        assert_eq!(&body[..], b"data: {}\n\n");
    }

    #[tokio::test]
    async fn errors_map_to_statuses() {
        let cases = [
            (ErrorKind::Failed, 500),
            (ErrorKind::Denied, 403),
            (ErrorKind::BadRequest, 400),
            (ErrorKind::NotFound, 404),
            (ErrorKind::NoLeader, 500),
            (ErrorKind::Unknown, 500),
            (ErrorKind::Busy, 429),
        ];
        for (kind, status) in cases {
            let failure = Failure::from(RequestError::new(kind, "why"));
            let response = render(Err(failure), Looks { pretty: false, gzip: true }).await;
            assert_eq!(response.status().as_u16(), status);
            let body = axum::body::to_bytes(response.into_body(), 100).await.expect("short");
            assert_eq!(&body[..], if status == 429 { &b""[..] } else { b"why" });
        }
    }
}
