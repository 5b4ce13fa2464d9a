//! Connections and single requests. Idle connections are kept and used again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use model::{Token, format_duration};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::error::{AddressError, Error, os_error_text};
use crate::query::{Answer, QueryOptions, Target};
use crate::tls::TlsSettings;

/// Idle connections kept.
const IDLE_MAX: usize = 8;
/// Largest body of an answer, bytes.
const BODY_SIZE_MAX: usize = 512 << 20;
/// Port where an address has none.
const HTTP_PORT: u16 = 80;
/// The same, with TLS.
const HTTPS_PORT: u16 = 443;
/// Time allowed for a call that does not wait for anything, unless the client was told otherwise.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// The agent may answer a waiting call later than asked, by a sixteenth of the wait; `wait` left out is five minutes.
const WAIT_DEFAULT: Duration = Duration::from_secs(300);

/// What is sent.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// A body that is in memory.
pub(crate) fn whole(body: Bytes) -> RequestBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// Methods of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Write.
    Put,
    /// Add.
    Post,
    /// Remove.
    Delete,
}

impl Method {
    fn http(self) -> http::Method {
        match self {
            Self::Get => http::Method::GET,
            Self::Put => http::Method::PUT,
            Self::Post => http::Method::POST,
            Self::Delete => http::Method::DELETE,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Get => "Get",
            Self::Put => "Put",
            Self::Post => "Post",
            Self::Delete => "Delete",
        }
    }
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Reply {
    /// A header's text; empty where it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text, invalid UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The same reply, or the error that a status other than 200 is.
    pub fn ok(self) -> Result<Self, Error> {
        match self.status {
            200 => Ok(self),
            status => Err(Error::Status { status, body: self.text() }),
        }
    }
}

/// How the agent is reached.
enum Way {
    Plain,
    /// With the name to expect where it is not the host's.
    Tls(Arc<ClientConfig>, String),
    Unix(PathBuf),
}

impl Way {
    fn scheme(&self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls(..) => "https",
            Self::Unix(_) => "unix",
        }
    }
}

/// A connection of any kind.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A client of one agent. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    token: Option<http::HeaderValue>,
    /// For a proxy in front of the agent that wants to know who comes.
    authorization: Option<http::HeaderValue>,
    timeout: Duration,
}

struct Shared {
    /// `host:port`, for the `Host` header and messages; of a unix socket its path.
    authority: String,
    way: Way,
    idle: Mutex<Vec<SendRequest<RequestBody>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("authority", &self.shared.authority).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the agent at `host:port`, `http://host:port`, `https://host:port` or `unix:///path`. Nothing is sent
    /// yet.
    pub fn new(address: &str) -> Result<Self, AddressError> {
        Self::with_tls(address, &TlsSettings::default())
    }

