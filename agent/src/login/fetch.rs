//! One HTTP request to somebody whom an operator has named: no redirects, a bound on the answer, and no files.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use model::Json;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::checks::net::{Wire, dial};

/// Largest body of an answer, bytes.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Largest head of an answer, bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Who asks.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// Anybody.
    None,
    /// Who has a token.
    Bearer(&'a str),
    /// Who knows a password.
    Basic(&'a str, &'a str),
}

/// What is sent.
pub enum Sent {
    /// Nothing: it is a `GET`.
    Nothing,
    /// JSON.
    Json(String),
    /// The fields of a form, encoded.
    Form(String),
}

/// The authorities of a PEM text.
pub fn authorities(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let added = certificate.ok().is_some_and(|certificate| roots.add(certificate).is_ok());
        if !added {
            return Err("could not parse CA PEM value successfully".to_owned());
        }
    }
    if roots.is_empty() { Err("could not parse CA PEM value successfully".to_owned()) } else { Ok(roots) }
}

fn tls(ca: &str) -> Result<Arc<ClientConfig>, String> {
    if ca.is_empty() {
        return client::tls::TlsSettings::default().client_config(&[]).map_err(|error| error.to_string());
    }
    let builder = ClientConfig::builder_with_provider(client::tls::provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(authorities(ca)?).with_no_client_auth()))
}

/// The JSON that answers. `ca` are the authorities that vouch for who answers: those of the system when it is empty.
///
/// # Errors
/// What went wrong, with the URL; never what was sent.
pub async fn json(url: &str, ca: &str, credential: Credential<'_>, sent: Sent) -> Result<Json, String> {
    let verb = if matches!(sent, Sent::Nothing) { "Get" } else { "Post" };
    let wrong = |why: String| format!("{verb} {url:?}: {why}");
    let (status, body) = send(url, ca, credential, sent).await.map_err(wrong)?;
    if !(200..300).contains(&status) {
        return Err(wrong(format!("unexpected status {status}")));
    }
    serde_json::from_slice(&body).map_err(|error| wrong(format!("the answer is not JSON: {error}")))
}

async fn send(url: &str, ca: &str, credential: Credential<'_>, sent: Sent) -> Result<(u16, Bytes), String> {
    let url: Uri = url.parse().map_err(|error| format!("{error}"))?;
    let host = url.host().filter(|host| !host.is_empty()).ok_or("no Host in request URL")?.trim_matches(['[', ']']);
    let secure = match url.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        other => return Err(format!("unsupported protocol scheme {:?}", other.unwrap_or_default())),
    };
    let request = build(&url, credential, sent)?;
    let stream = dial(host, url.port_u16().unwrap_or(if secure { 443 } else { 80 })).await?;
    let stream: Box<dyn Wire> = if secure {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("tls: {host:?} is neither a host name nor an address"))?;
        let connected = TlsConnector::from(tls(ca)?).connect(name, stream).await;
        Box::new(connected.map_err(|error| format!("tls: {error}"))?)
    } else {
        Box::new(stream)
    };
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error: hyper::Error| error.to_string())?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::trace!(target: "agent::acl", %error, "a connection to an issuer ended badly");
        }
    }));
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| format!("cannot read the answer (at most {BODY_BYTES_MAX} bytes): {error}"))?;
    Ok((status, body.to_bytes()))
}

fn build(url: &Uri, credential: Credential<'_>, sent: Sent) -> Result<Request<Full<Bytes>>, String> {
    let (method, kind, body) = match sent {
        Sent::Nothing => (Method::GET, None, String::new()),
        Sent::Json(body) => (Method::POST, Some("application/json"), body),
        Sent::Form(body) => (Method::POST, Some("application/x-www-form-urlencoded"), body),
    };
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(method).uri(path).body(Full::from(body));
    if let Ok(request) = &mut request {
        let headers = request.headers_mut();
        let authority = url.authority().map_or("", |authority| authority.as_str());
        headers.insert(HOST, HeaderValue::from_str(authority).map_err(|error| error.to_string())?);
        headers.insert(USER_AGENT, HeaderValue::from_static("Consul"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let authorization = match credential {
            Credential::None => None,
            Credential::Bearer(token) => Some(format!("Bearer {token}")),
            Credential::Basic(name, password) => {
                let both = format!("{}:{}", encoded(name), encoded(password));
                Some(format!("Basic {}", STANDARD.encode(both)))
            }
        };
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(&authorization).map_err(|_| "unusable credential".to_owned())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
    }
    request.map_err(|error| error.to_string())
}

/// Percent-encoded for a query or a form.
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

/// Fields as a query or a form.
pub fn form(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}
