//! HTTP checks: one request; 2xx passes, 429 warns, everything else is critical. Plain HTTP only; certificates need TLS.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use model::Status;

use super::output::Tail;
use super::{Outcome, dial};
use crate::local::HttpProbe;

/// Redirects followed in one run.
const REDIRECTS_MAX: usize = 10;

/// Makes the request once.
pub async fn run(probe: &HttpProbe, timeout: Duration, limit: usize) -> Outcome {
    let result = tokio::time::timeout(timeout, fetch(probe, limit)).await;
    let timed_out = || Err("context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned());
    match result.unwrap_or_else(|_| timed_out()) {
        Ok((code, body)) => {
            let status = match code {
                code if code.is_success() => Status::Passing,
                StatusCode::TOO_MANY_REQUESTS => Status::Warning,
                _ => Status::Critical,
            };
            let reason = code.canonical_reason().unwrap_or_default();
            let (method, url) = (&probe.method, &probe.url);
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

async fn fetch(probe: &HttpProbe, limit: usize) -> Result<(StatusCode, String), String> {
    let mut url: Uri = probe.url.parse().map_err(|error| format!("{error}"))?;
    let mut method = Method::from_bytes(probe.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut body = probe.body.clone();
    for _ in 0..=REDIRECTS_MAX {
        let response = send(&url, &method, &probe.header, body.clone()).await?;
        match redirection(&url, &response) {
            Some(next) => {
                if !matches!(response.status().as_u16(), 307 | 308) && method != Method::HEAD {
                    method = Method::GET;
                    body.clear();
                }
                url = next?;
            }
            None => return read(response, limit).await,
        }
    }
    Err(format!("stopped after {REDIRECTS_MAX} redirects"))
}

async fn read(response: Response<Incoming>, limit: usize) -> Result<(StatusCode, String), String> {
    let (head, mut body) = response.into_parts();
    let mut tail = Tail::new(limit);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Ok(data) = frame.into_data() {
            tail.push(&data);
        }
    }
    Ok((head.status, tail.into_text()))
}

/// Where the answer sends us, if it does.
fn redirection(from: &Uri, response: &Response<Incoming>) -> Option<Result<Uri, String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    let target = location.to_str().map_err(|error| error.to_string()).and_then(|text| {
        let absolute = match text.strip_prefix('/') {
            Some(_) => format!("http://{}{text}", from.authority().map_or("", |authority| authority.as_str())),
            None => text.to_owned(),
        };
        absolute.parse::<Uri>().map_err(|error| format!("cannot follow the redirect to {text:?}: {error}"))
    });
    Some(target)
}

async fn send(
    url: &Uri,
    method: &Method,
    header: &BTreeMap<String, Vec<String>>,
    body: String,
) -> Result<Response<Incoming>, String> {
    match url.scheme_str() {
        Some("http") => {}
        Some("https") => return Err("HTTPS is not supported by the checks of this agent".to_owned()),
        other => return Err(format!("unsupported protocol scheme {:?}", other.unwrap_or_default())),
    }
    let host = url.host().ok_or("no Host in request URL")?.trim_matches(['[', ']']);
    let stream = dial(host, url.port_u16().unwrap_or(80)).await?;
    let request = build(url, method, header, body)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with the response's body, or when that is dropped.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(target: "agent::checks", %error, "the connection of an HTTP check ended badly");
        }
    });
    sender.send_request(request).await.map_err(|error| error.to_string())
}

fn build(
    url: &Uri,
    method: &Method,
    header: &BTreeMap<String, Vec<String>>,
    body: String,
) -> Result<Request<Full<Bytes>>, String> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder().method(method).uri(path).body(Full::new(Bytes::from(body)));
    if let Ok(request) = &mut request {
        let headers = request.headers_mut();
        for (name, values) in header {
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