    /// The same, with settings for where TLS is spoken.
    pub fn with_tls(address: &str, tls: &TlsSettings) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(address.to_owned());
        let (authority, way) = match address.split_once("://") {
            Some(("http", rest)) => (rest, Way::Plain),
            Some(("https", rest)) => {
                let config = tls.client_config(&[]).map_err(|error| AddressError::Tls(error.to_string()))?;
                (rest, Way::Tls(config, tls.server_name.clone()))
            }
            Some(("unix", path)) if path.starts_with('/') => (path, Way::Unix(PathBuf::from(path))),
            Some(_) => return Err(malformed()),
            None => (address, Way::Plain),
        };
        let authority = match way {
            Way::Unix(_) => authority,
            _ => authority.trim_end_matches('/'),
        };
        let parsed: Result<http::uri::Authority, _> = authority.parse();
        let is_path = matches!(way, Way::Unix(_));
        if !is_path && (authority.is_empty() || authority.contains('@') || parsed.is_err()) {
            return Err(malformed());
        }
        let shared = Shared { authority: authority.to_owned(), way, idle: Mutex::new(Vec::new()) };
        Ok(Self { shared: Arc::new(shared), token: None, authorization: None, timeout: TIMEOUT_DEFAULT })
    }

    /// Sends a token with every request; an empty one is not sent.
    pub fn with_token(mut self, token: &Token) -> Result<Self, AddressError> {
        self.token = match token.secret() {
            "" => None,
            secret => Some(http::HeaderValue::from_str(secret).map_err(|_| AddressError::Token)?),
        };
        Ok(self)
    }

    /// Sends a name and a password (`name:password`) with every request, for a proxy that asks for them.
    pub fn with_basic_auth(mut self, credentials: &str) -> Result<Self, AddressError> {
        let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials));
        self.authorization = Some(http::HeaderValue::from_str(&text).map_err(|_| AddressError::Token)?);
        Ok(self)
    }

    /// Limits the time of a call; waiting calls get their wait on top.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends one request and returns the answer with any status. `path` starts with `/v1/` and is already escaped.
    pub async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Result<Reply, Error> {
        self.send_within(self.timeout, method, path, body.into()).await
    }

    pub(crate) async fn get(&self, target: Target, options: &QueryOptions) -> Result<Reply, Error> {
        let waited = if options.index > 0 { options.wait.unwrap_or(WAIT_DEFAULT) } else { Duration::ZERO };
        let limit = self.timeout + waited + waited / 16;
        self.send_within(limit, Method::Get, &options.apply(target).text(), Bytes::new()).await
    }

    pub(crate) async fn get_json<T: DeserializeOwned>(
        &self,
        target: Target,
        options: &QueryOptions,
    ) -> Result<Answer<T>, Error> {
        let path = target.text();
        let reply = self.get(target, options).await?.ok()?;
        answer(&path, &reply)
    }

    pub(crate) async fn put(&self, target: &Target, body: impl Into<Bytes>) -> Result<Reply, Error> {
        self.send(Method::Put, &target.text(), body).await?.ok()
    }

    /// A call that answers `true` or `false`.
    pub(crate) async fn change(&self, method: Method, target: &Target, body: impl Into<Bytes>) -> Result<bool, Error> {
        let path = target.text();
        Ok(answer(&path, &self.send(method, &path, body).await?.ok()?)?.rows)
    }

    async fn send_within(&self, limit: Duration, method: Method, path: &str, body: Bytes) -> Result<Reply, Error> {
        let call = Call { client: self, method, path };
        match tokio::time::timeout(limit, call.run(body)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let limit = format_duration(limit);
                Err(Error::TimedOut { verb: method.verb(), url: call.url(), limit })
            }
        }
    }

    /// Sends a request on a connection of its own and gives the answer as soon as its head is there.
    pub(crate) async fn open(&self, method: Method, path: &str, body: RequestBody) -> Result<(Reply, Incoming), Error> {
        let call = Call { client: self, method, path };
        let request = call.request(body)?;
        let mut connection = call.connect().await?;
        let response = connection.send_request(request).await.map_err(|error| call.broken(&error))?;
        let (head, body) = response.into_parts();
        Ok((Reply { status: head.status.as_u16(), headers: head.headers, body: Bytes::new() }, body))
    }

    /// The rest of an answer that [`Self::open`] began.
    pub(crate) async fn collect_reply(&self, head: Reply, body: Incoming) -> Result<Reply, Error> {
        let call = Call { client: self, method: Method::Get, path: "" };
        Ok(Reply { body: call.read_whole(body).await?, ..head })
    }

    /// The error of an answer that ended too early.
    pub(crate) fn cut(&self, method: Method, path: &str, cause: &str) -> Error {
        Call { client: self, method, path }.broken(&cause)
    }

    fn take_idle(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        let ready = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    fn keep(&self, connection: SendRequest<RequestBody>) {
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_closed() && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }
}

/// Decodes the rows of an answer; `null` reads as no rows where the type has such a value.
pub(crate) fn answer<T: DeserializeOwned>(path: &str, reply: &Reply) -> Result<Answer<T>, Error> {
    let rows = serde_json::from_slice(&reply.body)
        .map_err(|error| Error::Decode { url: path.to_owned(), cause: error.to_string() })?;
    Ok(Answer {
        rows,
        index: reply.header("x-consul-index").parse().unwrap_or_default(),
        known_leader: reply.header("x-consul-knownleader") == "true",
        last_contact: Duration::from_millis(reply.header("x-consul-lastcontact").parse().unwrap_or_default()),
    })
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, String> {
    let no_host = || format!("dial tcp: lookup {host}: no such host");
    let mut cause = no_host();
    for address in tokio::net::lookup_host((host, port)).await.map_err(|_| no_host())? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => cause = format!("dial tcp {address}: connect: {}", os_error_text(&error)),
        }
    }
    Err(cause)
}

