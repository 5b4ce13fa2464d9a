//! HTTP and HTTPS checks: one request; 2xx passes, 429 warns, everything else is critical.
//!
//! Redirects are followed only by checks that ask for it: otherwise whoever answers a check could make this agent call
//! any address that the agent can reach.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use model::Status;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::Outcome;
use super::net::CheckTls;
use super::output::Tail;
use crate::local::HttpProbe;
use crate::local::limits::BODY_BYTES_READ_MAX;

/// Redirects followed in one run.
const REDIRECTS_MAX: usize = 10;
/// Largest head of an answer, bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Makes the request once.
pub async fn run(probe: &HttpProbe, tls: &CheckTls, timeout: Duration, limit: usize) -> Outcome {
    let deadline = Instant::now() + timeout;
    let fetched = timeout_at(deadline, fetch(probe, tls)).await;
    let timed_out = || Err("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned());
    match fetched.unwrap_or_else(|_| timed_out()) {
        Ok(fetched) => {
            let code = fetched.response.status();
            let status = match code {
                code if code.is_success() => Status::Passing,
                StatusCode::TOO_MANY_REQUESTS => Status::Warning,
                _ => Status::Critical,
            };
            let reason = code.canonical_reason().unwrap_or_default();
            let (method, url) = (&probe.method, &probe.url);
            let body = fetched.read(deadline, limit).await;
            Outcome { status, output: format!("HTTP {method} {url}: {} {reason} Output: {body}", code.as_u16()) }
        }
        Err(reason) => {
            let output = format!("{} {:?}: {reason}", title_case(&probe.method), probe.url);
            Outcome { status: Status::Critical, output }
        }
    }
}

/// `GET` as Go writes it in errors: `Get`.
fn title_case(method: &str) -> String {
    let mut letters = method.chars();
    letters.next().map(|first| first.to_string() + &letters.as_str().to_lowercase()).unwrap_or_default()
}

/// An answer whose body was not read yet, with its connection.
struct Fetched {
    response: Response<Incoming>,
    _driver: AbortOnDropHandle<()>,
}

impl Fetched {
    /// What there is of the body until the deadline, its end, or the limit: the status is known already.
    async fn read(self, deadline: Instant, limit: usize) -> String {
        let (head, mut body) = self.response.into_parts();
        let mut tail = Tail::new(limit);
        let mut total = 0;
        while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
            let Ok(data) = frame.into_data() else { continue };
            tail.push(&data);
            total += data.len();
            if total >= BODY_BYTES_READ_MAX.max(limit) {
                break;
            }
        }
        let text = tail.into_text();
        match head.headers.get(LOCATION).and_then(|location| location.to_str().ok()) {
            Some(location) if head.status.is_redirection() => {
                format!("{text} (redirect to {location} not followed; set disable_redirects to false to follow)")
            }
            _ => text,
        }
    }
}

async fn fetch(probe: &HttpProbe, tls: &CheckTls) -> Result<Fetched, String> {
    let mut url: Uri = probe.url.parse().map_err(|error| format!("{error}"))?;
    let mut method = Method::from_bytes(probe.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut body = Bytes::from(probe.body.clone());
    for _ in 0..=REDIRECTS_MAX {
        let fetched = send(&url, &method, probe, tls, body.clone()).await?;
        match redirection(&url, &fetched.response).filter(|_| probe.follow_redirects) {
            Some(next) => {
                if !matches!(fetched.response.status().as_u16(), 307 | 308) && method != Method::HEAD {
                    method = Method::GET;
                    body.clear();
                }
                url = next?;
            }
            None => return Ok(fetched),
        }
    }
    Err(format!("stopped after {REDIRECTS_MAX} redirects"))
}

/// Where the answer sends us, if it does.
fn redirection(from: &Uri, response: &Response<Incoming>) -> Option<Result<Uri, String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    let target = location.to_str().map_err(|error| error.to_string()).and_then(|text| {
        let scheme = from.scheme_str().unwrap_or("http");
        let absolute = match text.strip_prefix('/') {
            Some(_) => format!("{scheme}://{}{text}", from.authority().map_or("", |authority| authority.as_str())),
            None => text.to_owned(),
        };
        absolute.parse::<Uri>().map_err(|error| format!("cannot follow the redirect to {text:?}: {error}"))
    });
    Some(target)
}

async fn send(url: &Uri, method: &Method, probe: &HttpProbe, tls: &CheckTls, body: Bytes) -> Result<Fetched, String> {
    let (port, choice) = match url.scheme_str() {
        Some("http") => (80, None),
        Some("https") => (443, Some(&probe.tls)),
        other => return Err(format!("unsupported protocol scheme {:?}", other.unwrap_or_default())),
    };
    let host = url.host().filter(|host| !host.is_empty()).ok_or("no Host in request URL")?.trim_matches(['[', ']']);
    let request = build(url, method, probe, body)?;
    let stream = tls.connect(host, url.port_u16().unwrap_or(port), choice, false).await?;
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error: hyper::Error| error.to_string())?;
    let driver = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(target: "agent::checks", %error, "the connection of an HTTP check ended badly");
        }
    }));
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    Ok(Fetched { response, _driver: driver })
}

fn build(url: &Uri, method: &Method, probe: &HttpProbe, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder().method(method).uri(path).body(Full::new(body));
    if let Ok(request) = &mut request {
        let headers = request.headers_mut();
        for (name, values) in &probe.header {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("header {name:?}: {error}"))?;
            for value in values {
                let value = HeaderValue::from_str(value).map_err(|error| format!("header {name}: {error}"))?;
                headers.append(name.clone(), value);
            }
        }
        let host = HeaderValue::from_str(authority).map_err(|error| error.to_string())?;
        headers.entry(HOST).or_insert(host);
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("Consul Health Check"));
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("text/plain, text/*, */*"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    request.map_err(|error| error.to_string())
}
