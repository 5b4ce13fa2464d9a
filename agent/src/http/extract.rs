//! What a handler gets: the request taken apart, with the conversions that most handlers share.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use model::{NodeName, TextMap, Token, parse_duration};
use server::acl::Caller;
use server::request::{
    Action, Body as Rows, Cluster, Consistency, Form, Page, Query as Question, ReadMeta, ReadOptions, Request,
    Response, Write,
};

use super::HttpState;
use super::decode::{Struct, decode};
use super::limits::{BODY_BYTES_MAX, BODY_PAUSE_MAX};
use super::query::Query;
use super::reply::{Answer, Failure, Reply};

/// Address of the client, which goes with each request of its connection.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

/// One request on its way through a handler.
pub struct Call<'a> {
    /// What the server stands on.
    pub state: &'a HttpState,
    /// The decoded path after the pattern of the route; empty for routes without one.
    pub tail: &'a [u8],
    /// Whether it asks about the catalog or health.
    pub is_discovery: bool,
    /// The query string.
    pub query: Query<'a>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Address of the client.
    pub client: Option<IpAddr>,
    /// The body, until it is taken. Never locked: the mutex only lets a shared `Call` cross an await.
    pub body: Mutex<Body>,
}

impl Call<'_> {
    /// The path after the pattern as text, which must not be empty.
    pub fn name(&self, missing: &'static str) -> Result<Cow<'_, str>, Failure> {
        if self.tail.is_empty() {
            return Err(Failure::bad_request(missing));
        }
        Ok(String::from_utf8_lossy(self.tail))
    }

    /// Refuses the parameter and header of namespaces, which exist only in Consul Enterprise.
    pub fn refuse_namespace(&self) -> Result<(), Failure> {
        const WHY: &str = "Namespaces are a Consul Enterprise feature";
        if !self.query.text("ns").is_empty() {
            return Err(Failure::bad_request(format!("Bad request: Invalid query parameter: \"ns\" - {WHY}")));
        }
        if self.headers.get("x-consul-namespace").is_some_and(|value| !value.is_empty()) {
            return Err(Failure::bad_request(format!("Bad request: Invalid header: \"X-Consul-Namespace\" - {WHY}")));
        }
        Ok(())
    }

    /// The secret of the caller: `?token`, else `X-Consul-Token`, else `Authorization: Bearer`, else
    /// the agent's default token.
    #[must_use]
    pub fn token(&self) -> Token {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = || {
            let value = header(AUTHORIZATION.as_str())?;
            let (scheme, secret) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
        };
        let given = self.query.get("token").filter(|token| !token.is_empty());
        let secret = given.or_else(|| header("x-consul-token").filter(|token| !token.is_empty())).or_else(bearer);
        secret.map_or_else(|| self.state.rights.tokens().of_requests(), Token::new)
    }

    /// What the caller may. For what this agent answers by itself.
    pub async fn caller(&self) -> Result<Caller, Failure> {
        Ok(self.state.rights.caller(&self.token()).await?)
    }

    /// The options of a read, for an answer in JSON.
    pub fn read_options(&self) -> Result<ReadOptions, Failure> {
        Ok(ReadOptions { page: self.page()?, ..self.read_options_of_all()? })
    }

    /// The options of a read whose answer has no pages: `limit` and `after` are not looked at.
    pub fn read_options_of_all(&self) -> Result<ReadOptions, Failure> {
        let (consistency, max_stale_ms) = self.consistency()?;
        let (min_index, wait_ms) = self.blocking()?;
        Ok(ReadOptions {
            consistency,
            max_stale_ms,
            min_index,
            wait_ms,
            filter: self.query.text("filter").to_owned(),
            form: Form::Json,
            page: Page::default(),
        })
    }

    /// The index that the answer must be above, and how long to wait for that, milliseconds.
    pub fn blocking(&self) -> Result<(u64, u64), Failure> {
        let query = &self.query;
        let wait = match query.text("wait") {
            "" => Duration::ZERO,
            text => parse_duration(text).map_err(|_| Failure::bad_request("Invalid wait time"))?,
        };
        let min_index = match query.text("index") {
            "" => 0,
            text => parse_u64(text).map_err(|_| Failure::bad_request("Invalid index"))?,
        };
        Ok((min_index, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Which part of a list is wanted.
    fn page(&self) -> Result<Page, Failure> {
        let number = |name: &str| match self.query.text(name) {
            "" => Ok(None),
            text => parse_u64(text).map(Some).map_err(|_| Failure::bad_request(format!("Invalid {name}"))),
        };
        let depth = number("depth")?.map(|depth| u32::try_from(depth).unwrap_or(u32::MAX));
        if depth.is_some() && !self.query.text("separator").is_empty() {
            return Err(Failure::bad_request("Conflicting flags: depth and separator; depth counts folders of \"/\""));
        }
        Ok(Page { limit: number("limit")?, after: self.query.text("after").to_owned(), depth })
    }

    /// How fresh the answer must be, and at which age a stale one is not good enough (milliseconds).
    pub fn consistency(&self) -> Result<(Consistency, Option<u64>), Failure> {
        let query = &self.query;
        let max_stale_ms = match query.text("max_stale") {
            "" => None,
            text => {
                let age = parse_duration(text)
                    .map_err(|_| Failure::bad_request(format!("Invalid max_stale value {text:?}")))?;
                Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
            }
        };
        let stale = query.has("stale") || max_stale_ms.is_some();
        match (stale, query.has("consistent")) {
            (true, true) => Err(Failure::bad_request("Cannot specify ?stale with ?consistent, conflicting semantics.")),
            (_, true) if query.has("cached") => {
                Err(Failure::bad_request("Cannot specify ?cached with ?consistent, conflicting semantics."))
            }
            (_, true) => Ok((Consistency::Consistent, None)),
            (true, false) => Ok((Consistency::Stale, max_stale_ms)),
            (false, false) => {
                match self.state.discovery_stale_ms_max.filter(|_| self.is_discovery && !query.has("cached")) {
                    Some(age) => Ok((Consistency::Stale, Some(age))),
                    None => Ok((Consistency::Default, None)),
                }
            }
        }
    }

    /// The node that results are sorted by distance from; `_agent` is this one. Empty for none.
    #[must_use]
    pub fn near(&self) -> NodeName {
        match self.query.text("near") {
            "_agent" => self.state.node_name.clone(),
            name => NodeName::new(name),
        }
    }

    /// The pairs of `?node-meta=key:value`.
    #[must_use]
    pub fn node_meta(&self) -> TextMap {
        let pairs = self.query.all("node-meta").map(|pair| pair.split_once(':').unwrap_or((pair, "")));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// All values of `?tag`.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        self.query.all("tag").map(str::to_owned).collect()
    }

    /// Asks the servers, in the datacenter of `?dc` and with the caller's token.
    pub async fn ask(&self, action: Action) -> Result<Response, Failure> {
        self.ask_in(self.query.text("dc"), action).await
    }

    /// Asks the servers of a datacenter; empty for the agent's own.
    pub async fn ask_in(&self, datacenter: &str, action: Action) -> Result<Response, Failure> {
        let request = Request { datacenter: datacenter.to_owned(), token: self.token(), action };
        Ok(self.state.backend.call(request).await?)
    }

    /// Asks the replicated state.
    pub async fn read(&self, options: ReadOptions, query: Question) -> Result<(ReadMeta, Rows), Failure> {
        match self.ask(Action::Read(options, query)).await? {
            Response::Read(meta, body) => Ok((meta, body)),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks the replicated state for JSON that is passed on, with the headers of catalog and health.
    pub async fn catalog_read(&self, options: ReadOptions, query: Question) -> Answer {
        let (meta, body) = self.read(options, query).await.map_err(Failure::with_read_headers)?;
        let Rows::Json { json, .. } = body else {
            return Err(Failure::internal("unexpected rows from the server in place of JSON"));
        };
        Ok(Reply::json(json).with_read(&meta).with_consistency(&meta))
    }

    /// Asks for a document; `None` when there is nothing of the name.
    pub async fn document(&self, query: Question) -> Result<(ReadMeta, Option<Reply>), Failure> {
        let (meta, body) = self.read(self.read_options()?, query).await?;
        match body {
            Rows::Json { found, json } => Ok((meta, found.then(|| Reply::json(json)))),
            Rows::Rows(_) => Err(Failure::internal("unexpected rows from the server in place of JSON")),
        }
    }

    /// Tells a client that asked for `?cached` that the answer is fresh.
    #[must_use]
    pub fn mark_uncached(&self, reply: Reply) -> Reply {
        if self.query.has("cached") {
            return reply.with_header(HeaderName::from_static("x-cache"), HeaderValue::from_static("MISS"));
        }
        reply
    }

    /// Reads the body as JSON of a shape.
    pub async fn take_json<T: serde::de::DeserializeOwned>(&mut self, shape: &'static Struct) -> Result<T, Failure> {
        let body = self.take_body().await?;
        decode(&body, shape).map_err(|error| Failure::bad_request(format!("Request decode failed: {error}")))
    }

    /// Sends a change to the servers of a datacenter.
    pub async fn write_in(&self, datacenter: &str, write: Write) -> Result<bool, Failure> {
        match self.ask_in(datacenter, Action::Write(write)).await? {
            Response::Written(done) => Ok(done),
            Response::Locked { .. } => Ok(true),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks the servers about themselves.
    pub async fn cluster(&self, question: Cluster) -> Result<Response, Failure> {
        self.ask(Action::Cluster(question)).await
    }

    /// Reads the body, up to [`BODY_BYTES_MAX`].
    pub async fn take_body(&mut self) -> Result<Bytes, Failure> {
        self.take_body_within(BODY_BYTES_MAX, |size, max| {
            format!("Request body({size} bytes) too large, max size: {max} bytes.")
        })
        .await
    }

    /// Takes the body, to read it with [`next_frame`] as it comes.
    pub fn take_stream(&mut self) -> Body {
        std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the body up to `max` bytes; `too_large` makes the text for one that is larger (or says that it will be).
    pub async fn take_body_within(
        &mut self,
        max: usize,
        too_large: impl Fn(u64, usize) -> String,
    ) -> Result<Bytes, Failure> {
        let refuse = |size: u64| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, too_large(size, max)).closing();
        let length = self.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if let Some(size) = length.filter(|size| *size > max as u64) {
            return Err(refuse(size));
        }
        let mut body = self.take_stream();
        let mut whole = Whole::default();
        while let Some(frame) = next_frame(&mut body).await? {
            if whole.len() + frame.len() > max {
                // How much came beyond the limit is chance, so the text speaks of the first byte too many.
                return Err(refuse(max as u64 + 1));
            }
            whole.push(frame, length);
            if body.is_end_stream() {
                break;
            }
        }
        Ok(whole.into_bytes())
    }
}

/// A body as it grows: one frame is passed on without a copy.
#[derive(Default)]
struct Whole {
    first: Option<Bytes>,
    joined: BytesMut,
}

impl Whole {
    fn len(&self) -> usize {
        self.first.as_ref().map_or(self.joined.len(), Bytes::len)
    }

    fn push(&mut self, frame: Bytes, length: Option<u64>) {
        if self.first.is_none() && self.joined.is_empty() {
            self.first = Some(frame);
            return;
        }
        if let Some(first) = self.first.take() {
            let expected = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(first.len() * 2);
            self.joined.reserve(expected.max(first.len() + frame.len()));
            self.joined.extend_from_slice(&first);
        }
        self.joined.extend_from_slice(&frame);
    }

    fn into_bytes(self) -> Bytes {
        self.first.unwrap_or_else(|| self.joined.freeze())
    }
}

/// The next bytes of a body; nothing at its end.
pub async fn next_frame(body: &mut Body) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = match tokio::time::timeout(BODY_PAUSE_MAX, body.frame()).await {
            Err(_) => {
                let text = format!("no more of the request body came for {} seconds", BODY_PAUSE_MAX.as_secs());
                return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, text).closing());
            }
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => {
                return Err(Failure::bad_request(format!("cannot read the request body: {error}")).closing());
            }
            Ok(Some(Ok(frame))) => frame,
        };
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

/// An answer of a kind that does not belong to the question: the servers speak another version.
#[must_use]
pub fn unexpected(response: &Response) -> Failure {
    let kind = match response {
        Response::Read(..) => "a read",
        Response::Written(_) => "a write",
        Response::Txn(_) => "a transaction",
        Response::Leader(_) => "a leader",
        Response::Names(_) => "names",
        Response::RaftConfiguration(_) => "a Raft configuration",
        Response::Done => "a confirmation",
        Response::Locked { .. } => "a lock",
        Response::Renewed(_) => "a session",
        Response::Transfer { .. } => "a transfer",
        Response::Json(_) => "an object",
        Response::AutopilotConfig(_) | Response::AutopilotHealth(_) | Response::AutopilotState(_) => "autopilot",
        Response::Usage(..) => "usage",
        Response::DatacenterCoordinates(_) => "coordinates",
    };
    Failure::internal(format!("unexpected kind of answer from the server: {kind}"))
}

/// Reads an unsigned number; the text of an error is the one that Consul's users know.
pub fn parse_u64(text: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.ParseUint: parsing {text:?}: invalid syntax"));
    }
    text.parse().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: value out of range"))
}

/// Reads a truth value as the API takes it: `1`, `t`, `true` and so on; `None` when it is none.
#[must_use]
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