/// One request on its way.
struct Call<'a> {
    client: &'a Client,
    method: Method,
    path: &'a str,
}

impl Call<'_> {
    fn url(&self) -> String {
        let shared = &self.client.shared;
        format!("{}://{}{}", shared.way.scheme(), shared.authority, self.path)
    }

    fn broken(&self, cause: &dyn std::fmt::Display) -> Error {
        Error::Broken { verb: self.method.verb(), url: self.url(), cause: cause.to_string() }
    }

    async fn run(&self, body: Bytes) -> Result<Reply, Error> {
        let mut request = self.request(whole(body))?;
        // A kept connection may have been closed by the agent: then nothing was sent, and a new one is made.
        if let Some(mut connection) = self.client.take_idle() {
            match connection.try_send_request(request).await {
                Ok(response) => return self.collect(connection, response).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.broken(&error.into_error())),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await.map_err(|error| self.broken(&error))?;
        self.collect(connection, response).await
    }

    fn request(&self, body: RequestBody) -> Result<http::Request<RequestBody>, Error> {
        let mut request = http::Request::builder()
            .method(self.method.http())
            .uri(self.path)
            .header(http::header::HOST, self.host())
            .body(body)
            .map_err(|error| self.broken(&error))?;
        if let Some(token) = &self.client.token {
            request.headers_mut().insert("x-consul-token", token.clone());
        }
        if let Some(authorization) = &self.client.authorization {
            request.headers_mut().insert(http::header::AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    fn host(&self) -> &str {
        match self.client.shared.way {
            Way::Unix(_) => "localhost",
            _ => &self.client.shared.authority,
        }
    }

    async fn connect(&self) -> Result<SendRequest<RequestBody>, Error> {
        let wire =
            self.wire().await.map_err(|cause| Error::Connect { verb: self.method.verb(), url: self.url(), cause })?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(wire)).await.map_err(|error| self.broken(&error))?;
        // Ends when the sender is dropped or the agent closes; whoever waits for an answer sees the error.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn wire(&self) -> Result<Box<dyn Wire>, String> {
        let shared = &self.client.shared;
        if let Way::Unix(path) = &shared.way {
            let connected = UnixStream::connect(path).await;
            let failed = |error| format!("dial unix {}: connect: {}", path.display(), os_error_text(&error));
            return Ok(Box::new(connected.map_err(failed)?));
        }
        let port_default = if matches!(shared.way, Way::Tls(..)) { HTTPS_PORT } else { HTTP_PORT };
        let (host, port) = match shared.authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(port_default)),
            _ => (shared.authority.as_str(), port_default),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let stream = dial(host, port).await?;
        // Without it small requests wait for the acknowledgement of the one before; it is only speed that is lost.
        let _ = stream.set_nodelay(true);
        let Way::Tls(config, server_name) = &shared.way else { return Ok(Box::new(stream)) };
        let name = if server_name.is_empty() { host } else { server_name };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("tls: {name:?} is neither a host name nor an address"))?;
        let connected = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        Ok(Box::new(connected.map_err(|error| format!("tls: {error}"))?))
    }

    async fn collect(
        &self,
        connection: SendRequest<RequestBody>,
        response: http::Response<Incoming>,
    ) -> Result<Reply, Error> {
        let (head, body) = response.into_parts();
        let body = self.read_whole(body).await?;
        self.client.keep(connection);
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }

    async fn read_whole(&self, mut body: Incoming) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.broken(&error))?;
            if let Some(data) = frame.data_ref() {
                bytes.extend_from_slice(data);
            }
            if bytes.len() > BODY_SIZE_MAX {
                return Err(self.broken(&format!("the answer is larger than {BODY_SIZE_MAX} bytes")));
            }
        }
        Ok(bytes.freeze())
    }
}
